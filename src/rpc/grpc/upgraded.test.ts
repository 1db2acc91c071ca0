/** Calls that have a connection to themselves, over TLS on this machine. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Socket,
} from "node:net";
import { test, type TestContext } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { collect, concatBytes, utf8ToBytes } from "../../bytes/index.ts";
import { rejectsWith } from "../../testkit/grpc-rejects.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { SELF_SIGNED } from "../../testkit/tls.ts";
import { certificateFingerprint } from "./certificate.ts";
import type { ConnectGrpcOptions } from "./client.ts";
import { endFrame, framePrefix } from "./frames.ts";
import { parseServerAddress } from "./server-address.ts";
import { RpcServer, type RpcServerOptions } from "./server.ts";
import type { GrpcMethod } from "./server-call.ts";
import { GrpcError } from "./status.ts";
import { UPGRADE_PROTOCOL } from "./upgrade.ts";
import { connectUpgraded, type UpgradedCall } from "./upgraded-connection.ts";

const PIN = certificateFingerprint(new X509Certificate(SELF_SIGNED.cert));
const PATH = "/test.Service/Method";

const echo: GrpcMethod = async (call) => {
  call.trust();
  for await (const message of call.messages()) await call.send([message]);
};

/** As where Node does not read to where bytes belong. */
function readInChunks(t: TestContext): void {
  t.mock.method(Object, "getOwnPropertySymbols", () => []);
}

for (const how of ["straight to messages", "in chunks"]) {
  test(`an upgraded call, read ${how}: messages of all lengths both ways, half-close, status OK`, async (t) => {
    if (how === "in chunks") readInChunks(t);
    await using pair = await openPair(echo);
    const random = new SeededRandom(1);
    const lengths = [0, 1, 5, 16_379, 16_384, 70_000, 3, 2_000_000, 0, 131_072, 5 << 20, 17];
    const sent = lengths.map((length) => random.bytes(length));
    const { call } = pair.upgraded;
    const received = collect(call.messages());
    for (const message of sent) await call.send([message.subarray(0, 1), message.subarray(1)]);
    await call.sendAll(sent.slice(0, 3).map((message) => [message]));
    call.halfClose();
    assert.deepEqual(await received, [...sent, ...sent.slice(0, 3)]);
  });

  test(`an upgraded call, read ${how}: who does not take messages is not read, and loses none`, async (t) => {
    if (how === "in chunks") readInChunks(t);
    const count = 60;
    let sent = 0;
    await using pair = await openPair(async (call) => {
      call.trust();
      for (; sent < count; sent++) await call.send([new Uint8Array(1 << 20).fill(sent)]);
    });
    const messages = pair.upgraded.call.messages();
    const first: Uint8Array[] = [];
    for (let i = 0; i < 3; i++) first.push((await messages.next()).value as Uint8Array);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.ok(sent < count, "all was sent to somebody who does not read");
    const all = [...first, ...(await collect(messages))];
    assert.deepEqual(
      all.map((message) => [message.length, message[0], message.at(-1)]),
      Array.from({ length: count }, (_, i) => [1 << 20, i, i]),
    );
  });
}

test("an upgraded call: an error's status arrives, also while the client goes on sending", async () => {
  await using pair = await openPair(async (call) => {
    for await (const _ of call.messages())
      throw new GrpcError("PERMISSION_DENIED", "nie wolno: zażółć");
  });
  const { call } = pair.upgraded;
  const sending = (async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await call.send([new Uint8Array(1 << 20)]);
  })().catch((error: unknown) => error);
  await rejectsWith(collect(call.messages()), "PERMISSION_DENIED", "nie wolno: zażółć");
  assert.ok((await sending) instanceof Error);
});

test("an upgraded call: the server learns that the client has gone", async () => {
  const gone = Promise.withResolvers<unknown>();
  await using pair = await openPair(async (call) => {
    call.signal.addEventListener("abort", () => gone.resolve(call.signal.reason));
    for await (const message of call.messages()) await call.send([message]);
  });
  await pair.upgraded.call.send([Uint8Array.of(1)]);
  pair.upgraded.call.cancel();
  assert.match(String(await gone.promise), /cancelled by the client/);
});

