/** The client's end of a connection that is upgraded for one call. */
import type { IncomingMessage } from "node:http";
// Not of `node:http`: to import that loads all of `fetch` and WebSocket, for a fifth of a short command.
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import { type ClientStream, GrpcClientCall, type StartCallOptions } from "./client-call.ts";
import { endFrame } from "./frames.ts";
import type { ServerAddress } from "./server-address.ts";
import {
  type ConnectGrpcOptions,
  connectFailure,
  connectWithin,
  DEFAULT_CONNECT_MS,
  DEFAULT_KEEP_ALIVE_MS,
  openServerSocket,
} from "./server-socket.ts";
import { socketMessageStream } from "./socket-stream.ts";
import { TCP_KEEP_ALIVE_MS, UPGRADE_PROTOCOL } from "./upgrade.ts";

export interface UpgradedCall extends AsyncDisposable {
  readonly call: GrpcClientCall;
  /** Ends at once. */
  close(): Promise<void>;
}

/**
 * The call at `path` on a connection of its own; `undefined` when the server does not offer that.
 * @throws as `connectGrpc`.
 */
export async function connectUpgraded(
  address: ServerAddress,
  path: string,
  options: ConnectGrpcOptions & Omit<StartCallOptions, "deadlineMs" | "userAgent">,
): Promise<UpgradedCall | undefined> {
  const { metadata = {}, keepAliveMs = DEFAULT_KEEP_ALIVE_MS } = options;
  // HTTP/1.1 takes away spaces at the ends.
  if (Object.values(metadata).some((value) => value !== value.trim())) return undefined;
  return await connectWithin(address, "http/1.1", options, async (socket, signal) => {
    const head = await upgraded(socket, address, path, metadata, signal);
    if (head === undefined) {
      socket.destroy();
      return undefined;
    }
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const call = new GrpcClientCall(clientStream(socket, head), options);
    if (keepAliveMs > 0) watchServer(socket, address, options, keepAliveMs);
    const close = async (): Promise<void> => {
      socket.destroy();
      await closed;
    };
    return { call, close, [Symbol.asyncDispose]: close };
  });
}

/** What came behind the answer's headers already; `undefined` when the server goes on with HTTP/1.1. */
async function upgraded(
  socket: TLSSocket,
  address: ServerAddress,
  path: string,
  metadata: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  return await new Promise((resolve, reject) => {
    const outgoing = request({
      method: "GET",
      path,
      headers: {
        ...metadata,
        host: address.authority,
        connection: "Upgrade",
        upgrade: UPGRADE_PROTOCOL,
      },
      createConnection: () => socket,
      signal,
    });
    outgoing.once("error", (error) => reject(connectFailure(address, error)));
    outgoing.once("upgrade", ({ headers }: IncomingMessage, _socket: unknown, head: Uint8Array) =>
      resolve(headers.upgrade === UPGRADE_PROTOCOL ? head : undefined),
    );
    outgoing.once("response", (response) => {
      response.destroy();
      resolve(undefined);
    });
    outgoing.end();
  });
}

function clientStream(socket: TLSSocket, head: Uint8Array): ClientStream {
  return {
    ...socketMessageStream(socket, head),
    onStatus: () => {},
    // The connection stays open both ways until the server has told the status.
    halfClose: () => void socket.write(endFrame("")),
    reset: () => void socket.destroy(),
  };
}

/**
 * Nobody answers to what was sent for a while: the server may be busy, or gone without a word. When it cannot be reached
 * by another connection either, this one is given up. Where nothing was sent the system asks by itself.
 */
function watchServer(
  socket: TLSSocket,
  address: ServerAddress,
  { fingerprint, ca }: ConnectGrpcOptions,
  everyMs: number,
): void {
  let read = 0;
  let written = 0;
  let isUnanswered = false;
  const look = async (): Promise<void> => {
    const { bytesRead, bytesWritten } = socket;
    const hasRead = bytesRead !== read;
    isUnanswered = bytesWritten !== written || (isUnanswered && !hasRead);
    read = bytesRead;
    written = bytesWritten;
    if (hasRead || !isUnanswered) return;
    isUnanswered = false;
    const limit = AbortSignal.timeout(DEFAULT_CONNECT_MS);
    try {
      const other = await openServerSocket(address, "http/1.1", { fingerprint, ca }, limit);
      other.destroy();
    } catch {
      socket.destroy();
    }
  };
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  socket.once("close", () => clearInterval(timer));
}
