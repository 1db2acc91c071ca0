/**
 * The client's end of a session: typed requests, any number of them under way, answers in any order. A session is one
 * stream and never heals: when it breaks, everything that waits fails with a retryable SEJF_CONNECTION, and what was
 * not flushed is lost on the server. Spec: kopia-server 3.
 */
import type { CallOptions, OwnedBytes } from "../../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import { BufferPool } from "../grpc/buffer-pool.ts";
import type { GrpcConnection } from "../grpc/client.ts";
import type { GrpcClientCall, StartCallOptions } from "../grpc/client-call.ts";
import {
  type AnyRequest,
  decodeResponse,
  encodeRequest,
  type RequestBodies,
  type RequestKind,
  type ResponseBodies,
  type SessionResponse,
} from "../wire/envelopes.ts";
import type { RepositoryParametersMessage } from "../wire/messages.ts";
import { errorOfResponse } from "./response-errors.ts";

export const SESSION_PATH = "/kopia_repository.KopiaRepository/Session";

/** The header in which a client says that it compares every content it gets with its name. */
export const HASHES_CONTENTS = "sejf-hashes-contents";

export interface SessionCredentials {
  /** User and host are what the client claims; the password of that very pair proves it. */
  readonly username: string;
  readonly hostname: string;
  readonly password: string;
}

export interface OpenSessionOptions extends CallOptions {
  readonly credentials: SessionCredentials;
  /** Free text for the server's log: `cli:snapshot create`. */
  readonly purpose?: string | undefined;
  readonly readOnly?: boolean | undefined;
  /** Told to the server for its log. */
  readonly clientVersion?: string | undefined;
  /** Every content that comes is compared with its name here: the server is told that it need not. Default false. */
  readonly hashesContents?: boolean | undefined;
  /** Of the answer to a search, all pages together; more is an attack on memory. Default 64 MiB. */
  readonly maxFoundBytes?: number | undefined;
}

/** What waits for answers: one object for all requests of a piece. */
interface Pending {
  readonly kind: RequestKind;
  /** Gets every response; `last` with the one that ends the request. True: it, or a view of it, is kept. */
  readonly onBody: (id: number, body: unknown, last: boolean, lengthBytes: number) => boolean;
  /** Gets the server's refusal. */
  readonly onError: (id: number, error: SejfError) => void;
  /** There will be no answer. */
  readonly fail: (error: unknown) => void;
}

/** Of buffers for received messages that wait for their next use. */
const SPARE_BYTES: number = 32 << 20;
/** Requests that leave together. */
const REQUESTS_IN_PIECE = 256;
/** Responses that one request may have: pages of a search. */
const MAX_PAGES = 100_000;
/** Of all pages of a search together: a quarter of a million manifests. */
const DEFAULT_FOUND_BYTES: number = 64 << 20;

export class SessionClient implements AsyncDisposable {
  readonly #call: GrpcClientCall;
  readonly #maxFoundBytes: number;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #nextId = 1;
  #parameters: RepositoryParametersMessage | undefined;
  /** Why no request can be made any more. */
  #failure: Error | undefined;
  #closing: "no" | "finishing" | "cancelled" = "no";

  /** Use `openSession`. */
  constructor(call: GrpcClientCall, maxFoundBytes: number = DEFAULT_FOUND_BYTES) {
    this.#call = call;
    this.#maxFoundBytes = maxFoundBytes;
    this.#ended = this.#receive();
  }

