// Microsoft's Graph SDK for Python (PyPI `msgraph-sdk`), pointed at the running binary: `graph_client.py`, with a server
// and real notifications around it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { ROOT, Recording, Reelhook } from "./server.mjs";

const PYTHON = process.env.OUTSIDE_PYTHON;
let reelhook;

before(async () => {
    if (PYTHON) reelhook = await Reelhook.start();
});
after(async () => assert.equal((await reelhook?.stop()) ?? 0, 0, "the server ends well"));

test("the SDK for Python lists, gets, creates, updates and deletes", { skip: !PYTHON && "msgraph-sdk is not installed" }, async () => {
    const recording = new Recording("support-python");
    await reelhook.notify(recording.running());
    await reelhook.notify(recording.completed());
    const environment = {
        ...process.env,
        REELHOOK_URL: `${reelhook.admin}/v1.0`,
        REELHOOK_TOKEN: reelhook.token,
        RECORDED_CALL: recording.call,
        RECORDED_OPERATION: recording.id,
    };
    const script = join(ROOT, "tests", "outside", "graph_client.py");
    const child = spawn(PYTHON, [script], { env: environment, stdio: ["ignore", "inherit", "pipe"] });
    let said = "";
    child.stderr.on("data", (part) => (said += part));
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 0, said);
});
