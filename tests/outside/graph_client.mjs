// Microsoft's own Graph client (npm `@microsoft/microsoft-graph-client`), pointed at the running binary.
//
// The client is used as its documentation says for a host that is not Microsoft's: `baseUrl` and `customHosts`
// (https://github.com/microsoftgraph/msgraph-sdk-javascript/blob/dev/docs/CustomHttpClient.md). It shows its token to
// `https` alone, and reads `@odata.nextLink` only if it is `https`, so TLS is ended before the listener.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import graph from "@microsoft/microsoft-graph-client";

import { Recording, Reelhook, until } from "./server.mjs";
import { HOST, endTls } from "./tls.mjs";

const { Client, GraphError, PageIterator, ResponseType } = graph;
const ALL = "/communications/recordOperations";
const N_ROWS = 23;

let reelhook;
let front;
let client;

before(async () => {
    reelhook = await Reelhook.start();
    front = await endTls(reelhook.admin);
    client = clientWith(reelhook.token);
    await reelhook.play("plain,failed,repeats,reordering");
});

after(async () => {
    await front?.stop();
    assert.equal(await reelhook?.stop(), 0, "the server ends well");
});

function clientWith(token) {
    return Client.init({
        baseUrl: front.url,
        customHosts: new Set([HOST]),
        authProvider: (done) => done(null, token),
    });
}

/** What the client throws; nothing else will do. */
async function refusal(promise) {
    const error = await promise.then(
        (value) => assert.fail(`expected a refusal, got ${JSON.stringify(value)}`),
        (error) => error,
    );
    assert.ok(error instanceof GraphError, error.stack);
    return error;
}

function assertIsGraphs(error, status) {
    assert.equal(error.statusCode, status, error.body);
    assert.match(error.code, /^[a-z][A-Za-z]+$/, "a code in Graph's spelling");
    assert.ok(error.message.length > 5, "a message");
    assert.match(error.requestId ?? "", /^[0-9a-f-]{36}$/, "a request id");
    assert.ok(Math.abs(error.date.getTime() - Date.now()) < 600_000, "a date");
}

async function allPages(first) {
    const rows = [];
    let n_pages = 1;
    const asked = client.api.bind(client);
    const counting = { api: (path) => (n_pages++, asked(path)) };
    const pages = new PageIterator(counting, first, (row) => rows.push(row) > 0);
    await pages.iterate();
    assert.ok(pages.isComplete(), "the iterator came to the end");
    return { rows, n_pages };
}

/** The raw answer: its status and headers, and the operation. */
async function raw(request, method, body) {
    const answer = await request.responseType(ResponseType.RAW)[method](body);
    const text = await answer.text();
    return { answer, operation: text ? JSON.parse(text) : undefined };
}

