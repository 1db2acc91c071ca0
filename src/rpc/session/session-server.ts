/**
 * The server's end of a session: decodes requests, gives each to its handler, answers in any order, pages searches.
 * How much one session may have under way is bounded; beyond that it is not read from. There is no policy here: who the
 * caller is was settled before, what he may do the handlers decide. Spec: kopia-server 3.
 */
import type { OwnedBytes } from "../../bytes/index.ts";
import { assert, isSejfError } from "../../errors/index.ts";
import type { SendRoom } from "../grpc/message-channel.ts";
import type { GrpcServerCall } from "../grpc/server-call.ts";
import { GrpcError } from "../grpc/status.ts";
import {
  type AnyRequest,
  type AnyResponse,
  decodeRequest,
  encodeResponse,
  type RequestBodies,
  type RequestKind,
  type ResponseBodies,
  type SessionRequest,
} from "../wire/envelopes.ts";
import type { TextMap } from "../wire/fields.ts";
import type { ErrorResponse } from "../wire/messages.ts";
import { RESPONSE_CODES, responseOf } from "./response-errors.ts";

export interface RequestContext {
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  readonly traceContext: TextMap;
  /**
   * Resolves when an answer of so many bytes may be made: the client reads what was sent before, and there is memory
   * left. Once a request, and not while holding what others wait for. @throws when the session ends.
   */
  enter(bytes: number): Promise<void>;
  /** Where an answer may lie behind `enter`: not zeroed, and used again when the answer has been sent. */
  memory(lengthBytes: number): OwnedBytes;
  /**
   * The memory of the request was handed to a thread, which takes it away from everything that was decoded as a view of
   * it; this is what has come back.
   */
  gotBack(memory: ArrayBuffer): void;
}

/**
 * One handler a kind of request. What it throws is answered by the table of error codes. Bytes in `body` are valid
 * until it is done, and lie in memory that nothing else lies in.
 * `findManifests` gives all results; they are sent in pages of the size asked for.
 */
export type SessionHandlers = {
  readonly [K in RequestKind]: (
    body: RequestBodies[K],
    context: RequestContext,
  ) => Promise<ResponseBodies[K]>;
};

export interface ServeSessionOptions {
  /** Requests of this session under way. Default 32. */
  readonly maxRequests?: number | undefined;
  /** Bytes of requests under way; one may go beyond. Default 48 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Each request, from its handler to its answer, is run through it. */
  readonly run?:
    | ((kind: RequestKind, work: () => Promise<void>, signal: AbortSignal) => Promise<void>)
    | undefined;
  /** What a request failed with, for logs: errors that are no `SejfError` are told here only. */
  readonly onRequestError?: ((kind: RequestKind, error: unknown) => void) | undefined;
}

const DEFAULT_MAX_REQUESTS = 32;
const DEFAULT_MAX_REQUEST_BYTES = 48 << 20;

/**
 * Serves until the client half-closes, and all answers are sent: then what was written may be flushed.
 * @throws GrpcError when the session ended in any other way: what was not flushed must be dropped.
 */
export async function serveSession(
  call: GrpcServerCall,
  handlers: SessionHandlers,
  options: ServeSessionOptions = {},
): Promise<void> {
  const session = new ServedSession(call, handlers, options);
  try {
    for await (const message of call.messages()) await session.accept(message);
  } catch (error) {
    session.stop(error);
    throw isSejfError(error, "SEJF_CORRUPT")
      ? new GrpcError("INVALID_ARGUMENT", error.message, { cause: error })
      : error;
  } finally {
    await session.idle();
  }
  call.signal.throwIfAborted();
}

/** What a request lies in: its message, or what came back for it. */
interface RequestMemory {
  memory: OwnedBytes;
}

class ServedSession {
  readonly #call: GrpcServerCall;
  readonly #handlers: SessionHandlers;
  readonly #options: ServeSessionOptions;
  readonly #maxRequests: number;
  readonly #maxRequestBytes: number;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #running = new Set<Promise<void>>();
  #runningBytes = 0;
  /** Wakes whoever waits for one of them to be done. */
  #onDone: (() => void) | undefined;
  #isInitialized = false;

  constructor(call: GrpcServerCall, handlers: SessionHandlers, options: ServeSessionOptions) {
    this.#call = call;
    this.#handlers = handlers;
    this.#options = options;
    this.#maxRequests = options.maxRequests ?? DEFAULT_MAX_REQUESTS;
    this.#maxRequestBytes = options.maxRequestBytes ?? DEFAULT_MAX_REQUEST_BYTES;
    this.#signal = AbortSignal.any([call.signal, this.#stop.signal]);
  }

