// Ends TLS before the admin listener, as an operator's proxy does: Microsoft's client shows its token to `https` alone.
//
// `scripts/outside` makes the certificate, and has node trust it (NODE_EXTRA_CA_CERTS).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request as ask } from "node:http";
import { createServer } from "node:https";

export const HOST = "localhost";

/** Serves `target` over TLS; answers with the address and with what stops it. */
export async function endTls(target) {
    const { OUTSIDE_TLS_KEY: key, NODE_EXTRA_CA_CERTS: certificate } = process.env;
    assert.ok(key && certificate, "no certificate: run this by scripts/outside");
    const { hostname, port } = new URL(target);
    const options = { key: await readFile(key), cert: await readFile(certificate) };
    const server = createServer(options, (request, response) => {
        const { method, url: path, headers } = request;
        const forwarded = { ...headers, "x-forwarded-proto": "https", "x-forwarded-host": headers.host };
        const onward = ask({ hostname, port, method, path, headers: forwarded }, (answer) => {
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
        });
        onward.on("error", () => response.destroy());
        request.pipe(onward);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const stop = () => {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
    };
    return { url: `https://${HOST}:${server.address().port}/`, stop };
}
