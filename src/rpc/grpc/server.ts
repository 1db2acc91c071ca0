/**
 * An HTTP/2 server over TLS that answers gRPC calls, and passes every other request, HTTP/1.1 included, to a handler of
 * its own. A connection has small windows until one of its callers has proved who it is, and wide ones then: what a
 * stranger can make the server hold is bounded.
 */
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { IncomingMessage, ServerOptions, ServerResponse } from "node:http";
import { type AddressInfo, type ListenOptions, Server as NetServer, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { BufferPool } from "./buffer-pool.ts";
import { ByteBudget } from "./byte-budget.ts";
import type { ChannelLimits } from "./message-channel.ts";
import { http2ServerStream } from "./http2-stream.ts";
import { isGrpcContentType } from "./metadata.ts";
import { type CallRequest, type GrpcMethod, serveCall, type ServerStream } from "./server-call.ts";
import { GrpcError } from "./status.ts";
import { type StrangerLimits, Strangers } from "./strangers.ts";
import { UPGRADE_PROTOCOL, upgradedServerStream } from "./upgrade.ts";
import { WindowPlan } from "./window-plan.ts";

/** A request that is not gRPC. */
export type OtherRequestHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

export interface RpcServerOptions extends ChannelLimits {
  /** PEM. */
  readonly cert: string | Uint8Array;
  /** PEM. */
  readonly key: string | Uint8Array;
  readonly minTlsVersion?: "TLSv1.2" | "TLSv1.3" | undefined;
  /** By path: `/package.Service/Method`. */
  readonly methods: Readonly<Record<string, GrpcMethod>>;
  /** Default: status 404. */
  readonly onRequest?: OtherRequestHandler | undefined;
  readonly onError?: ((path: string, error: unknown) => void) | undefined;
  /** Calls at the same time on one connection. Default 100. */
  readonly maxConcurrentCalls?: number | undefined;
  /** What a slow client may take: for the TLS handshake, the headers and the whole of an HTTP/1.1 request. */
  readonly patience?: Partial<Patience> | undefined;
  /**
   * Bytes of received messages that are worked on, the same of answers that are not read yet, and the same that clients
   * may send ahead: of all connections together. Default 24 MiB.
   */
  readonly memoryBytes?: number | undefined;
  /** Connections whose caller is not known. Default 512, for 30 s. */
  readonly strangers?: Partial<StrangerLimits> | undefined;
}

export interface Patience {
  /** Default 10 s. */
  readonly handshakeMs: number;
  /** Default 15 s. */
  readonly headersMs: number;
  /** Default 60 s. */
  readonly requestMs: number;
}

export const PATIENCE: Patience = { handshakeMs: 10_000, headersMs: 15_000, requestMs: 60_000 };
/** How often slow HTTP/1.1 requests are looked for, as a part of the shortest patience. */
const CHECKS_PER_PATIENCE = 5;

/** Windows of a connection whose caller is not known yet, and of one whose caller is. */
const STRANGER_WINDOW_BYTES = 64 << 10;
const WIDEST_WINDOW_BYTES = 16 << 20;
const NARROWEST_WINDOW_BYTES = 256 << 10;
const DEFAULT_MEMORY_BYTES = 24 << 20;
const STRANGERS: StrangerLimits = { connections: 512, patienceMs: 30_000 };
/** Of big messages, kept for the next ones. */
const SPARE_BYTES = 34 << 20;
/** Answers of one call that wait to be sent: the next ones are read and decrypted meanwhile. Of all calls `memoryBytes`. */
const QUEUED_BYTES = 12 << 20;
/** A call whose other side stops in the middle is given up after so long. */
const STALL_MS = 60_000;
/** Connections that the system holds until they are taken: a flood of them must not keep others from being made. */
const BACKLOG = 4096;
const MAX_FRAME_BYTES = 1 << 20;
const MAX_HEADER_BYTES = 64 << 10;
/** MB that Node lets one connection hold before it resets streams; our own queues are bounded below that. */
const SESSION_MEMORY_MB = 256;

type StreamListener = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
) => void;

export class RpcServer implements AsyncDisposable {
  readonly #http: Http2SecureServer;
  readonly #options: RpcServerOptions;
  readonly #closing = new AbortController();
  #isClosing = false;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Of both versions of HTTP. */
  readonly #sockets = new Set<Socket>();
  readonly #strangers: Strangers;
  readonly #windows: WindowPlan;
  readonly #calls = new Set<Promise<void>>();