test("an upgraded call: a server that goes in the middle, or ends without a status, breaks it", async () => {
  const message = concatBytes(framePrefix(2), utf8ToBytes("hi"));
  const garbage = concatBytes(Uint8Array.of(0x80, 0, 0, 0, 3), Uint8Array.of(0xff, 0xfe, 0));
  const answers = { whole: message, half: message.subarray(0, 6), garbage };
  for (const [how, bytes] of Object.entries(answers)) {
    const server = createHttpsServer(SELF_SIGNED);
    server.on("upgrade", (_request, socket) => {
      const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`;
      socket.end(concatBytes(utf8ToBytes(head), bytes));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await using upgraded = await connectUpgraded(
      parseServerAddress(`https://127.0.0.1:${port}`),
      PATH,
      OPTIONS,
    );
    const messages = upgraded?.call.messages();
    if (how === "whole") assert.deepEqual((await messages?.next())?.value, utf8ToBytes("hi"));
    await rejectsWith(messages?.next() ?? Promise.resolve(), "UNAVAILABLE");
    server.close();
  }
});

test("RpcServer.close: upgraded calls get their time, then the signal and a status", async () => {
  const pair = await openPair(echo);
  const { call } = pair.upgraded;
  await call.send([Uint8Array.of(1)]);
  const messages = call.messages();
  await messages.next();
  const closed = pair.server.close(50);
  await rejectsWith(messages.next(), "UNAVAILABLE", "the server is being shut down");
  await closed;
  await pair.upgraded.close();
});

test("connectUpgraded: a server that does not know it, or not this path, goes on as before", async () => {
  await using pair = await openPair(echo);
  assert.equal(await connectUpgraded(pair.address, "/other", OPTIONS), undefined);
  assert.equal(await connectUpgraded(pair.address, "/toString", OPTIONS), undefined);
  const padded = { ...OPTIONS, metadata: { "kopia-password": "ends with a space " } };
  assert.equal(await connectUpgraded(pair.address, PATH, padded), undefined);
  const plain = createHttpsServer(SELF_SIGNED, (_request, response) => {
    response.statusCode = 404;
    response.end("not here");
  });
  plain.listen(0, "127.0.0.1");
  await once(plain, "listening");
  const { port } = plain.address() as AddressInfo;
  const address = parseServerAddress(`https://127.0.0.1:${port}`);
  assert.equal(await connectUpgraded(address, PATH, OPTIONS), undefined);
  plain.close();
  plain.closeAllConnections();
  await once(plain, "close");
  await assert.rejects(connectUpgraded(address, PATH, OPTIONS), {
    code: "SEJF_CONNECTION",
    retryable: true,
  });
  const wrong = { ...OPTIONS, fingerprint: "ab".repeat(32) };
  await assert.rejects(connectUpgraded(pair.address, PATH, wrong), { code: "SEJF_ACCESS_DENIED" });
});

test("an upgraded call: what breaks its framing ends it, and nobody else", async () => {
  const ends: unknown[] = [];
  await using pair = await openPair(echo, { onError: (_path, error) => ends.push(error) });
  const end = endFrame("");
  const attacks: readonly [string, Uint8Array, RegExp][] = [
    ["flags", Uint8Array.of(7, 0, 0, 0, 1, 1), /begins with the flags 7/],
    ["too long", framed(0xff_ff_ff_ff), /larger than max/],
    ["a long end", concatBytes(Uint8Array.of(0x80, 0, 1, 0, 0)), /larger than max/],
    ["behind the end", concatBytes(end, end), /goes on behind its last frame/],
    ["half a message", framed(100), /ended by the other side/],
  ];
  for (const [what, bytes, says] of attacks) {
    const before = ends.length;
    const socket = await rawUpgrade(pair.port, "");
    socket.write(bytes);
    if (what === "half a message") socket.destroy();
    while (ends.length === before) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.match(String(ends.at(-1)), says, what);
    socket.destroy();
  }
  const { call } = pair.upgraded;
  await call.send([utf8ToBytes("still there")]);
  call.halfClose();
  assert.equal((await collect(call.messages())).length, 1);
});

test("an upgraded call: bytes right behind the request's headers belong to it; a strange Upgrade is refused", async () => {
  await using pair = await openPair(echo);
  const early = concatBytes(framePrefix(2), utf8ToBytes("hi"), endFrame(""));
  const socket = await rawUpgrade(pair.port, Buffer.from(early).toString("latin1"));
  const answer = Buffer.concat(await collect(socket as AsyncIterable<Buffer>)).toString("latin1");
  assert.equal(answer, "\0\0\0\0\x02hi\x80\0\0\0\x10grpc-status: 0\r\n");
  const refused = await openSocket(pair.port);
  refused.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  const said = Buffer.concat(await collect(refused as AsyncIterable<Buffer>)).toString();
  assert.match(said, /^HTTP\/1\.1 400 /);
});

test("an upgraded call: a message that does not go on ends it; a stranger's time is short", async () => {
  const ends: unknown[] = [];
  await using pair = await openPair(echo, {
    stallMs: 100,
    strangers: { patienceMs: 2000 },
    onError: (_path, error) => ends.push(error),
  });
  const socket = await rawUpgrade(pair.port, "");
  socket.write(framed(1000));
  await once(socket.resume(), "close");
  assert.match(String(ends[0]), /did not go on for 100 ms/);
  // Nobody has said who this is: the method trusts at once, so this one never reaches it.
  const silent = await openSocket(pair.port);
  await once(silent.resume(), "close");
});

test("connectUpgraded: a quiet server is left alone, one that is gone without a word is noticed", async () => {
  const server = new RpcServer({ ...SELF_SIGNED, methods: { [PATH]: echo } });
  const port = await server.listen(0, "127.0.0.1");
  const sockets: Socket[] = [];
  const relay = createTcpServer((socket) => {
    const onward = connectTcp(port, "127.0.0.1");
    sockets.push(socket, onward);
    for (const each of [socket, onward]) each.on("error", () => {});
    socket.pipe(onward).pipe(socket);
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const place = relay.address() as AddressInfo;
  const address = parseServerAddress(`https://127.0.0.1:${place.port}`);
  await using upgraded = await connectUpgraded(address, PATH, { ...OPTIONS, keepAliveMs: 50 });
  assert.ok(upgraded);
  const { call } = upgraded;
  const messages = call.messages();
  const answered = async (): Promise<void> => {
    await call.send([Uint8Array.of(1)]);
    assert.deepEqual((await messages.next()).value, Uint8Array.of(1));
  };
  await answered();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await answered();
  // The way leads nowhere any more, and nobody says so.
  for (const socket of sockets) socket.unpipe().pause();
  relay.close();
  await call.send([Uint8Array.of(2)]);
  await rejectsWith(messages.next(), "UNAVAILABLE");
  for (const socket of sockets) socket.destroy();
  await server.close();
});

const OPTIONS = { fingerprint: PIN } satisfies ConnectGrpcOptions;

interface Pair extends AsyncDisposable {
  readonly server: RpcServer;
  readonly upgraded: UpgradedCall;
  readonly address: ReturnType<typeof parseServerAddress>;
  readonly port: number;
}

async function openPair(
  method: GrpcMethod,
  options: Partial<RpcServerOptions> = {},
): Promise<Pair> {
  const server = new RpcServer({ ...SELF_SIGNED, methods: { [PATH]: method }, ...options });
  const port = await server.listen(0, "127.0.0.1");
  const address = parseServerAddress(`https://127.0.0.1:${port}`);
  const upgraded = await connectUpgraded(address, PATH, OPTIONS);
  assert.ok(upgraded, "the server upgrades");
  return {
    server,
    upgraded,
    address,
    port,
    async [Symbol.asyncDispose](): Promise<void> {
      await upgraded.close();
      await server.close();
    },
  };
}

async function openSocket(port: number): Promise<TLSSocket> {
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

/** A client that does what it likes; `early` goes with the request. */
async function rawUpgrade(port: number, early: string): Promise<TLSSocket> {
  const socket = await openSocket(port);
  const head = `GET ${PATH} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`;
  socket.write(Buffer.from(head + early, "latin1"));
  const answer = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`;
  let got = Buffer.alloc(0);
  while (got.length < answer.length) {
    await once(socket, "readable");
    got = Buffer.concat([got, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
  }
  assert.equal(got.subarray(0, answer.length).toString(), answer);
  if (got.length > answer.length) socket.unshift(got.subarray(answer.length));
  return socket;
}

/** The prefix of a message of this length. */
function framed(lengthBytes: number): Uint8Array {
  return Uint8Array.of(0, lengthBytes >>> 24, lengthBytes >>> 16, lengthBytes >>> 8, lengthBytes);
}
