/** One call of a client: headers and messages go, messages and a status come. */
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import type { MessageParts } from "../wire/envelopes.ts";
import { type ChannelLimits, MessageChannel } from "./message-channel.ts";
import type { MessageStream } from "./message-stream.ts";
import { decodeStatusMessage, errorOfStatus, GRPC_STATUS, GrpcError } from "./status.ts";
import { decodeFields } from "./upgrade.ts";

export interface StartCallOptions extends ChannelLimits, CallOptions {
  /** Lower-case names; values of printable ASCII. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly userAgent?: string | undefined;
  /** The server is told, and the call ends with DEADLINE_EXCEEDED. */
  readonly deadlineMs?: number | undefined;
}

/** The client's end of a stream. */
export interface ClientStream extends MessageStream {
  /** `listener` gets what may be the status, `onRefusal` what says that there is no call. */
  onStatus(
    listener: (fields: Readonly<Record<string, unknown>>) => void,
    onRefusal: (error: GrpcError) => void,
  ): void;
  /** Behind everything that was written. */
  halfClose(): void;
  /** At once; what is not on its way is dropped. */
  reset(): void;
}

export class GrpcClientCall {
  readonly #stream: ClientStream;
  readonly #channel: MessageChannel;
  readonly #end = new AbortController();
  /** `undefined` until the server has told it. */
  #status: { readonly code: number; readonly message: string } | undefined;
  #refusal: GrpcError | undefined;

  constructor(stream: ClientStream, limits: ChannelLimits) {
    this.#stream = stream;
    this.#channel = new MessageChannel(stream, {
      ...limits,
      onEndFrame: (text) => this.#readStatus(decodeFields(text)),
    });
    stream.duplex.on("error", () => {});
    stream.onStatus(
      (fields) => this.#readStatus(fields),
      (refusal) => {
        this.#refusal = refusal;
        this.#end.abort(refusal);
        stream.reset();
      },
    );
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
    this.#stream.halfClose();
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
    this.#stream.reset();
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
