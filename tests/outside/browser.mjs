// A browser that is watched: whatever a page does that a page of the console may not do is a fault, and fails the test.
//
// Invariants
// 1. A dialog, a request to another host, an error or a broken content policy on any page of any test is a fault.
// 2. What the browser itself says of an answer that the test asked for (`expected`) is none.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

import { chromium } from "playwright-core";

/** The longest that the browser waits for a thing that should be there. */
const PATIENCE = 10_000;

function executable() {
    return process.env.CHROMIUM ?? execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
}

export class Browser {
    /** What pages did that they may not do. */
    faults = [];

    static async launch(origin) {
        const browser = new Browser();
        browser.origin = origin;
        browser.chromium = await chromium.launch({ executablePath: executable(), headless: true });
        return browser;
    }

    /** A page in a window of its own, with `state` (cookies) of an earlier one. */
    async open({ width = 1280, theme = "light", state, expected } = {}) {
        const viewport = { width, height: width < 600 ? 860 : 900 };
        const options = { baseURL: this.origin, viewport, colorScheme: theme, storageState: state, reducedMotion: "reduce" };
        const context = await this.chromium.newContext(options);
        context.setDefaultTimeout(PATIENCE);
        const fault = (text) => expected?.test(text) || this.faults.push(text);
        context.on("request", (request) => {
            const url = request.url();
            if (!url.startsWith(`${this.origin}/`) && !url.startsWith("data:image/")) fault(`a request to ${url}`);
        });
        context.on("dialog", (dialog) => {
            fault(`a dialog: ${dialog.message()}`);
            return dialog.dismiss();
        });
        context.on("weberror", (error) => fault(`an error: ${error.error().stack}`));
        context.on("console", (message) => {
            if (["error", "warning"].includes(message.type())) fault(`the browser says: ${message.text()}`);
        });
        return context.newPage();
    }

    /** The faults so far, which are then forgotten. */
    takeFaults() {
        return this.faults.splice(0);
    }

    close() {
        return this.chromium.close();
    }
}

/** What makes a page scroll to the side: nothing, or what stands furthest out. */
export function overhang(page) {
    return page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        if (scrollWidth <= clientWidth) return "";
        const isOut = (element) => element.getBoundingClientRect().right > clientWidth && !element.closest(".scroll > *");
        const out = [...document.body.querySelectorAll("*")].filter(isOut).map((element) => element.outerHTML.slice(0, 80));
        return `${scrollWidth} pixels of ${clientWidth}: ${out.join("; ")}`;
    });
}

/** Cells whose text stands on their own label: none. A narrow page puts the label (`data-label`) before the text. */
export function coveredLabels(page) {
    return page.evaluate(() => {
        const isCovered = (cell) => {
            const label = getComputedStyle(cell, "::before");
            if (label.content === "none" || label.position !== "absolute") return false;
            return parseFloat(getComputedStyle(cell).paddingLeft) < parseFloat(label.left) + parseFloat(label.width);
        };
        return [...document.querySelectorAll("td[data-label]")].filter(isCovered).map((cell) => cell.outerHTML.slice(0, 80));
    });
}

/** Whatever has this `data-test` on a page. */
export const hook = (page, name) => page.locator(`[data-test="${name}"]`);

/** Logs in as a person does; answers with the cookies. */
export async function logIn(browser, token) {
    const page = await browser.open();
    await page.goto("/");
    await hook(page, "token").fill(token);
    await hook(page, "login").click();
    await hook(page, "nav-overview").waitFor();
    const state = await page.context().storageState();
    await page.context().close();
    return state;
}

/** Closes the pages of a test; fails if one of them did what it may not do. */
export async function closePages(browser) {
    await Promise.all(browser.chromium.contexts().map((context) => context.close()));
    assert.deepEqual(browser.takeFaults(), [], "no page did what it may not do");
}
