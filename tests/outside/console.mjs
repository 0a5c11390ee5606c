// The console in a browser: each page, against a running server with the simulator.
//
// Pages are found by their addresses and by `data-test`. What the browser sees that no page may do (a dialog, a request
// to another host, an error, a broken content policy) fails the test in which it happens: see browser.mjs.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import { Browser, closePages, coveredLabels, hook, logIn, overhang } from "./browser.mjs";
import { Recording, Reelhook, SCREENSHOTS, prompt, until } from "./server.mjs";

const WIDTHS = [1280, 400];
const THEMES = ["light", "dark"];
const NAVIGATION = ["overview", "operations", "events", "deliveries", "sinks", "quarantine", "unmatched", "configuration"];
/** Whatever a page makes of it but text is seen: a dialog, a request to another host, or an element of this name. */
const HOSTILE = `sales-"><img name=xss src=//evil.example/x onerror=alert(1)><script name=xss>alert(2)</script>'{{7*7}}`;
/** As it stands in JSON, which is shown as it came. */
const HOSTILE_IN_JSON = JSON.stringify(HOSTILE).slice(1, -1);

const good = new Recording("sales-4711");
const failed = new Recording("sales-4712");
const hostile = new Recording(HOSTILE);
let reelhook;
let browser;
let session;

before(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    reelhook = await Reelhook.start();
    browser = await Browser.launch(reelhook.admin);
    await reelhook.announce({ clientContext: good.clientContext, metadata: { customer: "Contoso" }, expectWithin: "PT1H" });
    await reelhook.announce({ clientContext: "sales-4713", expectWithin: "PT1S" });
    await reelhook.announce({ clientContext: "sales-4714", expectWithin: "PT2H" });
    await reelhook.play("plain,failed,repeats,reordering,dialects,changes,lifecycle");
    await reelhook.notify(prompt(HOSTILE));
    for (const recording of [failed, hostile, good]) await reelhook.notify(recording.running());
    await reelhook.notify(failed.failed(), hostile.completed(), good.completed());
    await reelhook.notifySpoiled(`users('x')/messages('${HOSTILE}')`);
    await until("the far side refuses all that it gets", () => reelhook.farSide.deliveries.length >= 6);
    session = await logIn(browser, reelhook.token);
});

after(async () => {
    await browser?.close();
    assert.equal(await reelhook?.stop(), 0, "the server ends well");
});

afterEach(() => closePages(browser));

/** A row (or whatever has this hook) that says this text. */
const saying = (page, name, text) => hook(page, name).filter({ hasText: text });

/** A page of somebody who is logged in. */
async function visit(path, options = {}) {
    const page = await browser.open({ state: session, ...options });
    const answer = await page.goto(path);
    assert.equal(answer.status(), 200, path);
    return page;
}

/** Reloads until the hook says `expected`. */
function shows(page, name, expected) {
    return until(`${name} is ${expected}`, async () => {
        await page.reload();
        return (await hook(page, name).first().innerText()).trim() === expected;
    });
}

/** Waits for a page to be what it becomes by itself: where it is live, the stream is open. */
async function settled(page) {
    await page.waitForLoadState("load");
    if (await page.locator("#live-state").count()) await page.locator("#live-state", { hasText: /^live$/ }).waitFor();
}

/** What a person or a thief reads on a page. */
async function everything(page) {
    return `${await page.content()}\n${await page.evaluate(() => document.documentElement.textContent)}`;
}

async function assertShowsNoSecret(page) {
    const text = await everything(page);
    const secrets = { ...reelhook.secrets, token: reelhook.token, ...reelhook.tokenOf, calls: reelhook.callsToken };
    for (const [name, secret] of Object.entries(secrets)) {
        assert.ok(!text.includes(secret.replace(/^(whsec_|Bearer )/, "")), `${page.url()} shows the secret "${name}"`);
    }
}

async function assertIsTextAlone(page) {
    assert.equal(await page.locator("[name=xss]").count(), 0, `${page.url()} made an element of a text`);
    assert.equal(await page.locator("script:not([src])").count(), 0, `${page.url()} has a script in it`);
}

/** The address of an operation's page, found as a person finds it. */
async function pageOf(page, context) {
    await page.goto(`/operations?q=${encodeURIComponent(context)}`);
    return saying(page, "operation-row", context).first().locator("a").first().getAttribute("href");
}

/** The address of the page of an event that belongs to no operation. */
async function eventPage(page) {
    await page.goto("/events?matched=no");
    return page.locator('[data-test="event-row"] a[href^="/events/"]').first().getAttribute("href");
}