  /** Resolves when the request is under way. @throws SEJF_CORRUPT; GrpcError for a wrong first request. */
  async accept(message: OwnedBytes): Promise<void> {
    const request = decodeRequest(message);
    if (!this.#isInitialized) {
      if (request.request?.kind !== "initializeSession")
        throw new GrpcError("UNKNOWN", "missing initialization request");
      // Nothing else may begin before the session has begun; when that fails, it ends.
      await this.#handle(request.requestId, request.request, request.traceContext, {
        memory: message,
      });
      this.#isInitialized = true;
      this.#call.release(message, message.byteLength);
      return;
    }
    const bytes = message.byteLength;
    while (
      this.#running.size >= this.#maxRequests ||
      (this.#running.size > 0 && this.#runningBytes + bytes > this.#maxRequestBytes)
    )
      await new Promise<void>((resolve) => {
        this.#onDone = resolve;
      });
    this.#runningBytes += bytes;
    const held: RequestMemory = { memory: message };
    const task: Promise<void> = this.#serve(request, held).finally(() => {
      this.#running.delete(task);
      this.#runningBytes -= bytes;
      this.#call.release(held.memory, bytes);
      this.#onDone?.();
    });
    this.#running.add(task);
  }

  /** Tells the handlers to give up. */
  stop(reason: unknown): void {
    this.#stop.abort(reason);
  }

  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Never fails. */
  async #serve(
    { requestId, traceContext, request }: SessionRequest,
    held: RequestMemory,
  ): Promise<void> {
    if (request === undefined) {
      await this.#answerError(requestId, refusal("unhandled session request"));
      return;
    }
    if (request.kind === "initializeSession") {
      const message = "InitializeSession must be the first request in a session";
      await this.#answerError(requestId, refusal(message));
      return;
    }
    const work = async (): Promise<void> =>
      await this.#handle(requestId, request, traceContext, held);
    try {
      await (this.#options.run?.(request.kind, work, this.#signal) ?? work());
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#options.onRequestError?.(request.kind, error);
      await this.#answerError(requestId, responseOf(error));
    }
  }

  async #handle(
    requestId: bigint,
    request: AnyRequest,
    traceContext: TextMap,
    held: RequestMemory,
  ): Promise<void> {
    let room: SendRoom | undefined;
    const signal = this.#signal;
    const enter = async (bytes: number): Promise<void> => {
      room = await this.#call.enter(bytes, { signal });
    };
    const memory = (lengthBytes: number): OwnedBytes => {
      assert(room !== undefined, "memory for an answer is taken when there is room for it");
      return this.#call.memory(room, lengthBytes);
    };
    const gotBack = (buffer: ArrayBuffer): void => {
      held.memory = new Uint8Array(buffer);
    };
    const context: RequestContext = { signal, traceContext, enter, memory, gotBack };
    try {
      if (request.kind === "findManifests") {
        await this.#answerPages(requestId, request.body, context);
        return;
      }
      // Each kind has its handler in the table; the compiler cannot follow the pair through the lookup.
      const handler = this.#handlers[request.kind] as (
        body: AnyRequest["body"],
        context: RequestContext,
      ) => Promise<ResponseBodies[RequestKind]>;
      const body = await handler(request.body, context);
      const response = { kind: request.kind, body } as AnyResponse;
      await this.#call.send(encodeResponse(requestId, response), room);
    } catch (error) {
      if (room !== undefined) this.#call.leave(room);
      throw error;
    }
  }

  async #answerPages(
    requestId: bigint,
    body: RequestBodies["findManifests"],
    context: RequestContext,
  ): Promise<void> {
    const { metadata } = await this.#handlers.findManifests(body, context);
    const pageSize = body.pageSize > 0 ? body.pageSize : metadata.length;
    let at = 0;
    do {
      const page = metadata.slice(at, at + pageSize);
      at += pageSize;
      const response: AnyResponse = { kind: "findManifests", body: { metadata: page } };
      await this.#call.send(encodeResponse(requestId, response, at < metadata.length));
    } while (at < metadata.length);
  }

  async #answerError(requestId: bigint, body: ErrorResponse): Promise<void> {
    try {
      await this.#call.send(encodeResponse(requestId, { kind: "error", body }));
    } catch (error) {
      // A stream that has ended is noticed by the reading side; a message that is too long is a defect of ours.
      if (!isSejfError(error, "SEJF_CONNECTION")) this.stop(error);
    }
  }
}

function refusal(message: string): ErrorResponse {
  return { code: RESPONSE_CODES.UNKNOWN_ERROR, message };
}
