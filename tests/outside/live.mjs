// Live means live: the first page follows the stream without a reload, says when it cannot, and catches up. And what the
// script does on every page: the reader's own time, and buttons that copy.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { createServer, connect } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { Browser, closePages, hook, logIn, overhang } from "./browser.mjs";
import { Recording, Reelhook, SCREENSHOTS, terminated, until } from "./server.mjs";

/** The longest that an accepted notification may take to the page. */
const SOON = 3_000;

/** A line to the admin listener that can be cut. */
class Line {
    sockets = new Set();

    constructor(origin) {
        this.target = Number(new URL(origin).port);
    }

    async up(port = 0) {
        this.server = createServer((near) => {
            const far = connect(this.target, "127.0.0.1");
            for (const [from, to] of [[near, far], [far, near]]) {
                this.sockets.add(from);
                from.on("error", () => {}).on("close", () => to.destroy()).pipe(to);
            }
        });
        await new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
        this.port = this.server.address().port;
    }

    async cut() {
        const closed = new Promise((resolve) => this.server.close(resolve));
        for (const socket of this.sockets) socket.destroy();
        this.sockets.clear();
        await closed;
    }
}

let reelhook;
let line;
let browser;
let state;

before(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    reelhook = await Reelhook.start({ retry: ["0s", "1h"], more: '[expectations]\nlost_after = "1s"' });
    reelhook.farSide.refuses = false;
    line = new Line(reelhook.admin);
    await line.up();
    browser = await Browser.launch(`http://127.0.0.1:${line.port}`);
    state = await logIn(browser, reelhook.token);
});

after(async () => {
    await browser?.close();
    await line?.cut();
    assert.equal(await reelhook?.stop(), 0, "the server ends well");
});

afterEach(() => closePages(browser));

async function visit(path, options = {}) {
    const page = await browser.open({ state, ...options });
    assert.equal((await page.goto(path)).status(), 200, path);
    return page;
}

const liveState = async (page) => (await page.locator("#live-state").innerText()).trim();
const live = (page) => until("it is live", async () => (await liveState(page)) === "live");
const summary = async (page, plot) => (await hook(page, `plot-${plot}`).locator(".summary").innerText()).trim();
const accepted = async (page) => Number((await summary(page, "arrivals")).match(/^([\d,]+) accepted/)?.[1].replaceAll(",", "") ?? 0);
const perMinute = async (page) => Number((await hook(page, "per-minute").innerText()).replaceAll(",", ""));
const bars = (page, plot) => hook(page, `plot-${plot}`).locator("svg[role=img] rect").count();

test("an accepted notification changes the tile and the plot without a reload", async () => {
    const page = await visit("/");
    await live(page);
    await page.evaluate(() => (window.isTheSame = true));
    const before = await accepted(page);
    await reelhook.notify(new Recording("sales-live-1").completed(), new Recording("sales-live-2").completed());
    await until("the tile counts them", async () => (await perMinute(page)) >= 2, SOON);
    await until("the plot counts them", async () => (await accepted(page)) === before + 2, SOON);
    assert.ok((await bars(page, "arrivals")) > 0, "a bar stands");
    await until("the attempts are drawn", async () => /^4 delivered, 0 failed/.test(await summary(page, "attempts")), SOON);
    assert.equal(await page.evaluate(() => window.isTheSame), true, "it was not reloaded");
});

test("a lost recording reaches its tile without a reload", async () => {
    const page = await visit("/?range=24h");
    await live(page);
    const recording = new Recording("sales-lost-live");
    await reelhook.announce({ clientContext: recording.clientContext, callId: recording.call });
    await reelhook.notify(terminated(recording.call));
    const tile = page.locator("div", { has: hook(page, "tile-lost") }).last().locator("dd");
    await until("it is counted", async () => (await tile.innerText()) === "1", 1_000 + SOON);
    assert.equal(await page.locator('[aria-current="true"]').innerText(), "24 h", "the range is the same");
});

test("what is renewed keeps the focus, the selection and what is open", async () => {
    const page = await visit("/");
    await live(page);
    await hook(page, "plot-arrivals").locator("summary").click();
    await page.evaluate(() => {
        const label = document.querySelector('[data-test="tile-lost"]');
        getSelection().selectAllChildren(label);
        document.querySelector('[data-test="range-1h"]').focus();
        window.kept = [label, document.activeElement];
    });
    const before = await accepted(page);
    await reelhook.notify(new Recording("sales-focus").completed());
    await until("it is renewed", async () => (await accepted(page)) === before + 1, SOON);
    const kept = await page.evaluate(() => ({
        isSame: window.kept.every((element) => element.isConnected) && document.activeElement === window.kept[1],
        selected: getSelection().toString(),
        isOpen: document.querySelector('[data-test="plot-arrivals"] details').open,
    }));
    assert.deepEqual(kept, { isSame: true, selected: "Lost recordings", isOpen: true });
    assert.ok((await hook(page, "table-arrivals").innerText()).length > 0);
});

