/**
 * Clients that mean harm, on the level of the protocol: what they send, what they do not send, and what they do not
 * read. Each time an honest client on the same server goes on as if nothing was.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import fc from "fast-check";
import { type OwnedBytes, utf8ToBytes } from "../../src/bytes/index.ts";
import {
  ByteBudget,
  type GrpcClientCall,
  type GrpcConnection,
  GrpcError,
  SESSION_PATH,
  type SessionClient,
} from "../../src/rpc/index.ts";
import { framePrefix, MAX_MESSAGE_BYTES } from "../../src/rpc/grpc/frames.ts";
import { decodeResponse, encodeRequest } from "../../src/rpc/wire/envelopes.ts";
import { AccountServer } from "../../src/testkit/account-server.ts";
import { numRuns } from "../../src/testkit/property.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { until } from "../../src/testkit/server-log.ts";

const MIB = 1 << 20;
/** A record of 512 bytes is announced, and its first bytes come. */
const HALF_CLIENT_HELLO: Uint8Array = Buffer.from("160301020001000001fc0303", "hex");

function headersOf(name: string): Record<string, string> {
  const [username = "", hostname = ""] = name.split("@");
  return {
    "kopia-username": username,
    "kopia-hostname": hostname,
    "kopia-password": `${name}-pw`,
  };
}

/** A call that has begun its session, without the client that would read its answers. */
async function beginCall(
  connection: GrpcConnection,
  name = "alice@laptop",
): Promise<GrpcClientCall> {
  const call = connection.startCall(SESSION_PATH, { metadata: headersOf(name) });
  await call.send(
    encodeRequest(1n, { kind: "initializeSession", body: { purpose: "", readOnly: false } }),
  );
  return call;
}

/** What an honest client does; fails when it is not served. */
async function workHonestly(session: SessionClient, seed: number): Promise<void> {
  const data = new SeededRandom(seed).bytes(300_000);
  const { contentId } = await session.request("writeContent", { prefix: "", data, compression: 0 });
  await session.request("flush", {});
  const read = await session.request("getContent", { contentId });
  assert.ok(Buffer.from(read.data).equals(data));
  await session.findManifests({ labels: { type: "policy" }, pageSize: 100 });
}

test("a slow reader: 40 × 8 MiB that he does not read hold up nobody else, and little memory", async () => {
  const sendBudget = new ByteBudget({ totalBytes: 64 * MIB });
  await using server = await AccountServer.start({ rpc: { sendBudget } });
  await using connection = await server.connect();
  await using writer = await server.session(connection);
  const data = new SeededRandom(1).bytes(8 * MIB);
  const { contentId } = await writer.request("writeContent", { prefix: "", data, compression: 0 });
  await using evil = await server.connect();
  const calls = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const call = await beginCall(evil);
      for (let i = 2n; i < 7n; i++)
        await call.send(encodeRequest(i, { kind: "getContent", body: { contentId } }));
      return call;
    }),
  );
  await until(() => sendBudget.usedBytes >= 8 * MIB, "answers wait for the slow reader");
  await using bob = await server.connect();
  await using honest = await server.session(bob, "bob@desk");
  for (let i = 0; i < 20; i++) await workHonestly(honest, i);
  assert.ok(sendBudget.usedBytes <= 32 * MIB, `${sendBudget.usedBytes} bytes wait`);
  // The slow one's other sessions are not more than his share, but they live.
  for (const call of calls) call.cancel();
  await until(() => sendBudget.usedBytes === 0, "everything was given back");
});

test("a slow reader: a call that nobody reads is given up", async () => {
  await using server = await AccountServer.start({ rpc: { stallMs: 50 } });
  await using connection = await server.connect();
  await using writer = await server.session(connection);
  const data = new SeededRandom(1).bytes(18 * MIB);
  const { contentId } = await writer.request("writeContent", { prefix: "", data, compression: 0 });
  const session = connectHttp2(server.url, { rejectUnauthorized: false });
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": SESSION_PATH,
    "content-type": "application/grpc",
    ...headersOf("alice@laptop"),
  });
  stream.on("error", () => {});
  stream.pause();
  const requests = [
    encodeRequest(1n, { kind: "initializeSession", body: { purpose: "", readOnly: false } }),
    encodeRequest(2n, { kind: "getContent", body: { contentId } }),
  ];
  for (const parts of requests) for (const bytes of framed(parts)) stream.write(bytes);
  await until(() => server.registry.size === 2, "the session has begun");
  await until(() => server.registry.size === 1, "the session was given up");
  session.destroy();
});

