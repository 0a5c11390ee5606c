// The samples of docs/setup.md for proxies, as they stand there: nginx and Caddy end TLS before the public listener.
//
// Only the address and the certificate are replaced. The client connects from 127.0.0.2, so that the log shows whether
// the proxy names the real source.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Recording, Reelhook, ROOT, until } from "./server.mjs";

const { OUTSIDE_TLS_KEY: KEY, NODE_EXTRA_CA_CERTS: CERTIFICATE } = process.env;
const SOURCE = "127.0.0.2";

let reelhook;
let page;

before(async () => {
    assert.ok(KEY && CERTIFICATE, "no certificate: run this by scripts/outside");
    page = await readFile(join(ROOT, "docs", "setup.md"), "utf8");
    reelhook = await Reelhook.start({ server: 'trusted_proxies = ["127.0.0.1"]' });
});

after(async () => assert.equal(await reelhook?.stop(), 0, "the server ends well"));

/** The sample after a line of the page. */
function sample(intro) {
    const found = page.split(`\n${intro}`)[1]?.match(/```\w*\n(.*?)```/s)?.[1];
    assert.ok(found, `no sample after "${intro}" in docs/setup.md`);
    return found;
}

/** The sample with other texts; each must stand in it. */
function changed(text, changes) {
    for (const [from, to] of changes) {
        assert.ok(text.includes(from), `"${from}" stands in the sample:\n${text}`);
        text = text.replace(from, to);
    }
    return text;
}

/** A port that was free a moment ago: neither proxy can say which one the system gave it. */
async function freePort() {
    const server = createServer();
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
}

/** A proxy that runs until it is stopped; what it said is in `said`. */
class Proxy {
    said = "";

    constructor(port, command, args, environment = {}) {
        this.port = port;
        this.child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
        this.child.once("error", (error) => (this.said += error));
        this.ended = new Promise((resolve) => this.child.once("close", resolve));
        for (const stream of [this.child.stdout, this.child.stderr]) stream.on("data", (data) => (this.said += data));
        this.kill = () => this.child.kill("SIGKILL");
        process.once("exit", this.kill);
    }

    async stop() {
        this.child.kill("SIGTERM");
        await this.ended;
        process.removeListener("exit", this.kill);
    }

    /** Resolves once it answers. */
    async up() {
        await until("the proxy answers", () => this.post("/", "")).catch((error) => {
            throw new Error(`${error.message}\n${this.said}`);
        });
        return this;
    }

    post(path, body, headers = {}) {
        const { port } = this;
        const options = { host: "localhost", family: 4, port, path, method: "POST", headers, localAddress: SOURCE };
        return new Promise((resolve, reject) => {
            const asked = request(options, async (answer) => {
                const parts = [];
                for await (const part of answer) parts.push(part);
                resolve({ status: answer.statusCode, body: Buffer.concat(parts).toString() });
            });
            asked.once("error", reject);
            asked.end(body);
        });
    }
}

async function nginx() {
    const port = await freePort();
    const folder = join(reelhook.folder, "nginx");
    await mkdir(folder);
    const server = changed(sample("nginx:"), [
        ["listen 443 ssl", `listen 127.0.0.1:${port} ssl`],
        ["your.host;", "localhost;"],
        ["/etc/ssl/your.host.pem", CERTIFICATE],
        ["/etc/ssl/your.host.key", KEY],
        ["http://127.0.0.1:8080", reelhook.public],
    ]);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path ${folder}/${of};`);
    const around = `daemon off; pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${temporary.join(" ")}`;
    await writeFile(join(folder, "nginx.conf"), `${around}\n${server}\n}\n`);
    return new Proxy(port, "nginx", ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")]).up();
}

async function caddy() {
    const port = await freePort();
    const folder = join(reelhook.folder, "caddy");
    await mkdir(folder);
    const site = changed(sample("Caddy, "), [
        ["your.host {", `localhost:${port} {\n    bind 127.0.0.1\n    tls ${CERTIFICATE} ${KEY}`],
        ["127.0.0.1:8080", new URL(reelhook.public).host],
    ]);
    await writeFile(join(folder, "Caddyfile"), `{\n    admin off\n    auto_https disable_redirects\n}\n${site}`);
    const home = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    return new Proxy(port, "caddy", ["run", "--config", join(folder, "Caddyfile"), "--adapter", "caddyfile"], home).up();
}

for (const [name, start] of Object.entries({ nginx, caddy })) {
    test(`${name} passes Graph's three paths on, nothing else, and names the real source`, async (t) => {
        const proxy = await start();
        t.after(() => proxy.stop());
        const token = "Validation%3a+for+subscription+Request-Id%3a+522a8e7e";
        for (const path of ["/graph/notifications", "/graph/lifecycle"]) {
            const answer = await proxy.post(`${path}?validationToken=${token}`, "", { "content-type": "text/plain" });
            assert.deepEqual(answer, { status: 200, body: "Validation: for subscription Request-Id: 522a8e7e" });
        }
        const json = { "content-type": "application/json" };
        const body = JSON.stringify({ value: [new Recording(`by-${name}`).completed()] });
        const genuine = { ...json, authorization: `Bearer ${reelhook.callsToken}` };
        assert.equal((await proxy.post("/graph/calls", body, genuine)).status, 202);
        await until("the event is delivered", async () =>
            (await reelhook.archived()).some(({ data }) => data.clientContext === `by-${name}`));
        for (const path of ["/", "/graph/calls/", "/graph/callsx", "/v1.0/sinks", "/livez", "/metrics", "/operations"]) {
            assert.equal((await proxy.post(path, body, genuine)).status, 404, path);
        }
        const forged = { ...json, authorization: `Bearer ${name}`, "x-forwarded-for": "203.0.113.9" };
        const nBefore = reelhook.program.lines.length;
        // One line of a kind a second: another one may have come just before.
        const refused = await until("a refusal is logged", async () => {
            assert.equal((await proxy.post("/graph/calls", body, forged)).status, 401);
            const lines = reelhook.program.lines.slice(nBefore).map((line) => JSON.parse(line));
            return lines.find(({ message }) => message === "refused");
        });
        assert.equal(refused.source, SOURCE, JSON.stringify(refused));
    });
}
