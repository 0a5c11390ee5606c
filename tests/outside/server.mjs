// The real binary, started for one test: `reelhook serve` in a temporary folder, `reelhook simulate` as Microsoft Graph,
// and a far side of the test's own that sinks deliver to.
//
// Invariants
// 1. Every port is given by the system to whoever listens on it; none is chosen here.
// 2. What is started here is stopped here, by its process, and its folder is removed.
// 3. Nothing sleeps: `until` asks again until a condition holds, or says what it saw last.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
/** Where pictures of pages are kept. */
export const SCREENSHOTS = process.env.OUTSIDE_SCREENSHOTS ?? join(ROOT, "target", "screenshots");
/** How long a condition may take to hold. */
const PATIENCE = 20_000;
const SCOPES = ["read", "write", "recordings", "admin"];

/** The binary under test: `REELHOOK`, or the debug build. */
export function binary() {
    const path = process.env.REELHOOK ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug", "reelhook");
    assert.ok(existsSync(path), `no binary at ${path}: run "cargo build", or set REELHOOK`);
    return path;
}

/** Asks `probe` until it answers with something true, and answers with that. */
export async function until(what, probe, patience = PATIENCE) {
    const deadline = Date.now() + patience;
    let last;
    while (Date.now() < deadline) {
        try {
            last = await probe();
            if (last) return last;
        } catch (error) {
            last = error;
        }
        await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new assert.AssertionError({ message: `waited ${patience} ms in vain: ${what}; last: ${last?.stack ?? last}` });
}

/** A process whose lines can be waited for. */
export class Program {
    constructor(args, environment = {}) {
        this.name = `reelhook ${args[0]}`;
        this.lines = [];
        this.child = spawn(binary(), args, { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
        this.ended = new Promise((resolve) => this.child.once("close", (code, signal) => resolve(code ?? signal)));
        for (const stream of [this.child.stdout, this.child.stderr]) {
            createInterface({ input: stream }).on("line", (line) => this.lines.push(line));
        }
        this.kill = () => this.child.kill("SIGKILL");
        process.once("exit", this.kill);
    }

    /** The first line that `read` makes something of. */
    line(what, read) {
        return until(`${this.name} says ${what}`, () => {
            for (const line of this.lines) {
                const found = read(line);
                if (found) return found;
            }
            const { exitCode } = this.child;
            if (exitCode !== null) throw new Error(`it ended with ${exitCode}:\n${this.lines.join("\n")}`);
            return undefined;
        });
    }

    /** Asks it to stop; answers with its exit code. */
    async stop(signal = "SIGTERM") {
        this.child.kill(signal);
        const timer = setTimeout(this.kill, PATIENCE);
        const code = await this.ended;
        clearTimeout(timer);
        process.removeListener("exit", this.kill);
        return code;
    }
}

/** Takes deliveries of an `http` sink; refuses them while `refuses` is set. */
class FarSide {
    deliveries = [];
    refuses = true;

    async start(port = 0) {
        this.server = createServer(async (request, response) => {
            const parts = [];
            for await (const part of request) parts.push(part);
            const event = JSON.parse(Buffer.concat(parts).toString());
            const taken = !this.refuses;
            this.deliveries.push({ id: request.headers["webhook-id"], taken, event });
            response.writeHead(taken ? 204 : 403).end();
        });
        await new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
        this.url = `http://127.0.0.1:${this.server.address().port}/events`;
    }

    /** Nobody listens any more: connections are refused. */
    async down() {
        this.port = this.server.address().port;
        await this.stop();
        this.server = undefined;
    }

    /** Listens again, at the same address, and takes what comes. */
    async up() {
        this.refuses = false;
        await this.start(this.port);
    }

    /** Deliveries whose event has this client context. */
    of(context) {
        return this.deliveries.filter(({ event }) => event.data?.clientContext === context);
    }

    stop() {
        this.server.closeAllConnections();
        return new Promise((resolve) => this.server.close(resolve));
    }
}

/** A running server with all that belongs to it. */
export class Reelhook {
    /** The token that opens everything, and others by their scope: what tests show to the admin listener. */
    token = randomBytes(24).toString("hex");
    tokenOf = Object.fromEntries(SCOPES.map((scope) => [scope, randomBytes(24).toString("hex")]));
    /** What no page, no answer and no log may show. */
    secrets = {
        sink: `whsec_${randomBytes(24).toString("base64")}`,
        header: `Bearer ${randomBytes(24).toString("hex")}`,
        clientState: randomBytes(24).toString("hex"),
    };
    farSide = new FarSide();

    /** `retry`: the schedule of attempts; `server`: further keys of `[server]`; `more`: further sections of the config. */
    static async start({ retry = ["0s"], server = "", more = "" } = {}) {
        const reelhook = new Reelhook();
        Object.assign(reelhook, { retry, server, more });
        try {
            await reelhook.#start();
        } catch (error) {
            await reelhook.stop();
            throw error;
        }
        return reelhook;
    }

    async #start() {
        this.folder = await mkdtemp(join(tmpdir(), "reelhook-outside-"));
        await this.farSide.start();
        this.graph = this.#simulate("http://127.0.0.1:1", ["--hold", "--scenario", "none", "--print-token"]);
        await this.graph.line("where its keys are", (line) => line.startsWith("serving keys on "));
        this.callsToken = await this.graph.line("a token", (line) => line.match(/^token (.+)/)?.[1]);
        const trust = this.graph.lines.filter((line) => line.startsWith("    ")).join("\n");
        const path = join(this.folder, "reelhook.toml");
        await writeFile(path, this.#config(trust));
        this.program = new Program(["serve", "--config", path], this.#environment());
        const serving = await this.program.line("where it serves", (line) => {
            const fields = line.startsWith("{") ? JSON.parse(line) : {};
            const said = { ...fields, ...fields.fields };
            return said.message === "serving" && said;
        });
        this.public = `http://${serving.public}`;
        this.admin = `http://${serving.admin}`;
    }

    #environment() {
        const { sink, header, clientState } = this.secrets;
        return { OUTSIDE_SINK_SECRET: sink, OUTSIDE_HEADER: header, REELHOOK_CLIENT_STATE: clientState };
    }

    #config(trust) {
        const sha256 = (token) => createHash("sha256").update(token).digest("hex");
        const token = (name, value, scopes) =>
            `[[admin.tokens]]\nname = "${name}"\nsha256 = "${sha256(value)}"\nscopes = ${JSON.stringify(scopes)}\n`;
        return `
[server]
listen = "127.0.0.1:0"
${this.server}
[admin]
listen = "127.0.0.1:0"
${token("everything", this.token, SCOPES)}
${SCOPES.map((scope) => token(scope, this.tokenOf[scope], [scope])).join("")}
[store]
path = "${this.folder}/reelhook.db"
disk_reserve = "1MiB"
${trust}
[dispatch]
retry = ${JSON.stringify(this.retry)}
${this.more}
[sinks.archive]
kind = "file"
path = "${this.folder}/events.jsonl"
[sinks.crm]
kind = "http"
url = "${this.farSide.url}"
allow_private = ["127.0.0.0/8"]
secret = { env = "OUTSIDE_SINK_SECRET" }
headers = { Authorization = { env = "OUTSIDE_HEADER" } }
[[routes]]
name = "sales"
client_context = { prefix = "sales-" }
resource_type = "recordOperation"
sinks = ["crm", "archive"]
[[routes]]
name = "rest"
resource_type = "recordOperation"
sinks = ["archive"]
`;
    }

    #simulate(url, args) {
        const stage = ["--identity-dir", join(this.folder, "identity"), "--identity-listen", "127.0.0.1:0", "--url", url];
        return new Program(["simulate", ...stage, ...args], this.#environment());
    }

    /** Plays parts of Graph's friendly day; every answer is as Graph wants it. */
    async play(scenario, seed = 1) {
        const program = this.#simulate(this.public, ["--scenario", scenario, "--seed", String(seed)]);
        const code = await program.ended;
        process.removeListener("exit", program.kill);
        assert.equal(code, 0, program.lines.join("\n"));
    }

    /** Posts items on the calls channel, signed; answers with the status. */
    async notify(...items) {
        const answer = await fetch(`${this.public}/graph/calls`, {
            method: "POST",
            headers: { authorization: `Bearer ${this.callsToken}`, "content-type": "application/json" },
            body: JSON.stringify({ "@odata.type": "#microsoft.graph.commsNotifications", value: items }),
        });
        assert.equal(answer.status, 202, await answer.text());
    }

    /** Posts a change notification that proves nothing: it is taken, and quarantined. */
    async notifySpoiled(resource) {
        const value = [{ subscriptionId: randomUUID(), changeType: "created", clientState: "a guess", resource }];
        const answer = await fetch(`${this.public}/graph/notifications`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ value }),
        });
        assert.equal(answer.status, 202, await answer.text());
    }

    /** Announces an operation over the API, and answers with it. */
    async announce(operation) {
        const answer = await fetch(`${this.admin}/v1.0/communications/recordOperations`, {
            method: "POST",
            headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
            body: JSON.stringify(operation),
        });
        const text = await answer.text();
        assert.equal(answer.status, 201, text);
        return JSON.parse(text);
    }

    /** Runs a command that asks the server, and answers with what it printed. */
    async command(...args) {
        const program = new Program([...args, "--url", this.admin], { REELHOOK_TOKEN: this.token });
        const code = await program.ended;
        process.removeListener("exit", program.kill);
        assert.equal(code, 0, program.lines.join("\n"));
        return program.lines.join("\n");
    }

    /** Asks the API, and answers with what it says. */
    async ask(method, path) {
        const headers = { authorization: `Bearer ${this.token}` };
        const answer = await fetch(`${this.admin}/v1.0/${path}`, { method, headers });
        const text = await answer.text();
        assert.equal(answer.status, 200, text);
        return JSON.parse(text);
    }

    /** Everything that was logged since the start. */
    log() {
        return this.program.lines.join("\n");
    }

    /** Lines of the file sink. */
    async archived() {
        const text = await readFile(join(this.folder, "events.jsonl"), "utf8").catch(() => "");
        return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    }

    /** Stops all of it, and answers with the server's exit code. */
    async stop() {
        const code = await this.program?.stop();
        await this.graph?.stop();
        if (this.farSide.server) await this.farSide.stop();
        if (this.folder) await rm(this.folder, { recursive: true, force: true });
        return code;
    }
}