test("the client lists what Graph told, and filters it", async () => {
    const list = await client.api(ALL).filter("clientContext eq 'support-1001'").get();
    assert.match(list["@odata.context"], /\$metadata#/);
    assert.deepEqual(list.value.map((row) => [row["@odata.type"], row.clientContext, row.status]), [
        ["#microsoft.graph.recordOperation", "support-1001", "completed"],
    ]);
    assert.equal(list["@odata.nextLink"], undefined, "one page is all");

    const failed = await client.api(ALL).filter("status eq 'failed' and startsWith(clientContext, 'support-')").get();
    assert.deepEqual(failed.value.map((row) => row.clientContext), ["support-1002"]);
    assert.equal(failed.value[0].resultInfo.subcode, 8508);

    const call = list.value[0].callId;
    const ofCall = await client.api(`/communications/calls/${call}/operations`).get();
    assert.deepEqual(ofCall.value.map((row) => row.id), [list.value[0].id]);
});

test("the client's page iterator shows every row once, in order, while rows arrive", async () => {
    const call = randomUUID();
    const path = `/communications/calls/${call}/operations`;
    const contexts = Array.from({ length: N_ROWS }, (_, n) => `page-${String(n).padStart(2, "0")}`);
    for (const clientContext of contexts) await client.api(path).post({ clientContext, expectWithin: "PT1H" });

    const first = await client.api(path).top(4).orderby("clientContext desc").count(true).get();
    assert.equal(first.value.length, 4);
    assert.equal(first["@odata.count"], N_ROWS);
    assert.match(first["@odata.nextLink"], /^https:\/\/localhost:\d+\/v1\.0\/communications\//);
    await client.api(path).post({ clientContext: "page-99", expectWithin: "PT1H" });
    const { rows, n_pages } = await allPages(first);
    assert.deepEqual(rows.map((row) => row.clientContext), [...contexts].reverse());
    assert.equal(n_pages, Math.ceil(N_ROWS / 4), "pages of four");

    const filter = "startsWith(clientContext, 'page-') and not (clientContext in ('page-00', 'page-99'))";
    const some = await client.api(ALL).filter(filter).select("id,clientContext").top(5).get();
    const filtered = await allPages(some);
    assert.deepEqual(filtered.rows.map((row) => row.clientContext).sort(), contexts.slice(1));
    assert.deepEqual(
        filtered.rows.flatMap((row) => Object.keys(row).filter((key) => !key.startsWith("@"))).filter((key) => !["id", "clientContext"].includes(key)),
        [],
        "only what was selected",
    );
    assert.equal(new Set(filtered.rows.map((row) => row.id)).size, N_ROWS - 1);
    assert.equal(Number(await client.api(`${path}/$count`).get()), N_ROWS + 1);
});

test("a next link that was tampered with is refused", async () => {
    const first = await client.api(ALL).top(1).get();
    const link = first["@odata.nextLink"];
    const end = link.endsWith("A") ? "B" : "A";
    assertIsGraphs(await refusal(client.api(link.slice(0, -1) + end).get()), 400);
});

test("the client gets one operation, and nothing where it has not changed", async () => {
    const { value } = await client.api(ALL).filter("clientContext eq 'support-1001'").get();
    const path = `/communications/calls/${value[0].callId}/operations/${value[0].id}`;
    const operation = await client.api(path).get();
    assert.match(operation["@odata.context"], /\/\$entity$/);
    assert.match(operation["@odata.etag"], /^W\/"[^"]+"$/);
    assert.equal(operation.completionReason, "maxRecordDurationReached");
    assert.match(operation.recordingLocation, /^https:\/\/file\.location\//);
    assert.match(operation.recordingAccessToken, /^recording-token-/);
    assert.equal((await client.api(`${ALL}/${operation.id}`).get()).callId, operation.callId);

    const { answer } = await raw(client.api(path).header("If-None-Match", operation["@odata.etag"]), "get");
    assert.equal(answer.status, 304);
    const changed = await raw(client.api(path).header("If-None-Match", 'W/"another"'), "get");
    assert.equal(changed.answer.status, 200);
    assert.equal(changed.answer.headers.get("etag") ?? operation["@odata.etag"], operation["@odata.etag"]);
});

test("without the scope the recording's token is not shown", async () => {
    const reader = clientWith(reelhook.tokenOf.read);
    const { value } = await reader.api(ALL).filter("clientContext eq 'support-1001'").get();
    const operation = await reader.api(`${ALL}/${value[0].id}`).get();
    assert.equal(operation.recordingAccessToken ?? null, null);
    assertIsGraphs(await refusal(reader.api(ALL).post({ clientContext: "no", expectWithin: "PT1M" })), 403);
    assertIsGraphs(await refusal(clientWith("a guess").api(ALL).get()), 401);
});

test("the client creates an expectation, and its notification meets it", async () => {
    const recording = new Recording(`sales-${randomUUID()}`);
    const { clientContext } = recording;
    const announced = { clientContext, metadata: { customer: "Ærø & Søn" }, sinks: ["archive"], expectWithin: "PT3M" };
    const { answer, operation } = await raw(client.api(ALL), "post", announced);
    assert.equal(answer.status, 201);
    assert.ok(answer.headers.get("location").endsWith(`/${operation.id}`), answer.headers.get("location"));
    assert.deepEqual([operation.status, operation.expectation.state], ["notStarted", "waiting"]);
    assert.deepEqual(operation.metadata, announced.metadata);

    const again = await client.api(ALL).post(announced);
    assert.equal(again.id, operation.id, "the same again is the same");

    const waited = client.api(`${ALL}/${operation.id}`).query({ waitFor: "terminal", timeout: "PT15S" }).get();
    await reelhook.notify(recording.running());
    await reelhook.notify(recording.completed());
    const ended = await waited;
    assert.deepEqual([ended.status, ended.expectation.state], ["completed", "met"]);
    assert.equal(ended.callId.replaceAll("-", "").toUpperCase(), recording.call, "it knows its call now");
    await until("the event is delivered where it was asked for, with its metadata", async () => {
        const events = (await reelhook.archived()).filter((event) => event.data.clientContext === clientContext);
        return events.some((event) => JSON.stringify(event).includes("Ærø & Søn"));
    });
    assert.deepEqual(reelhook.farSide.of(clientContext), [], "not where the route says: the expectation has sinks of its own");
});

test("the same client context for another call is a conflict", async () => {
    const clientContext = `twice-${randomUUID()}`;
    const [one, other] = [randomUUID(), randomUUID()].map((call) => `/communications/calls/${call}/operations`);
    await client.api(one).post({ clientContext, expectWithin: "PT1M" });
    assertIsGraphs(await refusal(client.api(other).post({ clientContext, expectWithin: "PT1M" })), 409);
    const allowed = await client.api(other).post({ clientContext, expectWithin: "PT1M", allowDuplicate: true });
    assert.equal(allowed.clientContext, clientContext);
});

test("the client updates what is its own, and only what it has seen", async () => {
    const path = `/communications/calls/${randomUUID()}/operations`;
    const created = await client.api(path).post({ clientContext: `old-${randomUUID()}`, expectWithin: "PT1H" });
    const one = `${path}/${created.id}`;
    const etag = (await client.api(one).get())["@odata.etag"];
    const clientContext = `new-${randomUUID()}`;
    await client.api(one).header("If-Match", etag).patch({ clientContext, metadata: { n: 1 } });
    const updated = await client.api(one).get();
    assert.deepEqual([updated.clientContext, updated.metadata], [clientContext, { n: 1 }]);
    assert.notEqual(updated["@odata.etag"], etag);

    const stale = await refusal(client.api(one).header("If-Match", etag).patch({ metadata: { n: 2 } }));
    assertIsGraphs(stale, 412);
    const readOnly = await refusal(client.api(one).patch({ status: "completed", recordingLocation: "https://elsewhere" }));
    assertIsGraphs(readOnly, 400);
    assert.match(readOnly.body, /status/);
    assert.match(readOnly.body, /recordingLocation/);
    assert.deepEqual((await client.api(one).get()).metadata, { n: 1 }, "nothing of it was done");
});

test("the client deletes, and what Graph speaks of again is new", async () => {
    const recording = new Recording(`gone-${randomUUID()}`);
    await reelhook.notify(recording.completed());
    const mine = `clientContext eq '${recording.clientContext}'`;
    const listed = await client.api(ALL).filter(mine).get();
    const path = `${ALL}/${listed.value[0].id}`;
    await until("its deliveries are settled, and it is deleted", async () => {
        const { answer } = await raw(client.api(path), "delete");
        assert.ok([204, 409].includes(answer.status), `answered ${answer.status}`);
        return answer.status === 204;
    });
    assertIsGraphs(await refusal(client.api(path).get()), 404);
    assertIsGraphs(await refusal(client.api(path).delete()), 404);
    await reelhook.notify(recording.failed());
    const again = await client.api(ALL).filter(mine).get();
    assert.deepEqual(again.value.map((row) => row.status), ["failed"]);
});

test("what is open is deleted only by force", async () => {
    reelhook.farSide.refuses = true;
    const path = `/communications/calls/${randomUUID()}/operations`;
    const { id } = await client.api(path).post({ clientContext: `stale-${randomUUID()}`, expectWithin: "PT1H" });
    const etag = (await client.api(`${path}/${id}`).get())["@odata.etag"];
    await client.api(`${path}/${id}`).patch({ metadata: { n: 1 } });
    assertIsGraphs(await refusal(client.api(`${path}/${id}`).header("If-Match", etag).delete()), 412);
    await client.api(`${path}/${id}`).query({ force: "true" }).delete();
    assertIsGraphs(await refusal(client.api(`${path}/${id}`).get()), 404);
});

test("errors are Graph's: code, message, request id, and the client's own id again", async () => {
    const error = await refusal(client.api(ALL).filter("clientContext eq").header("client-request-id", "of-mine-17").get());
    assertIsGraphs(error, 400);
    assert.match(error.message, /\d/, "where in the filter");
    assert.equal(JSON.parse(error.body).innerError["client-request-id"], "of-mine-17");
    assert.equal(error.headers.get("client-request-id"), "of-mine-17");
    for (const filter of ["color eq 'red'", "clientContext eq 'x'' or 1 eq 1", `${"(".repeat(30)}id eq 'x'${")".repeat(30)}`]) {
        assertIsGraphs(await refusal(client.api(ALL).filter(filter).get()), 400);
    }
});
