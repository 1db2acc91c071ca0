/** Both ends of a session on one connection: order, pages, errors, ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import { TEST_CREDENTIALS, TEST_HASH, TestSessionServer } from "../../testkit/session-server.ts";
import { connectGrpc, type GrpcConnection } from "../grpc/client.ts";
import { parseServerAddress } from "../grpc/server-address.ts";
import { concatBytes } from "../../bytes/index.ts";
import { encodeRequest } from "../wire/envelopes.ts";
import { FairGate } from "./fair-gate.ts";
import { errorOfResponse, RESPONSE_CODES, responseOf } from "./response-errors.ts";
import { openSession, SESSION_PATH, type SessionClient } from "./session-client.ts";

test("openSession: the parameters, and the purpose for the server's log", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  await using session = await open(connection);
  assert.equal(session.parameters.hashFunction, TEST_HASH);
  assert.deepEqual(Buffer.from(session.parameters.hmacSecret), Buffer.from(server.secret));
  assert.deepEqual(server.purposes, ["test"]);
});

test("openSession: a wrong password is SEJF_ACCESS_DENIED, with the server's words and without ours", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  const credentials = { ...TEST_CREDENTIALS, password: "hunter2" };
  await assert.rejects(openSession(connection, { credentials }), (error) => {
    assert.ok(isSejfError(error, "SEJF_ACCESS_DENIED"));
    assert.equal(error.message, "access denied for alice@laptop");
    return true;
  });
  const accent = { ...TEST_CREDENTIALS, password: "żółw" };
  await assert.rejects(openSession(connection, { credentials: accent }), (error) => {
    assert.ok(isSejfError(error, "SEJF_INVALID_ARGUMENT"));
    assert.ok(!error.message.includes("żółw"));
    return true;
  });
});

test("serveSession: the first request must begin the session, and only the first may", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  const call = connection.startCall(SESSION_PATH, {
    metadata: { "kopia-password": TEST_CREDENTIALS.password },
  });
  await call.send(encodeRequest(1n, { kind: "flush", body: {} }));
  await assert.rejects(call.messages().next(), /missing initialization request/);
  await using session = await open(connection);
  await assert.rejects(
    session.request("initializeSession", { purpose: "", readOnly: false }),
    /InitializeSession must be the first request/,
  );
});

test("serveSession: bytes that are no request end the session", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  const call = connection.startCall(SESSION_PATH, {
    metadata: { "kopia-password": TEST_CREDENTIALS.password },
  });
  await call.send([utf8ToBytes("not protobuf")]);
  await assert.rejects(call.messages().next(), { code: "SEJF_INVALID_ARGUMENT" });
});

test("serveSession: a request of an unknown kind is answered as such", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  const call = connection.startCall(SESSION_PATH, {
    metadata: { "kopia-password": TEST_CREDENTIALS.password },
  });
  await call.send(
    encodeRequest(1n, { kind: "initializeSession", body: { purpose: "", readOnly: false } }),
  );
  await call.send([Uint8Array.of(8, 2, 0xfa, 7, 0)]); // number 2, field 127
  const messages = call.messages();
  await messages.next();
  const { value } = await messages.next();
  assert.match(Buffer.from(value ?? []).toString(), /unhandled session request/);
  call.cancel();
});

test("a session: answers come in any order, each to its request", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  await using session = await open(connection);
  const slow = Promise.withResolvers<void>();
  server.onRequest = async (kind) => {
    if (kind === "getCapacity") await slow.promise;
  };
  const capacity = session.request("getCapacity", {});
  const texts = Array.from({ length: 20 }, (_, i) => utf8ToBytes(`content ${i}`));
  const ids = await Promise.all(texts.map(async (data) => await write(session, data)));
  const read = await Promise.all(
    ids.map(async (contentId) => (await session.request("getContent", { contentId })).data),
  );
  assert.deepEqual(
    read.map((data) => Buffer.from(data)),
    texts.map((data) => Buffer.from(data)),
  );
  slow.resolve();
  assert.deepEqual((await capacity).capacity, { sizeBytes: 100n, freeBytes: 60n });
});

test("a session: a server with one request at a time still serves all", async () => {
  await using server = await TestSessionServer.start({ maxRequests: 1, maxRequestBytes: 10 });
  await using connection = await connectTo(server);
  await using session = await open(connection);
  const ids = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => await write(session, new Uint8Array(100).fill(i))),
  );
  assert.equal(new Set(ids).size, 10);
});

test("findManifests: pages of the size asked for, joined; one empty answer for nothing", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  await using session = await open(connection);
  assert.deepEqual(await session.findManifests({ labels: { type: "x" }, pageSize: 3 }), []);
  for (let i = 0; i < 7; i++)
    await session.request("putManifest", {
      labels: { type: "x", n: `${i}` },
      jsonData: utf8ToBytes("{}"),
    });
  for (const pageSize of [0, 1, 3, 7, 1000]) {
    const found = await session.findManifests({ labels: { type: "x" }, pageSize });
    assert.deepEqual(
      found.map(({ labels }) => labels["n"]),
      ["0", "1", "2", "3", "4", "5", "6"],
    );
  }
});

test("a session: errors by the table, and a refusal is no break", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  await using session = await open(connection);
  await assert.rejects(session.request("getContent", { contentId: "00" }), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
  await assert.rejects(session.request("getManifest", { manifestId: "a" }), {
    code: "SEJF_MANIFEST_NOT_FOUND",
    message: "getManifest: the server says: manifest a: not found",
  });
  server.onRequest = () => {
    throw new SejfError("SEJF_ACCESS_DENIED", "access denied");
  };
  await assert.rejects(session.request("flush", {}), { code: "SEJF_ACCESS_DENIED" });
  server.onRequest = () => {
    throw new TypeError("secret detail");
  };
  await assert.rejects(session.request("flush", {}), {
    code: "SEJF_IO",
    message: "flush: the server says: internal error",
  });
  server.onRequest = undefined;
  await session.request("flush", {});
  assert.equal(session.isBroken, false);
});

test("responseOf, errorOfResponse: each code comes back as itself, words are tamed", () => {
  for (const code of [
    "SEJF_IO",
    "SEJF_INVALID_ARGUMENT",
    "SEJF_CONTENT_NOT_FOUND",
    "SEJF_MANIFEST_NOT_FOUND",
    "SEJF_NOT_FOUND",
    "SEJF_ACCESS_DENIED",
    "SEJF_UNSUPPORTED",
  ] as const)
    assert.equal(errorOfResponse(responseOf(new SejfError(code, "x")), "y").code, code);
  assert.equal(responseOf(new SejfError("SEJF_CORRUPT", "x")).code, RESPONSE_CODES.UNKNOWN_ERROR);
  const hint = "set the clock";
  assert.equal(
    responseOf(new SejfError("SEJF_ACCESS_DENIED", "no", { hint })).message,
    `no (${hint})`,
  );
  assert.equal(responseOf(new SejfError("SEJF_NO_SPACE", "no", { hint })).message, "no");
  const evil = { code: 99, message: `\u001b[2J${"a".repeat(5000)}` };
  const { message, code } = errorOfResponse(evil, "flush");
  assert.equal(code, "SEJF_IO");
  assert.ok(!message.includes("\u001b") && message.length < 2100);
});

test("a session: half-closed it is kept, cancelled or broken it is dropped", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  const kept = await open(connection);
  const keptId = await write(kept, utf8ToBytes("kept"));
  await kept.finish();
  assert.ok(server.durable.contents.has(keptId));
  const cancelled = await open(connection);
  await write(cancelled, utf8ToBytes("dropped"));
  await cancelled[Symbol.asyncDispose]();
  const broken = await open(connection);
  await write(broken, utf8ToBytes("lost"));
  server.breakSessions();
  await assert.rejects(broken.request("flush", {}), { code: "SEJF_CONNECTION", retryable: true });
  assert.equal(broken.isBroken, true);
  await using after = await open(connection);
  await after.request("flush", {});
  assert.equal(server.durable.contents.size, 1);
  assert.equal(server.endedInOrder, 1);
});

test("a session: an abort ends the waiting, not the session", async () => {
  await using server = await TestSessionServer.start();
  await using connection = await connectTo(server);
  await using session = await open(connection);
  const slow = Promise.withResolvers<void>();
  server.onRequest = async () => await slow.promise;
  const stop = new AbortController();
  const waiting = session.request("flush", {}, { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  slow.resolve();
  server.onRequest = undefined;
  await session.request("flush", {});
});

test("a session: an answer of another kind or to no request breaks it with SEJF_CORRUPT", async () => {
  const { RpcServer } = await import("../grpc/server.ts");
  const { SELF_SIGNED } = await import("../../testkit/tls.ts");
  const { decodeRequest, encodeResponse } = await import("../wire/envelopes.ts");
  await using helper = await TestSessionServer.start();
  for (const answerId of [0n, 1000n]) {
    await using server = new RpcServer({
      ...SELF_SIGNED,
      methods: {
        [SESSION_PATH]: async (call) => {
          for await (const message of call.messages()) {
            const { requestId, request } = decodeRequest(message);
            const body =
              request?.kind === "initializeSession"
                ? ({
                    kind: "initializeSession",
                    body: {
                      parameters: {
                        hashFunction: "h",
                        hmacSecret: Uint8Array.of(1),
                        splitter: "s",
                        supportsContentCompression: true,
                        sejfBatches: false,
                        sejfUpgrades: false,
                      },
                    },
                  } as const)
                : ({ kind: "writeContent", body: { contentId: "00" } } as const);
            const id = request?.kind === "initializeSession" ? requestId : requestId + answerId;
            await call.send([concatBytes(...encodeResponse(id, body))]);
          }
        },
      },
    });
    const port = await server.listen(0, "127.0.0.1");
    await using connection = await connectGrpc(parseServerAddress(`https://127.0.0.1:${port}`), {
      fingerprint: helper.fingerprint,
    });
    await using session = await open(connection);
    await assert.rejects(session.request("flush", {}), { code: "SEJF_CORRUPT" });
    assert.equal(session.isBroken, true);
  }
});

test("FairGate: keys take turns, however many one of them has waiting", async () => {
  const gate = new FairGate(1);
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const running = [gate.run("a", async () => await first.promise)];
  for (const name of ["a1", "a2", "a3", "b1", "c1", "b2"])
    running.push(
      // oxlint-disable-next-line require-await -- the work is asynchronous by its type
      gate.run(name.slice(0, 1), async () => {
        order.push(name);
      }),
    );
  const stop = new AbortController();
  const given = gate.run("b", () => Promise.resolve(), { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  first.resolve();
  await Promise.all(running);
  assert.deepEqual(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
  assert.throws(() => new FairGate(0), RangeError);
});

async function connectTo(server: TestSessionServer): Promise<GrpcConnection> {
  return await connectGrpc(parseServerAddress(server.url), { fingerprint: server.fingerprint });
}

async function open(connection: GrpcConnection): Promise<SessionClient> {
  return await openSession(connection, { credentials: TEST_CREDENTIALS, purpose: "test" });
}

async function write(session: SessionClient, data: Uint8Array): Promise<string> {
  const body = { prefix: "", data, compression: 0 };
  return (await session.request("writeContent", body)).contentId;
}