test("half messages: they hold their share and no more, and are given up", async () => {
  const receiveBudget = new ByteBudget({ totalBytes: 64 * MIB });
  await using server = await AccountServer.start({ rpc: { receiveBudget, stallMs: 300 } });
  await using evil = await server.connect();
  const streams = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const session = connectHttp2(server.url, { rejectUnauthorized: false });
      session.on("error", () => {});
      const stream = session.request({
        ":method": "POST",
        ":path": SESSION_PATH,
        "content-type": "application/grpc",
        ...headersOf("alice@laptop"),
      });
      stream.on("error", () => {});
      const begin = { purpose: "", readOnly: false };
      for (const part of framed(encodeRequest(1n, { kind: "initializeSession", body: begin })))
        stream.write(part);
      await once(stream, "data");
      stream.write(framePrefix(16 * MIB));
      stream.write(new Uint8Array(1000));
      return { session, ended: once(stream, "close") };
    }),
  );
  await until(() => receiveBudget.usedBytes === 32 * MIB, "half of it is taken");
  await using bob = await server.connect();
  await using honest = await server.session(bob, "bob@desk");
  for (let i = 0; i < 5; i++) await workHonestly(honest, i);
  assert.ok(receiveBudget.usedBytes <= 33 * MIB);
  for (const { ended } of streams.slice(0, 1)) await ended;
  for (const { session } of streams) session.destroy();
  await until(() => receiveBudget.usedBytes === 0, "everything was given back");
  assert.equal(evil.isClosed, false);
});

test("a message that is too long ends its call with status 8, and nothing else", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using honest = await server.session(connection);
  const call = connection.startCall(SESSION_PATH, {
    metadata: headersOf("alice@laptop"),
    maxMessageBytes: 64 * MIB,
  });
  const begin = { purpose: "", readOnly: false };
  await call.send(encodeRequest(1n, { kind: "initializeSession", body: begin }));
  const answers = call.messages();
  await answers.next();
  await call.send([new Uint8Array(MAX_MESSAGE_BYTES + 1)]);
  await assert.rejects(answers.next(), (error) => {
    assert.ok(error instanceof GrpcError);
    assert.equal(error.status, "RESOURCE_EXHAUSTED");
    assert.match(error.message, /received message larger than max \(20971521 vs\. 20971520\)/);
    return true;
  });
  await workHonestly(honest, 1);
});

test("any bytes as messages: the call ends or is answered, the server lives", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using honest = await server.session(connection, "bob@desk");
  const valid = encodeRequest(2n, {
    kind: "putManifest",
    body: { labels: { type: "snapshot", path: "/x" }, jsonData: utf8ToBytes("{}") },
  });
  const joined = Buffer.concat(valid);
  const mutated = fc
    .tuple(fc.nat(joined.length - 1), fc.integer({ min: 0, max: 255 }))
    .map(([at, byte]) => new Uint8Array(joined).with(at, byte));
  const messages = fc.array(fc.oneof(fc.uint8Array({ maxLength: 100 }), mutated), {
    minLength: 1,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(messages, async (sent) => {
      const call = await beginCall(connection);
      const answers = call.messages();
      await answers.next();
      try {
        for (const message of sent) await call.send([message]);
        call.halfClose();
        for await (const answer of answers) decodeResponse(answer);
      } catch (error) {
        assert.ok(error instanceof GrpcError, String(error));
      }
    }),
    { numRuns: numRuns(20) },
  );
  await workHonestly(honest, 2);
  assert.deepEqual(server.log.messages("error"), []);
});

test("replays: a request said twice is answered twice, and changes nothing twice", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  const call = await beginCall(connection);
  const answers = call.messages();
  await answers.next();
  const write = encodeRequest(7n, {
    kind: "writeContent",
    body: { prefix: "k", data: utf8ToBytes("root"), compression: 0 },
  });
  const found: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    await call.send(write);
    const { value } = await answers.next();
    assert.ok(value instanceof Uint8Array);
    found.push(decodeResponse(value));
  }
  assert.deepEqual(found[0], found[1]);
  call.cancel();
  assert.equal(server.repository.contents.statistics().writtenContents, 1);
  // A beginning said again is refused, the session goes on.
  await using session = await server.session(connection);
  await assert.rejects(session.request("initializeSession", { purpose: "", readOnly: false }));
  await workHonestly(session, 3);
});

