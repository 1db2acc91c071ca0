/** A connection to a gRPC server: TLS, HTTP/2 with wide windows, keep-alive, and calls. */
import { type ClientHttp2Session, connect } from "node:http2";
import type { TLSSocket } from "node:tls";
import { SejfError } from "../../errors/index.ts";
import { GrpcClientCall, type StartCallOptions } from "./client-call.ts";
import { http2ClientStream } from "./http2-stream.ts";
import type { ServerAddress } from "./server-address.ts";
import {
  type ConnectGrpcOptions,
  connectFailure,
  connectWithin,
  DEFAULT_KEEP_ALIVE_MS,
} from "./server-socket.ts";
import { formatTimeout, GrpcError, MAX_TIMER_MS } from "./status.ts";

export type { ConnectGrpcOptions } from "./server-socket.ts";

/** How long a connection that goes away may be quiet, in times between two questions. */
const QUIET_PERIODS = 2;
/** For what is being said last. */
const LINGER_MS = 500;
const WINDOW_BYTES = 16 << 20;
const SESSION_WINDOW_BYTES = 64 << 20;
const MAX_FRAME_BYTES = 1 << 20;
const SESSION_MEMORY_MB = 256;

export class GrpcConnection implements AsyncDisposable {
  readonly address: ServerAddress;
  readonly #session: ClientHttp2Session;
  readonly #socket: TLSSocket | undefined;
  readonly #closed: Promise<void>;
  #keepAlive: NodeJS.Timeout | undefined;

  /** Takes over the session, and the socket below it. */
  constructor(
    address: ServerAddress,
    session: ClientHttp2Session,
    keepAliveMs: number,
    socket?: TLSSocket,
  ) {
    this.address = address;
    this.#session = session;
    this.#socket = socket;
    session.on("error", () => {});
    this.#closed = new Promise((resolve) => session.once("close", () => resolve()));
    if (keepAliveMs > 0) {
      this.#keepAlive = setInterval(() => this.#ping(keepAliveMs), keepAliveMs);
      this.#keepAlive.unref();
      // A server that has said that it goes away is asked no longer, and may be gone before the calls under way have
      // ended: Node 24 has been seen to wait for them for ever.
      session.once("goaway", () => {
        session.setTimeout(QUIET_PERIODS * keepAliveMs, () => this.#destroy());
      });
    }
    void this.#closed.then(() => clearInterval(this.#keepAlive));
  }

  /** New calls cannot be made any more. */
  get isClosed(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  /** Resolves when the connection has ended, for whatever reason. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** @throws GrpcError UNAVAILABLE when the connection has ended. */
  startCall(path: string, options: StartCallOptions = {}): GrpcClientCall {
    if (this.isClosed)
      throw new GrpcError("UNAVAILABLE", `the connection to ${this.address.text} has ended`);
    return startCall(this.#session, this.address, path, options);
  }

  /** Ends at once; calls under way break. */
  async close(): Promise<void> {
    this.#destroy();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** After a farewell of the server Node waits for its end of the socket, which may never come. */
  #destroy(): void {
    this.#session.destroy();
    setTimeout(() => this.#socket?.destroy(), LINGER_MS).unref();
  }

  #ping(limitMs: number): void {
    if (this.isClosed) return;
    const timer = setTimeout(() => this.#destroy(), limitMs);
    timer.unref();
    this.#session.ping(() => clearTimeout(timer));
  }
}

/**
 * @throws SEJF_CONNECTION when the server cannot be reached or is no HTTP/2 server; SEJF_ACCESS_DENIED when its
 * certificate is not the expected one.
 */
export async function connectGrpc(
  address: ServerAddress,
  options: ConnectGrpcOptions = {},
): Promise<GrpcConnection> {
  return await connectWithin(address, "h2", options, async (socket, signal) => {
    if (socket.alpnProtocol !== "h2")
      throw new SejfError("SEJF_CONNECTION", `${address.text} does not offer HTTP/2`, {
        hint: "is this the address of a repository server?",
      });
    const session = await openHttp2(socket, address, signal);
    const keepAliveMs = options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
    return new GrpcConnection(address, session, keepAliveMs, socket);
  });
}

async function openHttp2(
  socket: TLSSocket,
  address: ServerAddress,
  signal: AbortSignal,
): Promise<ClientHttp2Session> {
  const session = connect(`https://${address.authority}`, {
    createConnection: () => socket,
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: {
      initialWindowSize: WINDOW_BYTES,
      maxFrameSize: MAX_FRAME_BYTES,
      enablePush: false,
    },
  });
  return await new Promise<ClientHttp2Session>((resolve, reject) => {
    const fail = (error: unknown): void => {
      signal.removeEventListener("abort", onAbort);
      session.destroy();
      reject(connectFailure(address, error));
    };
    const onAbort = (): void => fail(new Error("no answer in time"));
    signal.addEventListener("abort", onAbort);
    session.once("error", fail);
    const onGoaway = (code: number): void => fail(new Error(`the server closes with code ${code}`));
    session.once("goaway", onGoaway);
    // The server's settings are its first word: frames may have the size it allows from then on.
    session.once("remoteSettings", () => {
      signal.removeEventListener("abort", onAbort);
      session.off("error", fail);
      // Later it says that no call may begin any more; those under way go on.
      session.off("goaway", onGoaway);
      session.setLocalWindowSize(SESSION_WINDOW_BYTES);
      resolve(session);
    });
  });
}

/** Sends the headers. */
function startCall(
  session: ClientHttp2Session,
  address: ServerAddress,
  path: string,
  options: StartCallOptions,
): GrpcClientCall {
  options.signal?.throwIfAborted();
  const { deadlineMs, signal } = options;
  const stream = session.request({
    ":method": "POST",
    ":scheme": "https",
    ":authority": address.authority,
    ":path": path,
    te: "trailers",
    "content-type": "application/grpc",
    "user-agent": options.userAgent ?? "sejf",
    ...(deadlineMs === undefined ? {} : { "grpc-timeout": formatTimeout(deadlineMs) }),
    ...options.metadata,
  });
  const call = new GrpcClientCall(http2ClientStream(stream), options);
  const onAbort = (): void => call.cancel(signal?.reason as Error);
  signal?.addEventListener("abort", onAbort);
  const timer =
    deadlineMs === undefined
      ? undefined
      : setTimeout(
          () => {
            call.cancel(new GrpcError("DEADLINE_EXCEEDED", `no answer within ${deadlineMs} ms`));
          },
          Math.min(deadlineMs, MAX_TIMER_MS),
        );
  stream.once("close", () => {
    signal?.removeEventListener("abort", onAbort);
    clearTimeout(timer);
  });
  return call;
}
