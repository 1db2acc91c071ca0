/** Calls between our client and our server, over TLS on this machine. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import {
  connect as connectHttp2,
  constants,
  createSecureServer,
  type ServerHttp2Stream,
} from "node:http2";
import { request as httpsRequest } from "node:https";
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Socket,
} from "node:net";
import { test } from "node:test";
import { collect, concatBytes, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import { rejectsWith } from "../../testkit/grpc-rejects.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { AUTHORITY, SELF_SIGNED, SIGNED, type TestCertificate } from "../../testkit/tls.ts";
import { certificateFingerprint, isPinned } from "./certificate.ts";
import { connectGrpc, type ConnectGrpcOptions, GrpcConnection } from "./client.ts";
import { framePrefix } from "./frames.ts";
import { parseServerAddress } from "./server-address.ts";
import { RpcServer, type RpcServerOptions } from "./server.ts";
import type { GrpcMethod } from "./server-call.ts";
import { GrpcError } from "./status.ts";

const PIN = fingerprintOf(SELF_SIGNED);
const PATH = "/test.Service/Method";

const echo: GrpcMethod = async (call) => {
  call.trust();
  for await (const message of call.messages()) await call.send([message]);
};

test("a call: messages both ways, half-close, status OK", async () => {
  await using pair = await openPair(echo);
  const call = pair.connection.startCall(PATH);
  const sent = [utf8ToBytes("a"), new Uint8Array(0), new Uint8Array(5 << 20).fill(3)];
  for (const message of sent) await call.send([message.subarray(0, 1), message.subarray(1)]);
  call.halfClose();
  const received = await collect(call.messages());
  assert.deepEqual(
    received.map((message) => message.length),
    sent.map((message) => message.length),
  );
  assert.deepEqual(received[2], sent[2]);
});

test("a call: the memory of an answer is used again only when the answer was sent", async () => {
  const lengths = [3_000_000, 70_000, 1, 500_000, 0, 65_536, 2_000_000, 131_073];
  const buffers = new Set<ArrayBufferLike>();
  const answers: GrpcMethod = async (call) => {
    call.trust();
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const room = await call.enter(lengths[i % lengths.length]!);
        const memory = call.memory(room, room.bytes);
        buffers.add(memory.buffer);
        await call.send([Uint8Array.of(i), memory.fill(i)], room);
      }),
    );
  };
  await using pair = await openPair(answers);
  const received = await collect(pair.connection.startCall(PATH).messages());
  assert.equal(received.length, 40);
  for (const message of received) {
    const [i] = message;
    assert.deepEqual(message, new Uint8Array(1 + lengths[i! % lengths.length]!).fill(i!));
  }
  const inPool = lengths.filter((length) => length >= 1 << 16).length * 5;
  assert.ok(buffers.size < 15 + inPool, `${buffers.size} buffers`);
});

test("a call: many at once on one connection do not mix", async () => {
  await using pair = await openPair(echo);
  await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const call = pair.connection.startCall(PATH);
      await call.send([new Uint8Array(100_000).fill(i)]);
      await call.send([Uint8Array.of(i)]);
      call.halfClose();
      const [first, second] = await collect(call.messages());
      assert.deepEqual(first, new Uint8Array(100_000).fill(i));
      assert.deepEqual(second, Uint8Array.of(i));
    }),
  );
});

test("a call: the status of a refusal arrives, before and after messages", async () => {
  const message = "access denied for älice@laptop";
  await using before = await openPair(() => {
    throw new GrpcError("PERMISSION_DENIED", message);
  });
  await rejectsWith(
    collect(before.connection.startCall(PATH).messages()),
    "PERMISSION_DENIED",
    message,
  );
  await using after = await openPair(async (call) => {
    await call.send([Uint8Array.of(1)]);
    throw new GrpcError("RESOURCE_EXHAUSTED", "enough");
  });
  const call = after.connection.startCall(PATH);
  const seen: Uint8Array[] = [];
  await rejectsWith(
    (async () => {
      for await (const one of call.messages()) seen.push(one);
    })(),
    "RESOURCE_EXHAUSTED",
    "enough",
  );
  assert.deepEqual(seen, [Uint8Array.of(1)]);
});

test("a call: a defect of the server tells nothing of itself", async () => {
  const errors: unknown[] = [];
  await using pair = await openPair(() => Promise.reject(new TypeError("secret detail")), {
    onError: (_path, error) => errors.push(error),
  });
  await rejectsWith(
    collect(pair.connection.startCall(PATH).messages()),
    "INTERNAL",
    "internal error",
  );
  assert.match(String(errors[0]), /secret detail/);
});

test("a call: an unknown method is UNIMPLEMENTED, a repeated header INVALID_ARGUMENT", async () => {
  await using pair = await openPair(echo);
  await rejectsWith(collect(pair.connection.startCall("/toString").messages()), "UNIMPLEMENTED");
  const session = connectHttp2(`https://127.0.0.1:${pair.port}`, { rejectUnauthorized: false });
  const stream = session.request([
    ":method",
    "POST",
    ":path",
    PATH,
    ":scheme",
    "https",
    ":authority",
    "x",
    "content-type",
    "application/grpc",
    "kopia-username",
    "a",
    "kopia-username",
    "b",
  ]);
  const [headers] = (await once(stream, "response")) as [Record<string, string>];
  assert.equal(headers["grpc-status"], "3");
  session.destroy();
});

test("a call: a client that cancels, resets or vanishes is no half-close", async () => {
  for (const leave of ["our own", "cancel", "reset", "vanish"] as const) {
    const outcome = Promise.withResolvers<unknown>();
    const started = Promise.withResolvers<void>();
    await using pair = await openPair(async (call) => {
      try {
        for await (const _ of call.messages()) started.resolve();
        outcome.resolve("half-closed");
      } catch (error) {
        assert.equal(call.signal.aborted, true);
        outcome.resolve(error);
        throw error;
      }
    });
    const call = pair.connection.startCall(PATH);
    if (leave === "our own") await call.send([Uint8Array.of(1)]);
    const session = connectHttp2(`https://127.0.0.1:${pair.port}`, { rejectUnauthorized: false });
    session.on("error", () => {});
    const headers = { ":method": "POST", ":path": PATH, "content-type": "application/grpc" };
    const stream = session.request(headers, { waitForTrailers: true });
    stream.on("error", () => {});
    if (leave !== "our own") stream.write(concatBytes(framePrefix(1), Uint8Array.of(1)));
    await started.promise;
    if (leave === "our own") call.cancel();
    else if (leave === "cancel") stream.close(constants.NGHTTP2_CANCEL);
    else if (leave === "reset") stream.close(constants.NGHTTP2_NO_ERROR);
    else session.destroy();
    const error = await outcome.promise;
    assert.ok(error instanceof GrpcError, `${leave}: ${String(error)}`);
    session.destroy();
  }
});

test("a call: a stream that ends inside of a message is an error on both sides", async () => {
  const outcome = Promise.withResolvers<unknown>();
  await using pair = await openPair(async (call) => {
    await collect(call.messages()).then(outcome.resolve, outcome.resolve);
  });
  const session = connectHttp2(`https://127.0.0.1:${pair.port}`, { rejectUnauthorized: false });
  const stream = session.request({
    ":method": "POST",
    ":path": PATH,
    "content-type": "application/grpc",
  });
  stream.end(concatBytes(framePrefix(10), Uint8Array.of(1)));
  const error = await outcome.promise;
  assert.ok(error instanceof GrpcError && error.status === "INTERNAL");
  session.destroy();
});

test("a call: messages beyond the limit end it with RESOURCE_EXHAUSTED", async () => {
  await using pair = await openPair(echo, { maxMessageBytes: 1000 });
  const call = pair.connection.startCall(PATH);
  await call.send([new Uint8Array(1001)]);
  await rejectsWith(
    collect(call.messages()),
    "RESOURCE_EXHAUSTED",
    "grpc: received message larger than max (1001 vs. 1000)",
  );
  await rejectsWith(
    pair.connection.startCall(PATH).send([new Uint8Array((20 << 20) + 1)]),
    "RESOURCE_EXHAUSTED",
  );
});

test("a call: its deadline ends it on both sides", async () => {
  const outcome = Promise.withResolvers<unknown>();
  await using pair = await openPair(async (call) => {
    assert.equal(call.metadata.get("grpc-timeout"), "30m");
    try {
      await collect(call.messages());
    } catch (error) {
      outcome.resolve(error);
      throw error;
    }
  });
  const call = pair.connection.startCall(PATH, { deadlineMs: 30 });
  await rejectsWith(collect(call.messages()), "DEADLINE_EXCEEDED");
  assert.ok((await outcome.promise) instanceof GrpcError);
});

test("a call: an abort of the client's signal is its reason", async () => {
  await using pair = await openPair(echo);
  const stop = new AbortController();
  const call = pair.connection.startCall(PATH, { signal: stop.signal });
  const waiting = collect(call.messages());
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

test("send: a reader who does not read holds up the sender, and only on its own stream", async () => {
  const slow = Promise.withResolvers<void>();
  let sent = 0;
  await using pair = await openPair(async (call) => {
    call.trust();
    for await (const [kind] of call.messages()) {
      if (kind === 1) {
        await call.send([Uint8Array.of(9)]);
        continue;
      }
      for (let i = 0; i < 64; i++) {
        await call.send([new Uint8Array(1 << 20)]);
        sent++;
        if (i === 0) slow.resolve();
      }
    }
  });
  const lazy = pair.connection.startCall(PATH);
  await lazy.send([Uint8Array.of(0)]);
  await slow.promise;
  const quick = pair.connection.startCall(PATH);
  for (let i = 0; i < 50; i++) await quick.send([Uint8Array.of(1)]);
  quick.halfClose();
  assert.equal((await collect(quick.messages())).length, 50);
  assert.ok(sent < 64, `${sent} messages left without being read`);
  lazy.halfClose();
  assert.equal((await collect(lazy.messages())).length, 64);
});

test("RpcServer: clients that leave at any moment hurt nobody else", async () => {
  await using pair = await openPair(async (call) => {
    call.trust();
    for await (const message of call.messages()) await call.send([message, message]);
  });
  const random = new SeededRandom(5);
  for (let round = 0; round < 15; round++) {
    const address = parseServerAddress(`https://127.0.0.1:${pair.port}`);
    const connection = await connectGrpc(address, { fingerprint: PIN });
    const [how = 0, turns = 0] = random.bytes(2);
    const calls = [0, 1, 2].map(() => connection.startCall(PATH));
    const ends = calls.map(async (call, i) => {
      const reading = collect(call.messages()).catch(() => []);
      await call.send([new Uint8Array(i === 0 ? 10 : 1 << 20)]).catch(() => {});
      if (how % 2 === 0) call.halfClose();
      return await reading;
    });
    for (let turn = turns % 24; turn > 0; turn--)
      await new Promise((resolve) => setImmediate(resolve));
    if (how % 3 === 0) for (const call of calls) call.cancel();
    else if (how % 3 === 1) connection.startCall(PATH).cancel();
    await connection.close();
    await Promise.all(ends);
  }
  const call = pair.connection.startCall(PATH);
  await call.send([Uint8Array.of(1)]);
  call.halfClose();
  assert.deepEqual(await collect(call.messages()), [Uint8Array.of(1, 1)]);
});

test("RpcServer: other requests go to the handler, of both versions of HTTP", async () => {
  await using pair = await openPair(echo, {
    onRequest: (request, response) => {
      response.statusCode = 418;
      response.end(`${request.method} ${request.url} ${request.httpVersion}`);
    },
  });
  const old = httpsRequest({
    host: "127.0.0.1",
    port: pair.port,
    path: "/a",
    rejectUnauthorized: false,
  });
  old.end();
  const [response] = (await once(old, "response")) as [
    NodeJS.ReadableStream & { statusCode: number },
  ];
  assert.equal(response.statusCode, 418);
  assert.equal(
    Buffer.concat(await collect(response as AsyncIterable<Buffer>)).toString(),
    "GET /a 1.1",
  );
  const session = connectHttp2(`https://127.0.0.1:${pair.port}`, { rejectUnauthorized: false });
  const stream = session.request({ ":path": "/b" });
  const body = Buffer.concat(await collect(stream as AsyncIterable<Buffer>)).toString();
  assert.equal(body, "GET /b 2.0");
  const call = pair.connection.startCall(PATH);
  await call.send([Uint8Array.of(1)]);
  call.halfClose();
  assert.equal((await collect(call.messages())).length, 1);
  session.destroy();
});

test("RpcServer.close: calls get their time, then the signal", async () => {
  const pair = await openPair(async (call) => {
    for await (const message of call.messages()) await call.send([message]);
  });
  const call = pair.connection.startCall(PATH);
  await call.send([Uint8Array.of(1)]);
  const messages = call.messages();
  await messages.next();
  const closed = pair.server.close(10);
  await rejectsWith(collect(messages), "UNAVAILABLE");
  await closed;
  await pair.connection.close();
});

test("RpcServer: a stranger's connection has small windows, a trusted one wide ones", async () => {
  await using pair = await openPair(echo);
  const session = connectHttp2(`https://127.0.0.1:${pair.port}`, { rejectUnauthorized: false });
  const [settings] = (await once(session, "remoteSettings")) as [{ initialWindowSize: number }];
  assert.equal(settings.initialWindowSize, 65_536);
  const stream = session.request({
    ":method": "POST",
    ":path": PATH,
    "content-type": "application/grpc",
  });
  const [wide] = (await once(session, "remoteSettings")) as [{ initialWindowSize: number }];
  assert.equal(wide.initialWindowSize, 16 << 20);
  stream.end();
  stream.resume();
  await once(stream, "close");
  session.destroy();
});

test("connectGrpc: the pinned certificate must be the server's", async () => {
  await using pair = await openPair(echo);
  const address = parseServerAddress(`kopia://127.0.0.1:${pair.port}`);
  await using good = await connectGrpc(address, { fingerprint: PIN.toUpperCase() });
  assert.equal(good.isClosed, false);
  await assert.rejects(connectGrpc(address, { fingerprint: "0".repeat(64) }), {
    code: "SEJF_ACCESS_DENIED",
  });
  await assert.rejects(
    connectGrpc(address),
    (error) => isSejfError(error, "SEJF_CONNECTION") && /fingerprint/.test(error.hint ?? ""),
  );
});

test("connectGrpc: a chain to the pinned authority counts, a foreign certificate beside it does not", async () => {
  const chained = { cert: SIGNED.cert + AUTHORITY, key: SIGNED.key };
  const pin = fingerprintOf({ cert: AUTHORITY, key: "" });
  await using honest = await openPair(echo, {}, chained, { fingerprint: pin });
  assert.equal(honest.connection.isClosed, false);
  // Whoever stands between shows a certificate of his own and appends the one that is looked for.
  const forged = { cert: SELF_SIGNED.cert + AUTHORITY, key: SELF_SIGNED.key };
  await assert.rejects(openPair(echo, {}, forged, { fingerprint: pin }), {
    code: "SEJF_ACCESS_DENIED",
  });
  assert.equal(isPinned(undefined, pin), false);
});

test("connectGrpc: nobody there, no TLS there, a signal", async () => {
  const free = await openPair(echo);
  await free[Symbol.asyncDispose]();
  const address = parseServerAddress(`https://127.0.0.1:${free.port}`);
  await assert.rejects(connectGrpc(address), { code: "SEJF_CONNECTION", retryable: true });
  const stop = AbortSignal.abort(new Error("enough"));
  await assert.rejects(connectGrpc(address, { signal: stop }), /enough/);
});

test("parseServerAddress: https, kopia and local sockets, nothing else", () => {
  const address = parseServerAddress("https://backup.example:51515/");
  assert.deepEqual(
    [address.host, address.port, address.authority],
    ["backup.example", 51515, "backup.example:51515"],
  );
  assert.equal(parseServerAddress("kopia://[::1]:1").host, "::1");
  assert.equal(parseServerAddress("https://h").port, 443);
  assert.equal(parseServerAddress("unix+https:///run/s").socketPath, "/run/s");
  for (const text of ["http://h:1", "h:1", "https://", "https://u@h", "https://h/x", "https://h?x"])
    assert.throws(() => parseServerAddress(text), { code: "SEJF_INVALID_ARGUMENT" }, text);
});

test("a connection: a server that says it goes away and is gone is noticed", async () => {
  const server = createSecureServer(SELF_SIGNED);
  const sockets: Socket[] = [];
  const relay = createTcpServer((near) => {
    const far = connectTcp((server.address() as AddressInfo).port, "127.0.0.1");
    for (const socket of [near, far]) socket.on("error", () => {});
    sockets.push(near, far);
    near.pipe(far).pipe(near);
  });
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.session?.goaway();
  });
  for (const listener of [server, relay])
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = relay.address() as AddressInfo;
  const connection = await connectGrpc(parseServerAddress(`https://127.0.0.1:${port}`), {
    fingerprint: PIN,
    keepAliveMs: 100,
  });
  const call = connection.startCall(PATH);
  const ended = rejectsWith(collect(call.messages()), "UNAVAILABLE");
  while (!connection.isClosed) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const socket of sockets) socket.unpipe().pause();
  await ended;
  await connection.closed;
  for (const socket of sockets) socket.destroy();
  server.close();
  relay.close();
});

interface Pair extends AsyncDisposable {
  readonly server: RpcServer;
  readonly connection: GrpcConnection;
  readonly port: number;
}

async function openPair(
  method: GrpcMethod,
  options: Partial<RpcServerOptions> = {},
  certificate: TestCertificate = SELF_SIGNED,
  connect: ConnectGrpcOptions = { fingerprint: PIN },
): Promise<Pair> {
  const server = new RpcServer({ ...certificate, methods: { [PATH]: method }, ...options });
  const port = await server.listen(0, "127.0.0.1");
  try {
    const connection = await connectGrpc(parseServerAddress(`https://127.0.0.1:${port}`), connect);
    return {
      server,
      connection,
      port,
      async [Symbol.asyncDispose](): Promise<void> {
        await connection.close();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

function fingerprintOf({ cert }: TestCertificate): string {
  return certificateFingerprint(new X509Certificate(cert));
}
