/** Who is connected. The server's end waits here for sessions that have something to flush. */
import { GrpcError } from "../../rpc/index.ts";
import type { SessionCounters, SessionLimits, SessionRegistry, SessionStatus } from "./types.ts";

export type MutableCounters = { -readonly [Name in keyof SessionCounters]: number };

export function newCounters(): MutableCounters {
  return {
    requests: 0,
    refused: 0,
    writtenContents: 0,
    writtenBytes: 0,
    readContents: 0,
    readBytes: 0,
    flushes: 0,
  };
}

/** A session as the registry knows it. */
export interface RegisteredSession {
  status(): SessionStatus;
  readonly account: string;
  readonly counters: SessionCounters;
  /** Something is written and not flushed, or a request under way. */
  readonly isBusy: boolean;
  /** Of manifests. */
  readonly unflushedBytes: number;
  end(error: GrpcError): void;
}

/** A client flushes twice, and reports: the first flush is not its last word. */
const LINGER_MS = 1000;
const SESSIONS = 10_000;
const SESSIONS_PER_ACCOUNT = 250;

export function createSessionRegistry(limits: SessionLimits = {}): Sessions {
  return new Sessions(limits);
}

export class Sessions implements SessionRegistry {
  readonly #limits: SessionLimits;
  readonly #sessions = new Set<RegisteredSession>();
  readonly #byAccount = new Map<string, number>();
  readonly #ended: MutableCounters & { sessions: number } = { ...newCounters(), sessions: 0 };
  /** While the server ends: sessions that may have nothing more to say. */
  readonly #lingering = new Map<RegisteredSession, NodeJS.Timeout>();
  #isClosing = false;
  #onChange: (() => void) | undefined;
  #nextId = 1;

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  newId(): number {
    return this.#nextId++;
  }

  list(): readonly SessionStatus[] {
    return [...this.#sessions].map((session) => session.status());
  }

  totals(): SessionCounters & { readonly sessions: number } {
    const totals = { ...this.#ended };
    for (const { counters } of this.#sessions) addTo(totals, counters);
    return totals;
  }

  /** @throws GrpcError UNAVAILABLE while the server ends. */
  assertOpen(): void {
    if (this.#isClosing) throw new GrpcError("UNAVAILABLE", "the server is being shut down");
  }

  /** @throws GrpcError UNAVAILABLE while the server ends, RESOURCE_EXHAUSTED when there are too many. */
  add(session: RegisteredSession): void {
    this.assertOpen();
    const { account } = session;
    const count = this.#byAccount.get(account) ?? 0;
    const perAccount = this.#limits.sessionsPerAccount ?? SESSIONS_PER_ACCOUNT;
    if (count >= perAccount)
      throw new GrpcError("RESOURCE_EXHAUSTED", `${account} has ${count} sessions already`);
    if (this.#sessions.size >= (this.#limits.sessions ?? SESSIONS))
      throw new GrpcError("RESOURCE_EXHAUSTED", "the server has too many sessions");
    this.#byAccount.set(account, count + 1);
    this.#sessions.add(session);
    this.#ended.sessions++;
  }

  remove(session: RegisteredSession): void {
    if (!this.#sessions.delete(session)) return;
    clearTimeout(this.#lingering.get(session));
    this.#lingering.delete(session);
    const { account, counters } = session;
    const left = (this.#byAccount.get(account) ?? 1) - 1;
    if (left === 0) this.#byAccount.delete(account);
    else this.#byAccount.set(account, left);
    addTo(this.#ended, counters);
    this.#onChange?.();
  }

  /** A session has flushed, or a request of it has ended. While the server ends, one that stays idle is told to go. */
  changed(session: RegisteredSession): void {
    if (!this.#isClosing) return;
    clearTimeout(this.#lingering.get(session));
    const timer = setTimeout(() => {
      if (!session.isBusy) session.end(shutDown());
    }, this.#limits.lingerMs ?? LINGER_MS);
    timer.unref();
    this.#lingering.set(session, timer);
  }

  /** Manifests that the account's sessions have put and not flushed. */
  unflushedBytes(account: string): number {
    let sum = 0;
    for (const session of this.#sessions)
      if (session.account === account) sum += session.unflushedBytes;
    return sum;
  }

  close(account: string, reason: string): number {
    let count = 0;
    for (const session of this.#sessions) {
      if (session.account !== account) continue;
      session.end(new GrpcError("PERMISSION_DENIED", reason));
      count++;
    }
    return count;
  }

  async closeAll(graceMs: number): Promise<void> {
    this.#isClosing = true;
    for (const session of this.#sessions) this.changed(session);
    const timer = setTimeout(() => {
      for (const session of this.#sessions) session.end(shutDown());
    }, graceMs);
    try {
      while (this.#sessions.size > 0) {
        await new Promise<void>((resolve) => {
          this.#onChange = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

function shutDown(): GrpcError {
  return new GrpcError("UNAVAILABLE", "the server is being shut down");
}

function addTo(sum: MutableCounters, counters: SessionCounters): void {
  for (const name of Object.keys(counters) as (keyof SessionCounters)[])
    sum[name] += counters[name];
}
