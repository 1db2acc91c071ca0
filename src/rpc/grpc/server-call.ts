/** One call on the server: from the request's headers to the trailers with its status. */
import type { Socket } from "node:net";
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import type { MessageParts } from "../wire/envelopes.ts";
import { type ChannelLimits, MessageChannel, type SendRoom } from "./message-channel.ts";
import type { MessageStream } from "./message-stream.ts";
import { type Metadata, metadataOf } from "./metadata.ts";
import {
  GrpcError,
  parseTimeout,
  type GrpcStatusName,
  MAX_TIMER_MS,
  statusFields,
  statusOf,
} from "./status.ts";

export interface GrpcServerCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly metadata: Metadata;
  /** Address and port of the other end, for logs. */
  readonly peer: string;
  /** Aborted when the client cancels or vanishes, when the deadline is over, and when the server is closed. */
  readonly signal: AbortSignal;
  /** Until the client half-closes; to be read once. @throws GrpcError when the call broke instead. */
  messages(): AsyncIterable<OwnedBytes>;
  /**
   * A message from `messages` that was so long, and what was decoded as a view of it, is not used any more: its memory
   * is used again. `memory` may be what has come back in the place of memory that was handed to a thread.
   */
  release(memory: OwnedBytes, lengthBytes: number): void;
  /** Resolves when the message stands in the call's bounded queue. @throws GrpcError when the call has ended. */
  send(parts: MessageParts, room?: SendRoom): Promise<void>;
  /**
   * Resolves when a big answer of so many bytes may be made; to be handed to `send`, or left.
   * @throws GrpcError when the call has ended, the signal's reason.
   */
  enter(bytes: number, options?: CallOptions): Promise<SendRoom>;
  leave(room: SendRoom): void;
  /** For an answer behind `enter`: not zeroed, and used again when the answer has been sent. */
  memory(room: SendRoom, lengthBytes: number): OwnedBytes;
  /**
   * The caller has proved who it is: its connection may send far ahead. Until then it gets little memory. `key` names
   * him: what callers of one name hold of the memory that all share is bounded.
   */
  trust(key?: string): void;
  /** Ends the call from this side: its signal is aborted with this error, which becomes its status. */
  end(error: GrpcError): void;
}

/** The server's end of a stream. */
export interface ServerStream extends MessageStream {
  /** Address and port of the other end. */
  readonly peer: string;
  /** Calls it when the client has cancelled or vanished; at once, or before `finish`. */
  onCancel(listener: () => void): void;
  /** Before each message: the headers, where they are not on their way. */
  begin(): void;
  /** Says the status behind everything that was written; the stream ends. */
  finish(status: Readonly<Record<string, string>>): void;
}

/** To be asked for at the beginning: a socket that was closed has no address any more. */
export function peerName(
  socket: Partial<Pick<Socket, "remoteAddress" | "remotePort">> = {},
): string {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined ? "a local socket" : `${remoteAddress}:${remotePort}`;
}

export interface CallRequest {
  readonly path: string;
  /** Name, value, name, value… */
  readonly rawHeaders: readonly string[];
}

/** Resolves for status OK; the status of a thrown `GrpcError` is sent, of other errors only that there was one. */
export type GrpcMethod = (call: GrpcServerCall) => Promise<void>;

export interface ServerCallOptions extends ChannelLimits {
  readonly onTrust: () => void;
  /** What a call failed with, and why. */
  readonly onError?: ((path: string, error: unknown) => void) | undefined;
}

/** Runs the method to its end and ends the stream with a status. Never fails. */
export async function serveCall(
  stream: ServerStream,
  request: CallRequest,
  method: GrpcMethod | undefined,
  options: ServerCallOptions,
  closing: AbortSignal,
): Promise<void> {
  const { path, rawHeaders } = request;
  const end = new AbortController();
  const cancelled = (): void =>
    end.abort(new GrpcError("CANCELLED", "the call was cancelled by the client"));
  stream.onCancel(cancelled);
  let deadline: NodeJS.Timeout | undefined;
  let call: ServerCall | undefined;
  let status: { readonly status: GrpcStatusName; readonly message: string } = OK;
  try {
    const metadata = metadataOf(rawHeaders);
    if (method === undefined) throw new GrpcError("UNIMPLEMENTED", `unknown method ${path}`);
    const timeout = metadata.get("grpc-timeout");
    if (timeout !== undefined) {
      const over = new GrpcError("DEADLINE_EXCEEDED", `the deadline of ${timeout} is over`);
      deadline = setTimeout(() => end.abort(over), Math.min(parseTimeout(timeout), MAX_TIMER_MS));
    }
    call = new ServerCall(path, metadata, stream, end, closing, options);
    await method(call);
  } catch (error) {
    status = statusOf(error);
    options.onError?.(path, error);
  } finally {
    clearTimeout(deadline);
    call?.dispose();
  }
  stream.finish(statusFields(status.status, status.message));
}

const OK = { status: "OK", message: "" } as const;

class ServerCall implements GrpcServerCall {
  readonly path: string;
  readonly metadata: Metadata;
  readonly peer: string;
  readonly signal: AbortSignal;
  readonly #stream: ServerStream;
  readonly #channel: MessageChannel;
  readonly #onTrust: () => void;
  readonly #end: AbortController;

  constructor(
    path: string,
    metadata: Metadata,
    stream: ServerStream,
    end: AbortController,
    closing: AbortSignal,
    options: ServerCallOptions,
  ) {
    this.path = path;
    this.metadata = metadata;
    this.#end = end;
    this.signal = AbortSignal.any([end.signal, closing]);
    this.#stream = stream;
    this.#channel = new MessageChannel(stream, options);
    this.#onTrust = options.onTrust;
    this.peer = stream.peer;
  }

  messages(): AsyncIterable<OwnedBytes> {
    return this.#channel.messages(this.signal);
  }

  async send(parts: MessageParts, room?: SendRoom): Promise<void> {
    this.#stream.begin();
    await this.#channel.send(parts, room);
  }

  release(memory: OwnedBytes, lengthBytes: number): void {
    this.#channel.release(memory, lengthBytes);
  }

  async enter(bytes: number, options?: CallOptions): Promise<SendRoom> {
    return await this.#channel.enter(bytes, options);
  }

  leave(room: SendRoom): void {
    this.#channel.leave(room);
  }

  memory(room: SendRoom, lengthBytes: number): OwnedBytes {
    return this.#channel.memory(room, lengthBytes);
  }

  trust(key = ""): void {
    this.#channel.budgetKey = key;
    this.#onTrust();
  }

  end(error: GrpcError): void {
    this.#end.abort(error);
  }

  dispose(): void {
    this.#channel.flush();
    this.#channel.dispose();
  }
}