  constructor(options: RpcServerOptions) {
    const totalBytes = options.memoryBytes ?? DEFAULT_MEMORY_BYTES;
    this.#options = {
      stallMs: STALL_MS,
      maxQueuedBytes: QUEUED_BYTES,
      buffers: new BufferPool(SPARE_BYTES),
      receiveBudget: new ByteBudget({ totalBytes }),
      sendBudget: new ByteBudget({ totalBytes }),
      ...options,
    };
    this.#strangers = new Strangers({ ...STRANGERS, ...options.strangers });
    this.#windows = new WindowPlan({
      totalBytes,
      mostBytes: WIDEST_WINDOW_BYTES,
      leastBytes: NARROWEST_WINDOW_BYTES,
    });
    const patience = { ...PATIENCE, ...options.patience };
    this.#http = createSecureServer({
      cert: toPem(options.cert),
      key: toPem(options.key),
      minVersion: options.minTlsVersion ?? "TLSv1.2",
      handshakeTimeout: patience.handshakeMs,
      allowHTTP1: true,
      http1Options: http1Limits(patience),
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: {
        initialWindowSize: STRANGER_WINDOW_BYTES,
        maxFrameSize: MAX_FRAME_BYTES,
        maxConcurrentStreams: options.maxConcurrentCalls ?? 100,
        maxHeaderListSize: MAX_HEADER_BYTES,
        enablePush: false,
      },
    });
    this.#http.on("connection", (socket: Socket) => this.#strangers.add(socket));
    this.#http.on("secureConnection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#http.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
      session.on("error", () => {});
    });
    this.#http.on("sessionError", () => {});
    this.#route();
  }

  /** Resolves with the port, which is chosen by the system for port 0. */
  async listen(port: number, host: string): Promise<number> {
    await this.listenOn({ port, host });
    return (this.#http.address() as AddressInfo).port;
  }

  /** Listens on a host and port, on a socket file, or on an open descriptor that somebody else has bound. */
  async listenOn(place: ListenOptions | { readonly fd: number }): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen({ backlog: BACKLOG, ...place }, () => {
        this.#http.off("error", reject);
        resolve();
      });
    });
  }

  /** Where it listens: an address, or the path of a socket file. */
  get address(): AddressInfo | string | null {
    return this.#http.address();
  }

  /** The caller of this request that is not gRPC has proved who he is: his connection counts as a stranger's no longer. */
  trust(request: IncomingMessage | Http2ServerRequest): void {
    this.#strangers.trust(request.socket);
  }

  /** For metrics. */
  get connections(): { readonly all: number; readonly strangers: number } {
    return { all: this.#sockets.size, strangers: this.#strangers.count };
  }

  /**
   * Takes no new connections and calls. Calls under way have so many milliseconds to end; then their signals are
   * aborted and, once the methods have returned, the connections closed.
   */
  async close(graceMs = 0): Promise<void> {
    this.#isClosing = true;
    // Not the close of HTTP/2: it says GOAWAY on every connection, and with Node on both ends a stream that is sending
    // then stalls or breaks. New calls are refused one by one instead.
    const closed = new Promise<void>((resolve) => {
      NetServer.prototype.close.call(this.#http, () => resolve());
    });
    if (graceMs > 0 && this.#calls.size > 0) await this.#idleOrAfter(graceMs);
    this.#closing.abort(new GrpcError("UNAVAILABLE", "the server is being shut down"));
    await Promise.all(this.#calls);
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #idleOrAfter(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(this.#calls), over]);
    clearTimeout(timer);
  }

  /**
   * Node turns every HTTP/2 stream into a request as soon as somebody listens for requests; a call must not get one,
   * which would answer it a second time. So its listener is taken off and called for the other streams only.
   */
  #route(): void {
    const server = this.#http;
    server.on("request", (request: IncomingMessage | Http2ServerRequest) => {
      this.#strangers.stay(request.socket);
    });
    server.on("request", this.#options.onRequest ?? notFound);
    const toRequest = server.listeners("stream") as StreamListener[];
    server.removeAllListeners("stream");
    const onStream: StreamListener = (stream, headers, flags, rawHeaders) => {
      if (isGrpcContentType(headers["content-type"])) this.#call(stream, headers, rawHeaders);
      else
        for (const listener of toRequest) listener.call(server, stream, headers, flags, rawHeaders);
    };
    server.on("stream", onStream);
    server.on("upgrade", (request: IncomingMessage, socket: TLSSocket, head: Uint8Array) =>
      this.#upgrade(request, socket, head),
    );
  }

  #call(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]): void {
    const path = String(headers[":path"]);
    const { session } = stream;
    this.#serve(http2ServerStream(stream), { path, rawHeaders }, () => {
      if (session === undefined || session.destroyed) return;
      this.#strangers.trust(session.socket as Socket);
      this.#windows.add(session);
    });
  }

  /** A client of ours wants the whole connection for one call. */
  #upgrade(
    { url = "", method, headers, rawHeaders }: IncomingMessage,
    socket: TLSSocket,
    head: Uint8Array,
  ): void {
    const isOurs = headers.upgrade === UPGRADE_PROTOCOL && method === "GET";
    if (!isOurs || this.#methodAt(url) === undefined) {
      socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const stream = upgradedServerStream(socket, head);
    this.#serve(stream, { path: url, rawHeaders }, () => this.#strangers.trust(socket));
  }

  #serve(stream: ServerStream, request: CallRequest, onTrust: () => void): void {
    const method = this.#isClosing ? refuseCall : this.#methodAt(request.path);
    const options = { ...this.#options, onTrust };
    const call = serveCall(stream, request, method, options, this.#closing.signal);
    this.#calls.add(call);
    void call.finally(() => this.#calls.delete(call));
  }

  #methodAt(path: string): GrpcMethod | undefined {
    const { methods } = this.#options;
    return Object.hasOwn(methods, path) ? methods[path] : undefined;
  }
}

/** Limits of HTTP/1.1, as `createServer` of `node:http` takes them. */
export function http1Limits({ headersMs, requestMs }: Patience): ServerOptions {
  return {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.ceil(Math.min(headersMs, requestMs) / CHECKS_PER_PATIENCE),
  };
}

const refuseCall: GrpcMethod = async () => {
  await Promise.reject(new GrpcError("UNAVAILABLE", "the server is being shut down"));
};

const notFound: OtherRequestHandler = (_request, response) => {
  response.statusCode = 404;
  response.end();
};

function toPem(data: string | Uint8Array): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}
