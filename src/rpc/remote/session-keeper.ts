/**
 * One session that is opened again when it breaks: its user sees requests that take longer. What was not flushed is
 * gone with the old session; whoever wrote is told before anybody gets the new one. Spec: kopia-server 3.
 */
import type { CallOptions } from "../../bytes/index.ts";
import { equalSecrets } from "../../crypto/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { ServerAddress } from "../grpc/server-address.ts";
import type { ConnectGrpcOptions } from "../grpc/server-socket.ts";
import {
  beginSession,
  openSession,
  type OpenSessionOptions,
  SESSION_PATH,
  sessionCall,
  type SessionClient,
} from "../session/session-client.ts";
import type { RepositoryParametersMessage } from "../wire/messages.ts";

export interface SessionKeeperOptions {
  readonly address: ServerAddress;
  readonly connect: Omit<ConnectGrpcOptions, "signal">;
  /** The server is known to give a session a connection of its own; where it does not any more, nothing is lost. */
  readonly upgrades?: boolean | undefined;
  readonly session: Omit<OpenSessionOptions, "signal">;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly log: (level: "debug" | "info" | "warn", message: string) => void;
}

/** As Kopia's client waits. */
const ATTEMPTS = 10;
const FIRST_PAUSE_MS = 100;
const PAUSE_FACTOR = 1.5;
const MAX_PAUSE_MS = 32_000;

export class SessionKeeper implements AsyncDisposable {
  readonly #options: SessionKeeperOptions;
  readonly parameters: RepositoryParametersMessage;
  /** Called with a new session before anybody else gets it. What it throws, the user of the session gets. */
  onReopened: ((session: SessionClient) => Promise<void>) | undefined;
  #connection: Connection;
  #session: SessionClient;
  #opening: Promise<SessionClient> | undefined;
  #isDisposed = false;
  #sessions = 1;

  /** Use `open`. */
  constructor(options: SessionKeeperOptions, connection: Connection, session: SessionClient) {
    this.#options = options;
    this.#connection = connection;
    this.#session = session;
    this.parameters = session.parameters;
  }

  /** Opens the first session, without repetition. @throws as `connectGrpc` and `openSession`. */
  static async open(options: SessionKeeperOptions, call: CallOptions = {}): Promise<SessionKeeper> {
    const { connection, session } = await connect(options, call);
    return new SessionKeeper(options, connection, session);
  }

  /** How many there were: another number than before means that a session was opened again. */
  get sessions(): number {
    return this.#sessions;
  }

  /** Whether the server of the newest session takes many contents in one message. */
  get takesBatches(): boolean {
    return this.#session.parameters.sejfBatches;
  }

  get address(): ServerAddress {
    return this.#options.address;
  }

  /**
   * Does `work`, once more with a new session whenever the one it had broke: only for what may be done twice.
   * @throws what `work` fails with while its session is whole; SEJF_CONNECTION when the server stays away.
   */
  async retrying<T>(
    work: (session: SessionClient) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const session = await this.session(options);
      try {
        return await work(session);
      } catch (error) {
        const isBroken = isSejfError(error, "SEJF_CONNECTION") && session.isBroken;
        if (!isBroken || this.#isDisposed || attempt >= ATTEMPTS) throw error;
        this.#options.log("debug", `${error.message}; attempt ${attempt}`);
      }
    }
  }

  /** A session that is whole as far as is known. An abort ends the waiting only. */
  async session(options: CallOptions = {}): Promise<SessionClient> {
    options.signal?.throwIfAborted();
    if (this.#isDisposed) throw new SejfError("SEJF_CONNECTION", "the repository was closed");
    if (!this.#session.isBroken && this.#opening === undefined) return this.#session;
    this.#opening ??= this.#reopen().finally(() => {
      this.#opening = undefined;
    });
    const session = await this.#opening;
    options.signal?.throwIfAborted();
    return session;
  }

  /** What was not flushed is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#session[Symbol.asyncDispose]();
    await this.#connection.close();
  }

  async #reopen(): Promise<SessionClient> {
    const { log, sleep, address } = this.#options;
    log("warn", `the connection to ${address.text} broke, connecting again`);
    let pauseMs = FIRST_PAUSE_MS;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#replace();
      } catch (error) {
        const mayHelp = isSejfError(error) && error.retryable;
        if (!mayHelp || this.#isDisposed || attempt >= ATTEMPTS) throw error;
        log("debug", error.message);
        await sleep(pauseMs);
        pauseMs = Math.min(pauseMs * PAUSE_FACTOR, MAX_PAUSE_MS);
      }
    }
  }

  async #replace(): Promise<SessionClient> {
    await this.#session[Symbol.asyncDispose]();
    await this.#connection.close();
    const { connection, session } = await connect(this.#options, {});
    try {
      if (this.#isDisposed) throw new SejfError("SEJF_CONNECTION", "the repository was closed");
      assertSameRepository(this.parameters, session.parameters, this.#options.address);
      await this.onReopened?.(session);
    } catch (error) {
      await session[Symbol.asyncDispose]();
      await connection.close();
      throw error;
    }
    this.#connection = connection;
    this.#session = session;
    this.#sessions++;
    return session;
  }
}

/** What a session runs over. */
interface Connection {
  close(): Promise<void>;
}

interface Connected {
  readonly connection: Connection;
  readonly session: SessionClient;
}

/** What a kind of connection needs is loaded when it is used. */
async function connect(options: SessionKeeperOptions, call: CallOptions): Promise<Connected> {
  const upgraded = options.upgrades === true ? await connectAlone(options, call) : undefined;
  if (upgraded !== undefined) return upgraded;
  const { connectGrpc } = await import("../grpc/client.ts");
  const connection = await connectGrpc(options.address, { ...options.connect, ...call });
  return await closingOnFailure(
    connection,
    async () => await openSession(connection, { ...options.session, ...call }),
  );
}

/** Over a connection that nothing else uses. */
async function connectAlone(
  options: SessionKeeperOptions,
  call: CallOptions,
): Promise<Connected | undefined> {
  const sessionOptions = { ...options.session, ...call };
  const { connectUpgraded } = await import("../grpc/upgraded-connection.ts");
  const upgraded = await connectUpgraded(options.address, SESSION_PATH, {
    ...options.connect,
    ...sessionCall(sessionOptions),
    ...call,
  });
  if (upgraded === undefined) {
    options.log("debug", `${options.address.text} does not give sessions connections of their own`);
    return undefined;
  }
  return await closingOnFailure(
    upgraded,
    async () => await beginSession(upgraded.call, sessionOptions),
  );
}

async function closingOnFailure(
  connection: Connection,
  open: () => Promise<SessionClient>,
): Promise<Connected> {
  try {
    return { connection, session: await open() };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** References made before the break must mean the same after it. */
function assertSameRepository(
  before: RepositoryParametersMessage,
  now: RepositoryParametersMessage,
  address: ServerAddress,
): void {
  const isSame =
    before.hashFunction === now.hashFunction &&
    before.splitter === now.splitter &&
    before.supportsContentCompression === now.supportsContentCompression &&
    equalSecrets(before.hmacSecret, now.hmacSecret);
  if (!isSame)
    throw new SejfError("SEJF_CORRUPT", `${address.text} serves another repository than before`);
}