/** A prompt that was played: proven, but of no kind that a route here leads anywhere. */
export function prompt(clientContext) {
    const [call, id] = [randomUUID(), randomUUID()];
    return {
        "@odata.type": "#microsoft.graph.commsNotification",
        changeType: "deleted",
        resourceUrl: `/communications/calls/${call}/operations/${id}`,
        resourceData: { "@odata.type": "#microsoft.graph.playPromptOperation", id, clientContext, status: "completed" },
    };
}

/** The end of a call. */
export function terminated(call) {
    return {
        "@odata.type": "#microsoft.graph.commsNotification",
        changeType: "deleted",
        resourceUrl: `/communications/calls/${call}`,
        resourceData: { "@odata.type": "#microsoft.graph.call", id: call, state: "terminated" },
    };
}

/** A record operation as Graph tells of it, item by item. */
export class Recording {
    call = randomUUID().replaceAll("-", "").toUpperCase();
    id = randomUUID();

    constructor(clientContext) {
        this.clientContext = clientContext;
    }

    running() {
        return this.#item("updated", { status: "running" });
    }

    completed() {
        return this.#item("deleted", {
            status: "completed",
            completionReason: "stopToneDetected",
            resultInfo: { "@odata.type": "#microsoft.graph.resultInfo", code: 200, subcode: 0, message: "The recording ended." },
            recordingLocation: `https://file.location/${this.id}`,
            recordingAccessToken: `recording-token-${this.id}`,
        });
    }

    failed() {
        const resultInfo = { "@odata.type": "#microsoft.graph.resultInfo", code: 400, subcode: 8508, message: "Cancelled." };
        return this.#item("deleted", { status: "failed", resultInfo });
    }

    #item(changeType, said) {
        const { id, clientContext } = this;
        return {
            "@odata.type": "#microsoft.graph.commsNotification",
            changeType,
            resourceUrl: `/communications/calls/${this.call}/operations/${id}`,
            resourceData: { "@odata.type": "#microsoft.graph.recordOperation", id, clientContext, ...said },
        };
    }
}
