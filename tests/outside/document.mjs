// `/openapi.json`, held by other people's tools: Redocly's linter (npm `@redocly/openapi-core`) reads the document, and
// Schemathesis (PyPI) plays requests made from it against the running binary.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";

import { createConfig, lintFromString } from "@redocly/openapi-core";

import { Recording, Reelhook } from "./server.mjs";

const PYTHON = process.env.OUTSIDE_PYTHON;
/** Probes answer 200 or 503 and nothing else, so these paths have no 4xx. */
const WITHOUT_4XX = ["#/paths/~1livez/get/responses", "#/paths/~1readyz/get/responses"];
/** Some parameters are of a language that a schema cannot say, such as `$filter`: a text that the schema allows gets 400. */
const EXCLUDED_CHECK = "positive_data_acceptance";
/** Its answer does not end: events come as they are accepted. */
const EXCLUDED_PATH = "/v1.0/events";

let reelhook;
let text;

before(async () => {
    reelhook = await Reelhook.start();
    await reelhook.notify(new Recording("sales-document").completed());
    const headers = { authorization: `Bearer ${reelhook.token}` };
    text = await (await fetch(`${reelhook.admin}/openapi.json`, { headers })).text();
});
after(async () => assert.equal((await reelhook?.stop()) ?? 0, 0, "the server ends well"));

test("Redocly's recommended rules find nothing wrong with the API's document", async () => {
    const config = await createConfig({ extends: ["recommended"] });
    const problems = await lintFromString({ source: text, absoluteRef: "openapi.json", config });
    const places = ({ location }) => location.map(({ pointer }) => pointer);
    const counted = problems.filter(
        (problem) => !(problem.ruleId === "operation-4xx-response" && places(problem).every((it) => WITHOUT_4XX.includes(it))),
    );
    assert.deepEqual(counted.map((problem) => [problem.ruleId, problem.message, places(problem)]), []);
});

test("Schemathesis finds no answer that the API's document does not tell", { skip: !PYTHON && "schemathesis is not installed" }, async () => {
    // It loads the document from a file: its requests alone go to the server.
    const file = join(reelhook.folder, "openapi.json");
    await writeFile(file, text);
    const child = spawn(
        join(dirname(PYTHON), "schemathesis"),
        ["run", file, "--url", reelhook.admin, "--header", `Authorization: Bearer ${reelhook.token}`]
            .concat(["--max-examples", "10", "--seed", "1", "--generation-database", "none", "--no-color"])
            .concat(["--exclude-checks", EXCLUDED_CHECK, "--exclude-path", EXCLUDED_PATH]),
        { cwd: reelhook.folder, stdio: ["ignore", "pipe", "pipe"] },
    );
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (said += part));
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 0, said);
    assert.match(said, /Tested: \d\d/, said);
});
