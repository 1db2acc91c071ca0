/** One call of a client: headers and messages go, messages and a status come. */
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import type { MessageParts } from "../wire/envelopes.ts";
import { type ChannelLimits, MessageChannel } from "./message-channel.ts";
import { isGrpcContentType } from "./metadata.ts";
import type { ServerAddress } from "./server-address.ts";
import {
  decodeStatusMessage,
  errorOfStatus,
  formatTimeout,
  GRPC_STATUS,
  GrpcError,
  MAX_TIMER_MS,
} from "./status.ts";

export interface StartCallOptions extends ChannelLimits, CallOptions {
  /** Lower-case names; values of printable ASCII. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly userAgent?: string | undefined;
  /** The server is told, and the call ends with DEADLINE_EXCEEDED. */
  readonly deadlineMs?: number | undefined;
}

export class GrpcClientCall {
  readonly #stream: ClientHttp2Stream;
  readonly #channel: MessageChannel;
  readonly #end = new AbortController();
  /** `undefined` until the server has told it. */
  #status: { readonly code: number; readonly message: string } | undefined;
  #refusal: GrpcError | undefined;

  constructor(stream: ClientHttp2Stream, limits: ChannelLimits) {
    this.#stream = stream;
    this.#channel = new MessageChannel(stream, limits);
    stream.on("error", () => {});
    stream.once("response", (headers) => {
      const status = headers[":status"];
      const type = headers["content-type"];
      if (status !== 200 || !isGrpcContentType(type)) {
        this.#refusal = new GrpcError(
          status === 404 ? "UNIMPLEMENTED" : "UNAVAILABLE",
          `the server answers with HTTP status ${status}, which is not gRPC`,
        );
        this.#end.abort(this.#refusal);
        resetWithoutEnd(stream);
      } else this.#readStatus(headers);
    });
    stream.once("trailers", (trailers) => this.#readStatus(trailers));
  }

  /** Resolves when the message stands in the bounded queue. @throws the call's error when it has ended. */
  async send(parts: MessageParts): Promise<void> {
    try {
      await this.#channel.send(parts);
    } catch (error) {
      throw this.#failure() ?? error;
    }
  }

  /** As `send` for many short messages, which are copied. */
  async sendAll(messages: readonly MessageParts[]): Promise<void> {
    try {
      await this.#channel.sendAll(messages);
    } catch (error) {
      throw this.#failure() ?? error;
    }
  }

  /** No more messages will be sent. */
  halfClose(): void {
    this.#channel.flush();
    this.#stream.end();
  }

  /** Until the server ends the call with status OK. @throws GrpcError with any other status, or UNAVAILABLE. */
  async *messages(): AsyncGenerator<OwnedBytes, void, void> {
    try {
      yield* this.#channel.messages(this.#end.signal);
    } catch (error) {
      const failure = this.#failure();
      if (failure !== undefined) throw failure;
      // A server that has told its status may reset what we still send.
      const isReset = error instanceof GrpcError && error.status === "UNAVAILABLE";
      if (this.#status === undefined || !isReset) throw error;
    }
    const failure = this.#failure();
    if (failure !== undefined) throw failure;
    if (this.#status === undefined)
      throw new GrpcError("UNAVAILABLE", "the server ended the call without a status");
  }

  /** A received message is not used any more, nor any view of it. */
  release(message: OwnedBytes): void {
    this.#channel.release(message);
  }

  /** Ends the call; whoever waits for it gets the reason. */
  cancel(reason: Error = new GrpcError("CANCELLED", "the call was cancelled")): void {
    this.#end.abort(reason);
    resetWithoutEnd(this.#stream);
  }

  #failure(): Error | undefined {
    if (this.#refusal !== undefined) return this.#refusal;
    if (this.#status !== undefined && this.#status.code !== GRPC_STATUS.OK)
      return errorOfStatus(this.#status.code, this.#status.message);
    return this.#end.signal.aborted ? (this.#end.signal.reason as Error) : undefined;
  }

  #readStatus(headers: Readonly<Record<string, unknown>>): void {
    const code = headers["grpc-status"];
    if (typeof code !== "string" || this.#status !== undefined) return;
    const message = headers["grpc-message"];
    this.#status = {
      code: /^\d{1,3}$/.test(code) ? Number(code) : GRPC_STATUS.UNKNOWN,
      message: decodeStatusMessage(typeof message === "string" ? message : ""),
    };
  }
}

/**
 * Node ends what it sends when a stream is closed with a code, and only then resets it: the server would see a client
 * that is done, and keep what should be dropped. (`waitForTrailers` would hold that back too, but then Node 26 fails an
 * assertion of its own when a stream is closed while it reads.)
 */
function resetWithoutEnd(stream: ClientHttp2Stream): void {
  stream._final = (callback): void => callback();
  stream.close(constants.NGHTTP2_CANCEL);
}

/** Sends the headers. */
export function startCall(
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
  const call = new GrpcClientCall(stream, options);
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
