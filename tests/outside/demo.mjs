// What a newcomer sees: `reelhook demo`, and the console that it names. Each page has something on it.
//
// The README's picture is the one that is made here: `scripts/outside --picture` copies it.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser } from "./browser.mjs";
import { Program, SCREENSHOTS, until } from "./server.mjs";

/** The demo promises everything within half a minute. */
const HALF_A_MINUTE = 40_000;

let demo;
let browser;

before(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    demo = new Program(["demo"]);
    const address = await demo.line("where to look", (line) => line.match(/open the console at (http:\/\/[\d.:]+)\//)?.[1]);
    browser = await Browser.launch(address);
});

after(async () => {
    await browser?.close();
    assert.equal(await demo?.stop("SIGINT"), 0, demo?.lines.slice(-5).join("\n"));
});

test("the demo has something on each page: overdue, lost and recovered ones among it", async () => {
    const page = await browser.open();
    const rows = {
        "/operations?state=overdue": "operation-row",
        "/operations?state=lost": "operation-row",
        "/operations?state=recovered": "operation-row",
        "/operations?state=met": "operation-row",
        "/operations?status=failed": "operation-row",
        "/quarantine": "quarantine-row",
        "/unmatched": "unmatched-row",
        "/sinks": "sink-row",
        "/configuration": "config-section",
        "/": "live-row",
    };
    for (const [path, row] of Object.entries(rows)) {
        const has = async () => {
            await page.goto(path);
            return (await page.locator(`[data-test="${row}"]`).count()) > 0;
        };
        await until(`${path} has a row`, has, HALF_A_MINUTE);
    }
    await page.goto("/sinks");
    const links = await page.locator('[data-test="sink-link"]').evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    let n_dead = 0;
    for (const link of links) {
        await page.goto(link);
        n_dead += await page.locator('[data-test="dead-letter"]').count();
    }
    assert.ok(n_dead > 0, "a dead letter among the sinks");
    await page.goto("/");
    await page.locator("#live-state", { hasText: /^live$/ }).waitFor();
    await page.setViewportSize({ width: 1280, height: 1480 });
    await page.screenshot({ path: join(SCREENSHOTS, "demo-1280-light.png") });
    assert.deepEqual(browser.takeFaults(), [], "no page did what it may not do");
});
