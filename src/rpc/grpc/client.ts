/**
 * A connection to a gRPC server: TLS with the system's roots or with a pinned certificate, HTTP/2 with wide windows,
 * keep-alive, and calls.
 *
 * SECURITY: a pinned certificate must be the server's own, or have signed it by a chain of valid signatures. Kopia
 * accepts a connection when the pinned certificate is anywhere in what the server sends, which whoever stands between
 * can do without its key. Nothing is sent before the check.
 */
import { type ClientHttp2Session, connect } from "node:http2";
import { isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { CallOptions } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { certificateFingerprint, isPinned } from "./certificate.ts";
import { type GrpcClientCall, type StartCallOptions, startCall } from "./client-call.ts";
import type { ServerAddress } from "./server-address.ts";
import { GrpcError } from "./status.ts";

export interface ConnectGrpcOptions extends CallOptions {
  /** SHA-256 of the certificate in 64 hex digits. Absent: the system's roots and the host's name decide. */
  readonly fingerprint?: string | undefined;
  /** PEM: roots beside which no others count. */
  readonly ca?: string | undefined;
  /** For TCP, TLS and HTTP/2 together. Default 30 s. */
  readonly connectTimeoutMs?: number | undefined;
  /** How often a quiet connection is asked whether it lives. Default 30 s; 0: never. */
  readonly keepAliveMs?: number | undefined;
}

const DEFAULT_CONNECT_MS = 30_000;
const DEFAULT_KEEP_ALIVE_MS = 30_000;
const WINDOW_BYTES = 16 << 20;
const SESSION_WINDOW_BYTES = 64 << 20;
const MAX_FRAME_BYTES = 1 << 20;
const SESSION_MEMORY_MB = 256;

export class GrpcConnection implements AsyncDisposable {
  readonly address: ServerAddress;
  readonly #session: ClientHttp2Session;
  readonly #closed: Promise<void>;
  #keepAlive: NodeJS.Timeout | undefined;

  /** Takes over the session. */
  constructor(address: ServerAddress, session: ClientHttp2Session, keepAliveMs: number) {
    this.address = address;
    this.#session = session;
    session.on("error", () => {});
    this.#closed = new Promise((resolve) => session.once("close", () => resolve()));
    if (keepAliveMs > 0) {
      this.#keepAlive = setInterval(() => this.#ping(keepAliveMs), keepAliveMs);
      this.#keepAlive.unref();
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
    this.#session.destroy();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #ping(limitMs: number): void {
    if (this.isClosed) return;
    const timer = setTimeout(() => this.#session.destroy(), limitMs);
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
  options.signal?.throwIfAborted();
  const limit = AbortSignal.timeout(options.connectTimeoutMs ?? DEFAULT_CONNECT_MS);
  const signal = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
  const socket = await openTls(address, options, signal);
  try {
    checkServer(socket, address, options.fingerprint);
    const session = await openHttp2(socket, address, signal);
    return new GrpcConnection(address, session, options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS);
  } catch (error) {
    socket.destroy();
    options.signal?.throwIfAborted();
    throw error;
  }
}

async function openTls(
  address: ServerAddress,
  options: ConnectGrpcOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = connectTls({
    ...(address.socketPath === undefined
      ? { host: address.host, port: address.port }
      : { path: address.socketPath }),
    servername: isIP(address.host) === 0 ? address.host : "",
    ALPNProtocols: ["h2"],
    // With a pinned certificate `checkServer` decides; nothing is sent before.
    rejectUnauthorized: options.fingerprint === undefined,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  socket.setNoDelay(true);
  return await new Promise<TLSSocket>((resolve, reject) => {
    const fail = (error: unknown): void => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      reject(connectFailure(address, error));
    };
    const onAbort = (): void => {
      if (options.signal?.aborted === true) {
        socket.destroy();
        reject(options.signal.reason as Error);
      } else fail(new Error("no answer in time"));
    };
    signal.addEventListener("abort", onAbort);
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

function checkServer(socket: TLSSocket, address: ServerAddress, pin: string | undefined): void {
  const certificate = socket.getPeerX509Certificate();
  if (pin !== undefined && !isPinned(certificate, pin)) {
    const found = certificate === undefined ? "none" : certificateFingerprint(certificate);
    throw new SejfError(
      "SEJF_ACCESS_DENIED",
      `the certificate of ${address.text} has the fingerprint ${found}, expected ${pin.toLowerCase()}`,
      { hint: "somebody may stand between, or the server has a new certificate: ask who runs it" },
    );
  }
  if (socket.alpnProtocol !== "h2")
    throw new SejfError("SEJF_CONNECTION", `${address.text} does not offer HTTP/2`, {
      hint: "is this the address of a repository server?",
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
    session.once("goaway", (code) => fail(new Error(`the server closes with code ${code}`)));
    // The server's settings are its first word: frames may have the size it allows from then on.
    session.once("remoteSettings", () => {
      signal.removeEventListener("abort", onAbort);
      session.off("error", fail);
      session.setLocalWindowSize(SESSION_WINDOW_BYTES);
      resolve(session);
    });
  });
}

const HINTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "the server has a certificate of its own making: give its fingerprint with --server-cert-fingerprint",
  SELF_SIGNED_CERT_IN_CHAIN: "give the certificate's fingerprint with --server-cert-fingerprint",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "give the certificate's fingerprint with --server-cert-fingerprint",
  ERR_TLS_CERT_ALTNAME_INVALID: "use the name that stands in the server's certificate",
  ECONNREFUSED: "is the server running, and is this its port?",
};

function connectFailure(address: ServerAddress, error: unknown): SejfError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const isCertificate = /CERT|SIGNATURE/.test(code);
  const message = error instanceof Error ? error.message : String(error);
  return new SejfError("SEJF_CONNECTION", `cannot connect to ${address.text}: ${message}`, {
    cause: error,
    hint: HINTS[code],
    retryable: !isCertificate,
  });
}