test("a stream that breaks is said to, and comes back with what was missed", async () => {
    const page = await visit("/", { expected: /net::ERR_/ });
    await live(page);
    const before = await accepted(page);
    const { port } = line;
    await line.cut();
    await until("it says so", async () => (await liveState(page)) === "not live: connecting again", SOON);
    await page.screenshot({ path: join(SCREENSHOTS, "live-broken.png") });
    await reelhook.notify(new Recording("sales-missed").completed());
    await line.up(port);
    await live(page);
    await until("the plot has it", async () => (await accepted(page)) === before + 1, SOON);
    assert.equal(await hook(page, "live-row").filter({ hasText: "sales-missed" }).count(), 1, "once");
});

test("a page in the background does no work, and catches up", async () => {
    const page = await visit("/");
    await live(page);
    const hide = (isHidden) => page.evaluate((isHidden) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
        document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
    const streams = [];
    page.on("request", (request) => request.url().includes("/console/events") && streams.push(request.url()));
    await hide(true);
    assert.equal(await liveState(page), "not live: in the background");
    const before = await accepted(page);
    await reelhook.notify(new Recording("sales-hidden").completed());
    const other = await visit("/");
    await until("another page has it", async () => (await accepted(other)) === before + 1, SOON);
    assert.equal(await accepted(page), before, "this one asked for nothing");
    assert.deepEqual(streams, []);
    await hide(false);
    await live(page);
    await until("it caught up", async () => (await accepted(page)) === before + 1, SOON);
    await until("and has the row", async () => (await hook(page, "live-row").filter({ hasText: "sales-hidden" }).count()) === 1, SOON);
});

test("a button copies an id, by the keyboard too, and says so", async () => {
    const page = await visit("/operations?q=sales-live-1");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await hook(page, "operation-row").locator("a").first().click();
    for (const width of [1280, 400]) {
        await page.setViewportSize({ width, height: 900 });
        for (const button of await hook(page, "copy").all()) {
            if (!(await button.isVisible())) continue;
            const text = await button.getAttribute("data-copy");
            await button.focus();
            await page.keyboard.press("Enter");
            await until("it says so", async () => /^Copied the /.test(await page.locator("#said").innerText()));
            assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text);
            assert.ok(await button.evaluate((it) => it === document.activeElement), "the focus stays");
        }
        const texts = await hook(page, "copy").evaluateAll((all) => all.map((it) => it.dataset.copy));
        assert.ok(texts.includes("sales-live-1") && texts.some((text) => text.startsWith("curl ")), texts.join("\n"));
    }
});

test("times are the reader's own and relative; UTC is one point away, and all there is without a script", async () => {
    const { browser: chromium } = { browser: browser.chromium };
    const options = { baseURL: browser.origin, storageState: state, timezoneId: "Asia/Tokyo" };
    const inTokyo = await (await chromium.newContext(options)).newPage();
    await inTokyo.goto("/");
    const time = hook(inTokyo, "live-row").first().locator("time");
    const utc = (await time.getAttribute("title")).match(/(\d\d):(\d\d:\d\d) UTC$/);
    const hour = String((Number(utc[1]) + 9) % 24).padStart(2, "0");
    assert.match(await time.innerText(), new RegExp(`^${hour}:${utc[2]} \\((just now|\\d+ min ago)\\)$`));
    assert.equal(await inTokyo.locator("[data-zone]").first().textContent(), "your local time");
    const plain = await (await chromium.newContext({ ...options, javaScriptEnabled: false })).newPage();
    await plain.goto("/?range=1h");
    assert.match(await hook(plain, "live-row").first().locator("time").innerText(), / UTC$/);
    assert.equal(await plain.locator("[data-zone]").first().textContent(), "UTC");
    assert.equal(await plain.locator("#live-state").innerText(), "not live: needs JavaScript");
    await hook(plain, "live-row").first().locator("a").click();
    assert.ok((await hook(plain, "copy").count()) > 0);
    assert.equal(await hook(plain, "copy").filter({ visible: true }).count(), 0, "no button that cannot work");
});

test("everybody can read the live page and its pictures, in each range, width and theme", async () => {
    const operation = (await reelhook.ask("GET", "communications/recordOperations?$top=1")).value[0];
    for (const [width, theme] of [[1280, "light"], [1280, "dark"], [400, "light"], [400, "dark"]]) {
        const page = await visit("/", { width, theme });
        for (const [name, path] of [["15m", "/?range=15m"], ["1h", "/?range=1h"], ["24h", "/?range=24h"], ["json", `/operations/${operation.id}`]]) {
            await page.goto(path);
            await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
            if (name !== "json") await live(page);
            const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
            const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
            assert.deepEqual(found, [], `${path} at ${width} px, ${theme}`);
            assert.equal(await overhang(page), "", `${path} cannot be scrolled to the side at ${width}`);
            await page.screenshot({ path: join(SCREENSHOTS, `live-${name}-${width}-${theme}.png`), fullPage: true });
        }
    }
});
