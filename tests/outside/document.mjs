// `/openapi.json`, held by other people's tools: Redocly's linter (npm `@redocly/openapi-core`) reads the document, and
// Schemathesis (PyPI) plays requests made from it against the running binary. `/asyncapi.json` is held by AsyncAPI's own schema
// (npm `@asyncapi/specs`), and `/schemas/` by JSON Schema's, both read by check-jsonschema (PyPI).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
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
    text = await shown("/openapi.json");
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
    const said = await run(
        "schemathesis",
        ["run", file, "--url", reelhook.admin, "--header", `Authorization: Bearer ${reelhook.token}`]
            .concat(["--max-examples", "10", "--seed", "1", "--generation-database", "none", "--no-color"])
            .concat(["--exclude-checks", EXCLUDED_CHECK, "--exclude-path", EXCLUDED_PATH]),
    );
    assert.match(said, /Tested: \d\d/, said);
});

test("the events' document is AsyncAPI 3.1", { skip: !PYTHON && "check-jsonschema is not installed" }, async () => {
    const schema = createRequire(import.meta.url).resolve("@asyncapi/specs/schemas/3.1.0.json");
    await run("check-jsonschema", ["--schemafile", schema, await stored("/asyncapi.json")]);
});

test("the schemas of events are JSON Schema", { skip: !PYTHON && "check-jsonschema is not installed" }, async () => {
    const refs = JSON.stringify(JSON.parse(await shown("/asyncapi.json"))).match(/schemas\/[A-Za-z0-9.]+\.json/g);
    const files = await Promise.all([...new Set(refs)].map((path) => stored(`/${path}`)));
    assert.equal(files.length, 5);
    await run("check-jsonschema", ["--check-metaschema", ...files]);
});

/** Runs a program of the Python packages; it must succeed. Returns what it said. */
async function run(program, args) {
    const stdio = ["ignore", "pipe", "pipe"];
    const child = spawn(join(dirname(PYTHON), program), args, { cwd: reelhook.folder, stdio });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (said += part));
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 0, said);
    return said;
}

async function shown(path) {
    const answer = await fetch(`${reelhook.admin}${path}`, { headers: { authorization: `Bearer ${reelhook.token}` } });
    assert.equal(answer.status, 200, path);
    return answer.text();
}

/** A document of the server's, in a file. */
async function stored(path) {
    const file = join(reelhook.folder, basename(path));
    await writeFile(file, await shown(path));
    return file;
}