/** The addresses of all pages, by the names that their pictures get. */
async function addresses() {
    const page = await visit("/quarantine");
    const entry = await hook(page, "quarantine-row").first().locator("a").first().getAttribute("href");
    const pages = {
        overview: "/",
        operations: "/operations",
        found: `/operations?q=${encodeURIComponent(HOSTILE)}`,
        operation: await pageOf(page, good.clientContext),
        hostile: await pageOf(page, HOSTILE),
        events: "/events",
        event: await eventPage(page),
        "events-none": "/events?q=nothing&matched=no",
        deliveries: "/deliveries",
        dead: "/deliveries?state=dead&sink=crm",
        bulk: "/bulk/unmatched",
        sinks: "/sinks",
        sink: "/sinks/crm",
        replay: "/sinks/crm/replay",
        quarantine: "/quarantine",
        quarantined: entry,
        unmatched: "/unmatched",
        configuration: "/configuration",
    };
    await page.context().close();
    return pages;
}

test("the browser's guards notice what no page may do", async () => {
    const page = await visit("/");
    await settled(page);
    await page.evaluate(() => fetch("https://evil.example/x").catch(() => {}));
    await page.evaluate(() => alert("noticed"));
    await page.evaluate(() => document.body.setAttribute("style", "color: red"));
    await page.evaluate(() => setTimeout(() => { throw new Error("noticed"); }));
    const faults = [];
    await until("each is noticed", () => {
        faults.push(...browser.takeFaults());
        return [/a dialog: noticed/, /connect-src/, /style-src/, /an error: .*noticed/].every((it) => faults.some((fault) => it.test(fault)));
    });
});

test("only a token that is known opens the console", async () => {
    const page = await browser.open({ expected: /status of 401/ });
    await page.goto("/operations?q=sales");
    assert.equal(new URL(page.url()).pathname, "/login");
    await hook(page, "token").fill("a guess");
    await hook(page, "login").click();
    await saying(page, "problem", "not known").waitFor();
    await page.goto("/operations?q=sales");
    await hook(page, "token").fill(reelhook.token);
    await page.keyboard.press("Enter");
    await hook(page, "operation-row").first().waitFor();
    assert.equal(new URL(page.url()).search, "?q=sales", "it leads on to where one wanted to go");
    const [cookie] = await page.context().cookies();
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/"]);
    await hook(page, "logout").click();
    await hook(page, "login-form").waitFor();
    await page.goto("/sinks");
    assert.equal(new URL(page.url()).pathname, "/login", "out is out");
});