  /** What the server told at the beginning. */
  get parameters(): RepositoryParametersMessage {
    if (this.#parameters === undefined) throw new TypeError("the session is not initialized");
    return this.#parameters;
  }

  get isBroken(): boolean {
    return this.#failure !== undefined || this.#closing !== "no";
  }

  /**
   * One request and its one answer. An abort ends the waiting only: the server goes on with what it got.
   * @throws the server's error by the table; SEJF_CONNECTION when the session breaks; SEJF_CORRUPT for a false answer.
   */
  async request<K extends Exclude<RequestKind, "findManifests">>(
    kind: K,
    body: RequestBodies[K],
    options: CallOptions = {},
  ): Promise<ResponseBodies[K]> {
    let answer: ResponseBodies[K] | undefined;
    await this.#exchange(kind, body, options, (part) => {
      answer = part as ResponseBodies[K];
    });
    if (answer === undefined) throw new SejfError("SEJF_CORRUPT", `${kind}: the answer is empty`);
    return answer;
  }

  /**
   * Many short requests of one kind in one piece, which costs far less for each. Every answer goes to `onAnswer` as it
   * comes, with the place of its request, and is valid during that call only, unless true is returned: then the memory
   * of the message is the caller's until it goes to `giveBack`. An error in place of an answer is a SejfError. Resolves
   * with the last one.
   * An abort ends the waiting only. @throws SEJF_CONNECTION when the session breaks; what `onAnswer` throws.
   */
  async requestMany<K extends Exclude<RequestKind, "findManifests">>(
    kind: K,
    bodies: readonly RequestBodies[K][],
    onAnswer: (index: number, answer: ResponseBodies[K] | SejfError) => boolean | undefined,
    options: CallOptions = {},
  ): Promise<void> {
    if (bodies.length === 0) return;
    this.#assertOpen(options);
    const { signal } = options;
    const firstId = this.#nextId;
    this.#nextId += bodies.length;
    let open = bodies.length;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Whoever fails to send sees that failure, not the one of the answers.
    promise.catch(() => {});
    const settle = (id: number, answer: unknown): boolean => {
      let isKept = true;
      try {
        isKept = onAnswer(id - firstId, answer as ResponseBodies[K] | SejfError) === true;
        if (--open === 0) resolve();
      } catch (error) {
        reject(error as Error);
      }
      return isKept;
    };
    const pending: Pending = {
      kind,
      onBody: settle,
      onError: settle,
      fail: reject,
    };
    for (let i = 0; i < bodies.length; i++) this.#pending.set(firstId + i, pending);
    const onAbort = (): void => reject(signal?.reason as Error);
    signal?.addEventListener("abort", onAbort);
    try {
      for (let at = 0; at < bodies.length; at += REQUESTS_IN_PIECE) {
        const piece = bodies.slice(at, at + REQUESTS_IN_PIECE);
        await this.#call.sendAll(
          piece.map((body, i) =>
            encodeRequest(BigInt(firstId + at + i), { kind, body } as AnyRequest),
          ),
        );
      }
      await promise;
    } catch (error) {
      throw signal?.aborted === true ? error : (this.#brokenBy() ?? error);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      if (open > 0) for (let i = 0; i < bodies.length; i++) this.#pending.delete(firstId + i);
    }
  }

  /** The answers of a search, page by page, joined. */
  async findManifests(
    body: RequestBodies["findManifests"],
    options: CallOptions = {},
  ): Promise<ResponseBodies["findManifests"]["metadata"]> {
    const found: ResponseBodies["findManifests"]["metadata"][] = [];
    let bytes = 0;
    await this.#exchange("findManifests", body, options, (part, lengthBytes) => {
      found.push((part as ResponseBodies["findManifests"]).metadata);
      bytes += lengthBytes;
      if (found.length > MAX_PAGES || bytes > this.#maxFoundBytes)
        throw new SejfError(
          "SEJF_CORRUPT",
          `a search has ${found.length} pages of ${bytes} bytes and no end, the limit is ${this.#maxFoundBytes} bytes`,
        );
    });
    return found.flat();
  }

  /** Memory of a message that was kept is not used any more. */
  giveBack(memory: OwnedBytes): void {
    this.#call.release(memory);
  }

  /** Half-closes and waits for the end: the server flushes what was written. @throws SEJF_CONNECTION when it breaks. */
  async finish(): Promise<void> {
    this.#closing = "finishing";
    this.#call.halfClose();
    await this.#ended;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends at once: what was not flushed is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = "cancelled";
    this.#call.cancel();
    await this.#ended;
  }

  /** The first request of a session. */
  async initialize(purpose: string, readOnly: boolean, options: CallOptions): Promise<void> {
    const { parameters } = await this.request("initializeSession", { purpose, readOnly }, options);
    if (parameters === undefined)
      throw new SejfError("SEJF_CORRUPT", "the server does not tell the repository's parameters");
    this.#parameters = parameters;
  }

  async #exchange<K extends RequestKind>(
    kind: K,
    body: RequestBodies[K],
    options: CallOptions,
    onPart: (body: unknown, lengthBytes: number) => void,
  ): Promise<void> {
    this.#assertOpen(options);
    const { signal } = options;
    const id = this.#nextId++;
    let onAbort = (): void => {};
    const answered = new Promise<void>((resolve, reject) => {
      const onBody = (_: number, part: unknown, last: boolean, lengthBytes: number): boolean => {
        onPart(part, lengthBytes);
        if (last) resolve();
        return true;
      };
      const onError = (_: number, error: SejfError): void => reject(error);
      this.#pending.set(id, { kind, onBody, onError, fail: reject });
      onAbort = (): void => reject(signal?.reason as Error);
    });
    // Whoever fails to send sees that failure, not the one of the answer.
    answered.catch(() => {});
    signal?.addEventListener("abort", onAbort);
    try {
      // The generic pair is one of the union's members; the compiler does not see it.
      await this.#call.send(encodeRequest(BigInt(id), { kind, body } as AnyRequest));
      await answered;
    } catch (error) {
      throw signal?.aborted === true ? error : (this.#brokenBy() ?? error);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#pending.delete(id);
    }
  }

  #assertOpen({ signal }: CallOptions): void {
    signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== "no") throw new SejfError("SEJF_CONNECTION", "the session was closed");
  }

  #brokenBy(): Error | undefined {
    return this.#failure;
  }

  async #receive(): Promise<void> {
    try {
      for await (const message of this.#call.messages())
        if (this.#dispatch(decodeResponse(message), message.byteLength))
          this.#call.release(message);
      // After a half-close this is how it should end; then nothing waits any more.
      const ended = new SejfError("SEJF_CONNECTION", "the server ended the session", {
        retryable: true,
      });
      if (this.#closing === "no") this.#failure = ended;
      this.#failPending(ended);
    } catch (error) {
      if (this.#closing !== "cancelled")
        this.#failure = errorFromUnknown(error, "reading the server's answer");
      this.#failPending(error);
      this.#call.cancel();
    }
  }

  /** Says whether the message is not used any more. */
  #dispatch({ requestId, hasMore, response }: SessionResponse, lengthBytes: number): boolean {
    const id = Number(requestId);
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      // Of a request that was given up.
      if (id > 0 && id < this.#nextId) return true;
      throw new SejfError(
        "SEJF_CORRUPT",
        `the server answers request ${requestId}, which was never made`,
      );
    }
    if (response === undefined)
      throw new SejfError("SEJF_CORRUPT", `${pending.kind}: the answer is of an unknown kind`);
    if (response.kind === "error") {
      this.#pending.delete(id);
      pending.onError(id, errorOfResponse(response.body, pending.kind));
      return true;
    }
    if (response.kind !== pending.kind)
      throw new SejfError("SEJF_CORRUPT", `${pending.kind}: the answer is one to ${response.kind}`);
    if (hasMore && response.kind !== "findManifests")
      throw new SejfError("SEJF_CORRUPT", `${pending.kind}: the answer has no end`);
    if (!hasMore) this.#pending.delete(id);
    return !pending.onBody(id, response.body, !hasMore, lengthBytes);
  }

  #failPending(error: unknown): void {
    for (const { fail } of this.#pending.values()) fail(error);
    this.#pending.clear();
  }
}

/**
 * Opens a stream, proves who we are, and learns the repository's parameters.
 * @throws SEJF_ACCESS_DENIED for a wrong user or password; SEJF_CONNECTION, SEJF_CORRUPT.
 */
export async function openSession(
  connection: GrpcConnection,
  options: OpenSessionOptions,
): Promise<SessionClient> {
  return await beginSession(connection.startCall(SESSION_PATH, sessionCall(options)), options);
}

/** What the call of a session says at its beginning, and where it keeps what it receives. */
export function sessionCall(options: OpenSessionOptions): StartCallOptions {
  const { username, hostname, password } = options.credentials;
  return {
    buffers: new BufferPool(SPARE_BYTES),
    metadata: {
      "kopia-username": headerText("user name", username),
      "kopia-hostname": headerText("host name", hostname),
      "kopia-password": headerText("password", password),
      "kopia-version": options.clientVersion ?? "sejf",
      "kopia-build-info": "-",
      "kopia-repo": "",
      "kopia-os": process.platform,
      "kopia-arch": process.arch,
      ...(options.hashesContents === true ? { [HASHES_CONTENTS]: "1" } : {}),
    },
  };
}

/** As `openSession`, on a call that was started with `sessionCall`. */
export async function beginSession(
  call: GrpcClientCall,
  options: OpenSessionOptions,
): Promise<SessionClient> {
  const session = new SessionClient(call, options.maxFoundBytes);
  try {
    await session.initialize(options.purpose ?? "", options.readOnly ?? false, options);
    return session;
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/** SECURITY: the text is not repeated in the message, it may be a password. */
function headerText(what: string, text: string): string {
  if (!/^[\u0020-\u007e]*$/.test(text))
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `the ${what} for the server has characters that the protocol cannot carry`,
      { hint: "a server user's name and password are letters, digits and signs of ASCII" },
    );
  return text;
}