test("a flood of requests: another account's few are served in between", async () => {
  await using server = await AccountServer.start({ method: { maxConcurrency: 2 } });
  await using connection = await server.connect();
  const calls = await Promise.all(
    Array.from({ length: 20 }, async () => await server.session(connection)),
  );
  let flooded = 0;
  let stop = false;
  const flood = calls.map(async (session) => {
    while (!stop) {
      await session.findManifests({ labels: {}, pageSize: 1 });
      flooded++;
    }
  });
  await using bob = await server.connect();
  await using honest = await server.session(bob, "bob@desk");
  for (let i = 0; i < 10; i++) await workHonestly(honest, i);
  stop = true;
  await Promise.all(flood);
  assert.ok(flooded > 0);
  for (const session of calls) await session[Symbol.asyncDispose]();
});

test("too many sessions of one account are refused, another account's are not", async () => {
  await using server = await AccountServer.start({ rpc: { maxConcurrentCalls: 400 } });
  await using connection = await server.connect();
  const calls = await Promise.all(
    Array.from({ length: 250 }, async () => await beginCall(connection)),
  );
  await until(() => server.registry.size === 250, "all sessions have begun");
  await assert.rejects(server.session(connection), /has 250 sessions already/);
  await using honest = await server.session(connection, "bob@desk");
  await workHonestly(honest, 1);
  for (const call of calls) call.cancel();
});

test("10,000 connections without a caller, silent or half begun: few stay, and an honest client gets in", async () => {
  const strangers = { connections: 100, patienceMs: 60_000 };
  await using server = await AccountServer.start({ rpc: { strangers } });
  const sockets = new Set<Socket>();
  const host = "127.0.0.1";
  let closed = 0;
  const begin = async (i: number): Promise<void> => {
    const isTls = i % 50 === 0;
    const socket = isTls
      ? connectTls({ port: server.port, host, rejectUnauthorized: false, ALPNProtocols: ["h2"] })
      : connectTcp(server.port, host);
    socket.on("error", () => {});
    socket.resume();
    socket.once("close", () => {
      closed++;
      sockets.delete(socket);
    });
    sockets.add(socket);
    if (isTls) socket.once("secureConnect", () => socket.write("PRI * HTTP/2.0\r\n"));
    else if (i % 2 === 0) socket.once("connect", () => socket.write(HALF_CLIENT_HELLO));
    if (i % 100 !== 99) return;
    await once(socket, "connect");
    assert.ok(server.rpc.connections.strangers <= 100);
  };
  for (let i = 0; i < 5000; i++) await begin(i);
  {
    await using connection = await server.connect();
    await using honest = await server.session(connection);
    for (let i = 5000; i < 10_000; i++) {
      await begin(i);
      if (i % 1000 === 0) await workHonestly(honest, i);
    }
  }
  await until(() => closed >= 9900, "all but the newest were closed");
  assert.ok(server.rpc.connections.strangers <= 100);
  await using connection = await server.connect();
  await using honest = await server.session(connection);
  await workHonestly(honest, 1);
  for (const socket of sockets) socket.destroy();
});

test("slow loris: connections that do not come to a request are closed in time", async () => {
  const strangers = { connections: 100, patienceMs: 100 };
  await using server = await AccountServer.start({ rpc: { strangers } });
  const tcp = connectTcp(server.port, "127.0.0.1");
  const tls = connectTls({
    port: server.port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
  });
  const halfPreface = connectTls({
    port: server.port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
  });
  halfPreface.once("secureConnect", () => halfPreface.write("PRI * HTTP/2.0\r\n"));
  await Promise.all(
    [tcp, tls, halfPreface].map(async (socket) => {
      socket.on("error", () => {});
      socket.resume();
      await once(socket, "close");
    }),
  );
  await until(() => server.rpc.connections.strangers === 0, "nobody is left");
  // A login that failed does not make its connection a known one.
  const connection = await server.connect();
  await assert.rejects(server.session(connection, "alice@laptop", { password: "wrong" }));
  await connection.closed;
});

function framed(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const prefix: OwnedBytes = framePrefix(length);
  return [prefix, ...parts];
}
