// What an operator on call does in an outage, in a browser against a running server: sees what fails and why, has all
// that waits attempted, and finds a lost recording. And whether everybody can read the pages (axe).

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { Browser, closePages, hook, logIn } from "./browser.mjs";
import { Recording, Reelhook, SCREENSHOTS, terminated, until } from "./server.mjs";

const N = 200;
let reelhook;
let browser;
let state;

before(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    // After the first attempt, nothing is attempted again within this test, unless somebody asks for it.
    reelhook = await Reelhook.start({ retry: ["0s", "1h", "1h"], more: '[expectations]\nlost_after = "1s"' });
    browser = await Browser.launch(reelhook.admin);
    state = await logIn(browser, reelhook.token);
});

after(async () => {
    await browser?.close();
    assert.equal(await reelhook?.stop(), 0, "the server ends well");
});

afterEach(() => closePages(browser));

async function visit(path, options = {}) {
    const page = await browser.open({ state, ...options });
    assert.equal((await page.goto(path)).status(), 200, path);
    return page;
}

/** Notifications of so many recordings, none of which the CRM gets. */
async function notify(name) {
    const recordings = Array.from({ length: N }, (_, n) => new Recording(`sales-${name}-${n}`).completed());
    for (let n = 0; n < N; n += 50) await reelhook.notify(...recordings.slice(n, n + 50));
}

const crm = async () => (await reelhook.ask("GET", "sinks")).value.find(({ name }) => name === "crm");
const delivered = (name) =>
    reelhook.farSide.deliveries.filter(({ taken, event }) => taken && event.data?.clientContext?.startsWith(`sales-${name}-`));

/** The CRM goes down with so many waiting, and comes back; then `attempt` asks for all of them. */
async function outage(name, attempt) {
    await reelhook.farSide.down();
    await notify(name);
    await until(`${N} wait`, async () => (await crm()).openCount === N);
    await until("it fails", async () => (await crm()).state === "failing", 3_000);
    await reelhook.farSide.up();
    assert.equal(delivered(name).length, 0);
    await attempt();
    await until("all are delivered", async () => delivered(name).length === N && (await crm()).openCount === 0);
    assert.equal((await crm()).state, "active");
}

test("a dead sink is red within 3 s, with its last error, and all that waits is attempted by a button", async () => {
    const page = await visit("/sinks");
    await outage("button", async () => {
        // It has been down for a moment; a person looks.
        await until("red", async () => (await page.reload()) && (await hook(page, "failing").count()) === 1, 3_000);
        assert.match(await hook(page, "last-failure").innerText(), /Connection refused/);
        // The page may have counted while the archive had not written the last events.
        const waiting = page.locator("div", { has: page.getByText("Deliveries waiting") }).last().locator("dd");
        await until("the first page counts them", async () => (await page.goto("/")) && (await waiting.innerText()) === String(N));
        assert.equal(await hook(page, "failing").count(), 1, "the first page says it as well");
        await page.screenshot({ path: join(SCREENSHOTS, "outage-now.png"), fullPage: true });
        await page.goto("/sinks/crm");
        assert.match(await page.locator("main").innerText(), /It is failing: all attempts since .* failed.*Connection refused/s);
        assert.equal(await hook(page, "open").innerText(), String(N));
        await page.screenshot({ path: join(SCREENSHOTS, "outage-sink.png"), fullPage: true });
        await hook(page, "attempt-all").click();
        await hook(page, "notice").waitFor();
    });
    await page.reload();
    assert.equal(await hook(page, "delivering").count(), 1);
});

test("all that waits is attempted by the command and by the API too", async () => {
    await outage("command", async () => {
        assert.match(await reelhook.command("sinks", "show", "crm"), /failing since .*Connection refused/s);
        await reelhook.command("sinks", "attempt", "crm");
    });
    await outage("api", () => reelhook.ask("POST", "sinks/crm/attempt"));
});

test("a lost recording is two clicks from the first page, and found by its context, its id and its call's", async () => {
    const recording = new Recording("sales-lost-1");
    const announced = await reelhook.announce({ clientContext: recording.clientContext, callId: recording.call });
    await reelhook.notify(terminated(recording.call));
    const page = await visit("/");
    await until("the tile counts it", async () => {
        await page.reload();
        const tile = page.locator("div", { has: hook(page, "tile-lost") }).last();
        return (await tile.locator("dd").innerText()) === "1";
    });
    await hook(page, "tile-lost").click();
    await page.locator('[data-test="operation-row"] a').first().click();
    await page.getByText("It is lost: its call ended").waitFor();
    const shouted = announced.id.replaceAll("-", "").toUpperCase();
    for (const text of [recording.clientContext, "LOST-1", announced.id, shouted, recording.call, recording.call.toLowerCase()]) {
        await page.goto("/operations");
        await hook(page, "search").fill(text);
        await hook(page, "search-button").click();
        const row = page.locator('[data-test="operation-row"] a');
        await row.waitFor();
        assert.deepEqual(await row.allInnerTexts(), [recording.clientContext], text);
    }
});

test("a delivery's page tells what was sent and what was answered", async () => {
    const operation = (await reelhook.ask("GET", "communications/recordOperations?$top=1&$orderby=createdDateTime&$filter=startsWith(clientContext,'sales-button')")).value[0];
    const page = await visit(`/operations/${operation.id}`);
    await hook(page, "delivery-link").first().click();
    const attempts = hook(page, "attempt");
    assert.equal(await attempts.count(), 2, "the one during the outage, and the one after it");
    assert.match(await attempts.first().locator('[data-test="request"]').innerText(), /^POST .* HTTP\/1\.1\n/);
    assert.match(await attempts.first().locator('[data-test="answer"]').innerText(), /^HTTP\/1\.1 20\d/);
    await attempts.last().locator("summary").click();
    await attempts.last().locator('[data-test="no-answer"]').waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, "delivery.png"), fullPage: true });
});

test("everybody can read the pages: axe finds nothing", async () => {
    const operation = (await reelhook.ask("GET", "communications/recordOperations?$top=1")).value[0];
    const delivery = (await reelhook.ask("GET", `communications/recordOperations/${operation.id}/deliveries`)).value[0];
    const event = (await reelhook.ask("GET", "eventLog?$top=1")).value[0];
    const paths = [
        "/", "/operations", `/operations/${operation.id}`, `/deliveries/${delivery.id}`, "/events", "/events?q=nothing", `/events/${event.id}`, "/deliveries",
        "/deliveries?state=delivered", "/sinks", "/sinks/crm", "/resend", "/bulk/unmatched", "/quarantine", "/unmatched", "/configuration",
    ];
    // The colours depend on the theme, the layout on the width.
    for (const [width, theme] of [[1280, "light"], [1280, "dark"], [400, "light"]]) {
        const page = await visit("/", { width, theme });
        for (const path of paths) {
            await page.goto(path);
            const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
            const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
            assert.deepEqual(found, [], `${path} at ${width} px, ${theme}`);
        }
    }
});