test("every page is whole in both widths and both themes, shows no secret, and takes texts as texts", async () => {
    const pages = await addresses();
    for (const theme of THEMES) {
        for (const width of WIDTHS) {
            const page = await browser.open({ width, theme, state: session });
            for (const [name, path] of Object.entries(pages)) {
                const answer = await page.goto(path);
                assert.equal(answer.status(), 200, path);
                await settled(page);
                await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}-${theme}.png`), fullPage: true });
                assert.equal(await overhang(page), "", `${name} cannot be scrolled to the side at ${width}`);
                assert.deepEqual(await coveredLabels(page), [], `${name} can be read at ${width}`);
                await assertIsTextAlone(page);
                await assertShowsNoSecret(page);
            }
            const stranger = await browser.open({ width, theme });
            await stranger.goto("/login");
            await stranger.screenshot({ path: join(SCREENSHOTS, `login-${width}-${theme}.png`), fullPage: true });
            assert.equal(await overhang(stranger), "", `login cannot be scrolled to the side at ${width}`);
        }
    }
    const page = await visit(pages.overview);
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    assert.notEqual(await background(), light, "dark is another theme");
});

test("a hostile client context is text on each page that shows it", async () => {
    const pages = await addresses();
    for (const name of ["overview", "operations", "found", "hostile", "events", "deliveries", "sink", "quarantined", "unmatched"]) {
        const page = await visit(pages[name]);
        const expected = name === "quarantined" ? HOSTILE_IN_JSON : HOSTILE;
        assert.ok((await page.evaluate(() => document.body.innerText)).includes(expected), `${name} shows it as it is`);
        await assertIsTextAlone(page);
    }
});

test("what arrives is shown without a reload, as text", async () => {
    const page = await visit("/");
    await settled(page);
    await page.evaluate(() => (window.isTheSame = true));
    for (const context of ["sales-live-17", `${HOSTILE}-live`]) {
        assert.equal(await saying(page, "live-row", context).count(), 0);
        await reelhook.notify(new Recording(context).running());
        await saying(page, "live-row", context).waitFor();
    }
    const newest = hook(page, "live-row").first();
    assert.match(await newest.innerText(), /recordOperation\.running/);
    await assertIsTextAlone(page);
    assert.equal(await page.evaluate(() => window.isTheSame), true, "it was not reloaded");
    await newest.locator("a").click();
    assert.equal((await hook(page, "client-context").innerText()).trim(), `${HOSTILE}-live`, "and leads to its page");
});

test("operations are searched, filtered and paged", async () => {
    const page = await visit("/operations");
    await hook(page, "search").fill("sales-471");
    await hook(page, "search-button").click();
    await saying(page, "operation-row", "sales-4711").waitFor();
    assert.equal(await hook(page, "operation-row").count(), 4);
    await hook(page, "filter-status").fill("failed");
    await hook(page, "search-button").click();
    await saying(page, "operation-row", "sales-4711").waitFor({ state: "detached" });
    assert.deepEqual(await hook(page, "operation-row").locator("a").allInnerTexts(), ["sales-4712"]);
    await hook(page, "search").fill("nothing begins so");
    await hook(page, "search-button").click();
    await saying(page, "empty", "No operation").waitFor();

    await page.goto("/operations?state=overdue");
    await until("the one that never came is overdue", async () => {
        await page.reload();
        return (await saying(page, "operation-row", "sales-4713").count()) === 1;
    });

    const many = Array.from({ length: 60 }, (_, n) => new Recording(`paged-${n}`).running());
    await reelhook.notify(...many);
    await page.goto("/operations?q=paged-");
    const seen = new Set(await hook(page, "operation-row").locator("a").allInnerTexts());
    await hook(page, "older").click();
    await hook(page, "first").waitFor();
    for (const context of await hook(page, "operation-row").locator("a").allInnerTexts()) {
        assert.ok(!seen.has(context), `${context} is on one page`);
        seen.add(context);
    }
    assert.equal(seen.size, many.length, "all of them are on one of the two pages");
});

test("the page of an operation tells its story: picture, words, deliveries and what was said", async () => {
    const page = await visit("/operations");
    await page.goto(await pageOf(page, good.clientContext));
    assert.equal((await hook(page, "status").innerText()).trim(), "completed");
    assert.equal((await hook(page, "state").innerText()).trim(), "met");
    assert.match(await hook(page, "story").innerText(), /completed/i);
    const timeline = hook(page, "timeline");
    assert.ok(await timeline.isVisible());
    // Labels that would stand on each other are left out; the titles of the marks are all there.
    const told = await timeline.evaluate((svg) => [...svg.querySelectorAll("title, text")].map((it) => it.textContent));
    for (const what of ["announced", "expected by", "recordOperation.running", "recordOperation.completed", "to crm", "to archive"]) {
        assert.ok(told.some((text) => text.includes(what)), `the timeline shows "${what}": ${told.join("; ")}`);
    }
    assert.equal(await hook(page, "event").count(), 2);
    assert.equal(await saying(page, "delivery-row", "crm").count(), 2);
    assert.match(await saying(page, "delivery-row", "crm").first().innerText(), /dead letter[^]*403/);
    assert.match(await saying(page, "delivery-row", "archive").first().innerText(), /delivered/);
    assert.match(await hook(page, "raw").textContent(), /"customer": "Contoso"/);
});

test("events and deliveries are filtered, and lead to their pages", async () => {
    const page = await visit("/events");
    await hook(page, "search").fill("SALES-4711");
    await hook(page, "filter").click();
    await saying(page, "event-row", "sales-4711").first().waitFor();
    assert.equal(await hook(page, "event-row").count(), 2, "in any case");
    assert.match(await hook(page, "event-row").first().innerText(), /recordOperation\.completed[^]*archive delivered/);
    await hook(page, "event-row").first().locator("a").first().click();
    assert.equal((await hook(page, "client-context").innerText()).trim(), "sales-4711");

    await page.goto("/deliveries");
    await hook(page, "filter-state").selectOption("dead");
    await hook(page, "filter-sink").selectOption("crm");
    await hook(page, "search").fill("sales-4711");
    await hook(page, "filter").click();
    await saying(page, "delivery-row", "sales-4711").first().waitFor();
    assert.equal(await hook(page, "delivery-row").count(), 2);
    assert.match(await hook(page, "delivery-row").first().innerText(), /dead letter[^]*403/);

    await page.goto(await eventPage(page));
    assert.equal(await hook(page, "event-type").count(), 1);
    assert.match(await hook(page, "envelope").innerText(), /channel/);
});

test("a paused sink gets nothing, a resumed one what waited", async () => {
    const recording = new Recording("sales-paused");
    const page = await visit("/sinks");
    await saying(page, "sink-link", "crm").click();
    await hook(page, "pause").click();
    await saying(page, "notice", "Paused").waitFor();
    assert.equal(await hook(page, "paused").count(), 1);
    await reelhook.notify(recording.completed());
    await shows(page, "open", "1");
    assert.deepEqual(reelhook.farSide.of(recording.clientContext), []);
    await page.goto("/sinks");
    assert.equal(await hook(page, "paused").count(), 1, "the list says it as well");
    await page.goto("/sinks/crm");
    reelhook.farSide.refuses = false;
    await hook(page, "resume").click();
    await saying(page, "notice", "Resumed").waitFor();
    await until("it is delivered", () => reelhook.farSide.of(recording.clientContext).some(({ taken }) => taken));
    await shows(page, "open", "0");
    reelhook.farSide.refuses = true;
});

test("a dead letter is replayed under its old id, and then all of them", async () => {
    const page = await visit("/sinks/crm");
    const n_dead = Number(await hook(page, "dead").innerText());
    assert.ok(n_dead >= 6, `${n_dead} dead letters`);
    assert.equal(await saying(page, "dead-letter", failed.clientContext).count(), 2);
    const refused = reelhook.farSide.of(failed.clientContext).map(({ id }) => id);
    reelhook.farSide.refuses = false;
    await saying(page, "dead-letter", failed.clientContext).first().locator('[data-test="replay"]').click();
    await hook(page, "notice").waitFor();
    const taken = () => reelhook.farSide.of(failed.clientContext).filter((delivery) => delivery.taken);
    await until("the far side takes it", () => taken().length === 1);
    assert.ok(refused.includes(taken()[0].id), "under its old id");
    await shows(page, "dead", String(n_dead - 1));

    await hook(page, "replay-all").click();
    assert.match(await hook(page, "replay-count").innerText(), new RegExp(`^${n_dead - 1} `), "the count is asked first");
    await hook(page, "confirm-replay").click();
    await hook(page, "notice").waitFor();
    await until("all are taken", () => reelhook.farSide.deliveries.filter((it) => it.taken).length >= n_dead);
    await shows(page, "dead", "0");
    assert.equal(await hook(page, "no-dead-letters").count(), 1);
});

test("the quarantine says why, and judges again", async () => {
    const page = await visit("/quarantine");
    await hook(page, "quarantine-row").first().locator("a").click();
    assert.match(await hook(page, "why").innerText(), /clientState/);
    assert.ok((await hook(page, "body").innerText()).includes(HOSTILE_IN_JSON), "the body is shown, as text");
    await hook(page, "replay").click();
    await hook(page, "notice").waitFor();
});

test("who may only read sees neither bodies nor buttons", async () => {
    const state = await logIn(browser, reelhook.tokenOf.read);
    const page = await visit("/quarantine", { state });
    await hook(page, "quarantine-row").first().locator("a").click();
    await hook(page, "body-withheld").waitFor();
    assert.equal(await hook(page, "replay").count(), 0);
    await page.goto("/sinks/crm");
    await hook(page, "dead").waitFor();
    for (const name of ["pause", "replay-all", "replay"]) assert.equal(await hook(page, name).count(), 0, name);
    await page.goto(await pageOf(page, good.clientContext));
    assert.ok(!(await everything(page)).includes("recording-token-"), "nor a recording's token");
});

test("the configuration is shown, its secrets as set", async () => {
    const page = await visit("/configuration");
    const crm = saying(page, "config-section", "[sinks.crm]");
    assert.match(await crm.innerText(), /secret\s+set/);
    assert.match(await saying(page, "config-section", "[subscriptions]").innerText(), /client_states/);
    assert.match(await saying(page, "config-section", "[dispatch]").innerText(), /concurrency\s+8/);
    await assertShowsNoSecret(page);
});

test("a search is done without a mouse, and the navigation is reached by tab", async () => {
    const page = await visit("/");
    const focused = () => page.evaluate(() => document.activeElement?.dataset.test ?? "");
    const tabTo = async (name) => {
        for (let n = 0; n < 30 && (await focused()) !== name; n++) await page.keyboard.press("Tab");
        assert.equal(await focused(), name, `tab reaches ${name}`);
        const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.notEqual(outline, "none", `the focus on ${name} is seen`);
    };
    for (const name of NAVIGATION) await tabTo(`nav-${name}`);
    await page.goto("/");
    await tabTo("nav-operations");
    await page.keyboard.press("Enter");
    await hook(page, "search").waitFor();
    await tabTo("search");
    await page.keyboard.type("sales-4712");
    await page.keyboard.press("Enter");
    await page.waitForURL(/text=sales-4712/);
    await page.keyboard.press("Tab");
    for (let n = 0; n < 30; n++) {
        if ((await page.evaluate(() => document.activeElement?.textContent?.trim())) === "sales-4712") break;
        await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await hook(page, "client-context").waitFor();
    assert.equal((await hook(page, "client-context").innerText()).trim(), "sales-4712");
});

test("what was not found, or is empty, says what to do next", async () => {
    const page = await browser.open({ state: session, expected: /status of 404/ });
    for (const path of ["/operations/nothing-of-this-name", "/quarantine/999999", "/nowhere"]) {
        const answer = await page.goto(path);
        assert.equal(answer.status(), 404, path);
        assert.ok(await page.locator('[data-test="problem"] a').isVisible(), path);
    }
});
