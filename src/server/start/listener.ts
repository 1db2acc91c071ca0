/**
 * What listens: with TLS it answers gRPC and HTTP, without it HTTP/1.1 alone, as Kopia does. Closing lets requests under
 * way end, up to a time.
 */
import { createServer, type Server } from "node:http";
import { lstat, unlink } from "node:fs/promises";
import { type AddressInfo, connect, type ListenOptions, type Socket } from "node:net";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import {
  type GrpcMethod,
  http1Limits,
  type OtherRequestHandler,
  PATIENCE,
  RpcServer,
} from "../../rpc/index.ts";
import type { ServerTls } from "../tls/index.ts";
import type { Place } from "./place.ts";

export interface ListenerOptions {
  readonly tls: ServerTls | undefined;
  readonly methods: Readonly<Record<string, GrpcMethod>>;
  readonly onRequest: OtherRequestHandler;
  readonly onError: (path: string, error: unknown) => void;
}

type Incoming = Parameters<OtherRequestHandler>[0];

interface Wire {
  readonly address: AddressInfo | string | null;
  listenOn(place: ListenOptions | { readonly fd: number }): Promise<void>;
  trust(request: Incoming): void;
  close(graceMs: number): Promise<void>;
}

export class Listener implements AsyncDisposable {
  readonly #wire: Wire;
  /** Requests over HTTP that are not answered yet. */
  readonly #requests = new Set<Promise<void>>();

  constructor(options: ListenerOptions) {
    const { tls, methods, onError } = options;
    const onRequest: OtherRequestHandler = (request, response) => {
      const answered = new Promise<void>((resolve) => response.once("close", resolve));
      this.#requests.add(answered);
      void answered.finally(() => this.#requests.delete(answered));
      options.onRequest(request, response);
    };
    this.#wire =
      tls === undefined
        ? new PlainWire(onRequest)
        : new RpcServer({
            cert: tls.cert,
            key: tls.key,
            minTlsVersion: tls.minVersion,
            methods,
            onRequest,
            onError,
          });
  }

  get address(): AddressInfo | string | null {
    return this.#wire.address;
  }

  /** The sender of this request has proved who he is. */
  trust(request: Incoming): void {
    this.#wire.trust(request);
  }

  /** @throws SEJF_LOCKED when the place is taken, SEJF_PERMISSION, SEJF_IO. */
  async listen(place: Place): Promise<void> {
    if (place.kind === "unix") await removeAbandonedSocket(place.path);
    try {
      await this.#wire.listenOn(listenOptions(place));
    } catch (error) {
      throw listenError(error, place);
    }
  }

  /** Takes no new connections; what is under way has so many milliseconds. */
  async close(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    const begun = performance.now();
    await Promise.race([Promise.all(this.#requests), over]);
    clearTimeout(timer);
    await this.#wire.close(Math.max(0, graceMs - (performance.now() - begun)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wire.close(0);
  }
}

/** HTTP/1.1 without TLS. */
class PlainWire implements Wire {
  readonly #http: Server;
  readonly #sockets = new Set<Socket>();

  constructor(onRequest: OtherRequestHandler) {
    this.#http = createServer(http1Limits(PATIENCE), onRequest);
    this.#http.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  get address(): AddressInfo | string | null {
    return this.#http.address();
  }

  trust(): void {
    // every connection has the same limits
  }

  async listenOn(place: ListenOptions | { readonly fd: number }): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(place, () => {
        this.#http.off("error", reject);
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function listenOptions(place: Place): ListenOptions | { readonly fd: number } {
  if (place.kind === "unix") return { path: place.path };
  if (place.kind === "descriptor") return { fd: place.fd };
  return { host: place.host, port: place.port };
}

/** A server that was killed leaves its socket file: nobody answers on it. */
async function removeAbandonedSocket(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat?.isSocket() !== true) return;
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => resolve(true));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
    socket.once("close", () => socket.destroy());
  });
  if (!answers) await unlink(path);
}

function listenError(error: unknown, place: Place): SejfError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const where = place.kind === "tcp" ? `${place.host} port ${place.port}` : placeText(place);
  if (code === "EADDRINUSE")
    return new SejfError("SEJF_LOCKED", `cannot listen on ${where}: another program does already`, {
      hint: "stop the other program, or listen elsewhere with --address=127.0.0.1:PORT (port 0 takes any free one)",
      cause: error,
    });
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `cannot listen on ${where}: this machine has no such address`,
      { cause: error },
    );
  return errorFromUnknown(error, `listening on ${where}`);
}

function placeText(place: Place): string {
  return place.kind === "unix" ? place.path : "the socket that was passed";
}
