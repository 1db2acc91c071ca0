/**
 * The TLS connection to a server, with the system's roots or with a pinned certificate, for gRPC and for HTTP.
 *
 * SECURITY: a pinned certificate must be the server's own, or have signed it by a chain of valid signatures. Kopia
 * accepts a connection when the pinned certificate is anywhere in what the server sends, which whoever stands between
 * can do without its key. Nothing is sent before the check.
 */
import { isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { CallOptions } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { certificateFingerprint, isPinned } from "./certificate.ts";
import type { ServerAddress } from "./server-address.ts";

export interface ServerSocketOptions extends CallOptions {
  /** SHA-256 of the certificate in 64 hex digits. Absent: the system's roots and the host's name decide. */
  readonly fingerprint?: string | undefined;
  /** PEM: roots beside which no others count. */
  readonly ca?: string | undefined;
}

export interface ConnectGrpcOptions extends ServerSocketOptions {
  /** For TCP, TLS and HTTP together. Default 30 s. */
  readonly connectTimeoutMs?: number | undefined;
  /** How often a quiet connection is asked whether it lives. Default 30 s; 0: never. */
  readonly keepAliveMs?: number | undefined;
}

export const DEFAULT_CONNECT_MS = 30_000;
export const DEFAULT_KEEP_ALIVE_MS = 30_000;

/**
 * Makes a connection within its time: `use` gets the socket, and the signal that ends it; when it fails the socket is
 * destroyed. @throws as `openServerSocket`, what `use` does, the signal's reason.
 */
export async function connectWithin<T>(
  address: ServerAddress,
  protocol: string,
  options: ConnectGrpcOptions,
  use: (socket: TLSSocket, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  options.signal?.throwIfAborted();
  const limit = AbortSignal.timeout(options.connectTimeoutMs ?? DEFAULT_CONNECT_MS);
  const signal = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
  const socket = await openServerSocket(address, protocol, options, signal);
  try {
    return await use(socket, signal);
  } catch (error) {
    socket.destroy();
    options.signal?.throwIfAborted();
    throw error;
  }
}

/**
 * Speaks `protocol`: `h2`, `http/1.1`. `limit` is the time for it. The caller destroys the socket.
 * @throws SEJF_CONNECTION; SEJF_ACCESS_DENIED when its certificate is not the expected one.
 */
export async function openServerSocket(
  address: ServerAddress,
  protocol: string,
  options: ServerSocketOptions,
  limit: AbortSignal,
): Promise<TLSSocket> {
  const socket = await openTls(address, protocol, options, limit);
  try {
    checkServer(socket, address, options.fingerprint);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function openTls(
  address: ServerAddress,
  protocol: string,
  options: ServerSocketOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = connectTls({
    ...(address.socketPath === undefined
      ? { host: address.host, port: address.port }
      : { path: address.socketPath }),
    servername: isIP(address.host) === 0 ? address.host : "",
    ALPNProtocols: [protocol],
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
}

const HINTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "the server has a certificate of its own making: give its fingerprint with --server-cert-fingerprint",
  SELF_SIGNED_CERT_IN_CHAIN: "give the certificate's fingerprint with --server-cert-fingerprint",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "give the certificate's fingerprint with --server-cert-fingerprint",
  ERR_TLS_CERT_ALTNAME_INVALID: "use the name that stands in the server's certificate",
  ECONNREFUSED: "is the server running, and is this its port?",
  ENOTFOUND: "is the server's name right, and does this machine's resolver know it?",
  EAI_AGAIN: "this machine cannot look names up at the moment: is it connected?",
};

/** Why there is no connection, and what helps. */
export function connectFailure(address: ServerAddress, error: unknown): SejfError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const isCertificate = /CERT|SIGNATURE/.test(code);
  const message = error instanceof Error ? error.message : String(error);
  return new SejfError("SEJF_CONNECTION", `cannot connect to ${address.text}: ${message}`, {
    cause: error,
    hint: HINTS[code],
    retryable: !isCertificate,
  });
}
