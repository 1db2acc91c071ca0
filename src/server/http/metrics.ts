/**
 * What is measured, in the format of Prometheus: under Kopia's names where the meaning is the same, else under our own.
 * SECURITY: labels are words of this program, never names of accounts, hosts, paths or contents. Spec: kopia-server 10.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import type { ContentsStatistics } from "../../content/index.ts";
import type { HoldingsStatistics } from "../holding/index.ts";
import type { SessionCounters } from "../sessions/index.ts";
import type { AuditEvent, AuditLog } from "../types.ts";

/** What is read when somebody asks; `undefined` while there is no repository. */
export interface MetricsSources {
  readonly contents: () => ContentsStatistics | undefined;
  readonly sessions: () =>
    | (SessionCounters & { readonly sessions: number; readonly open: number })
    | undefined;
  readonly holdings: () => HoldingsStatistics | undefined;
}

export class ServerMetrics {
  readonly #registry = new Registry();
  readonly #events: Counter<"action" | "result">;
  readonly #requests: Counter<"method" | "code">;
  readonly contentType: string = this.#registry.contentType;

  constructor(sources: MetricsSources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#events = new Counter({
      name: "sejf_server_events_total",
      help: "Events of the audit log",
      labelNames: ["action", "result"],
      registers,
    });
    this.#requests = new Counter({
      name: "sejf_server_http_requests_total",
      help: "Answered HTTP requests",
      labelNames: ["method", "code"],
      registers,
    });
    for (const [name, [help, read]] of Object.entries(CONTENT_COUNTERS))
      this.#counter(name, help, () => readFrom(sources.contents(), read));
    for (const [name, [help, read]] of Object.entries(SESSION_COUNTERS))
      this.#counter(name, help, () => readFrom(sources.sessions(), read));
    this.#gauge("sejf_server_sessions", "Sessions that are open", () => sources.sessions()?.open);
    for (const [name, [help, read]] of Object.entries(HOLDING_GAUGES))
      this.#gauge(name, help, () => readFrom(sources.holdings(), read));
  }

  /** The same log, whose events are counted. */
  counting(audit: AuditLog): AuditLog {
    return {
      record: (event: AuditEvent): void => {
        this.#events.inc({ action: event.action, result: event.result });
        audit.record(event);
      },
    };
  }

  countRequest(method: string, code: number): void {
    this.#requests.inc({ method: METHODS.has(method) ? method : "other", code: String(code) });
  }

  async text(): Promise<string> {
    return await this.#registry.metrics();
  }

  /** A total that is kept elsewhere. */
  #counter(name: string, help: string, read: () => number | undefined): void {
    const counter: Counter = new Counter({
      name,
      help,
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        counter.inc(read() ?? 0);
      },
    });
  }

  #gauge(name: string, help: string, read: () => number | undefined): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(read() ?? 0),
    });
  }
}

type Table<T> = Readonly<Record<string, readonly [help: string, read: (from: T) => number]>>;

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]);

const CONTENT_COUNTERS: Table<ContentsStatistics> = {
  kopia_content_write_bytes_total: [
    "Bytes given to be written, before deduplication",
    ({ writtenBytes, knownBytes }) => writtenBytes + knownBytes,
  ],
  kopia_content_deduplicated_total: [
    "Contents that were there already",
    ({ knownContents }) => knownContents,
  ],
  kopia_content_deduplicated_bytes_total: [
    "Bytes of contents that were there already",
    ({ knownBytes }) => knownBytes,
  ],
  kopia_content_uploaded_bytes_total: [
    "Bytes of packs stored",
    ({ storedPackBytes }) => storedPackBytes,
  ],
  kopia_content_read_bytes_total: ["Bytes of contents read", ({ readBytes }) => readBytes],
  sejf_content_written_total: ["Contents written", ({ writtenContents }) => writtenContents],
  sejf_content_read_total: ["Contents read", ({ readContents }) => readContents],
  sejf_packs_stored_total: ["Packs stored", ({ storedPacks }) => storedPacks],
  sejf_index_flushes_total: ["Index blobs flushed", ({ indexFlushes }) => indexFlushes],
};

const SESSION_COUNTERS: Table<SessionCounters & { readonly sessions: number }> = {
  sejf_server_sessions_total: ["Sessions since the start", ({ sessions }) => sessions],
  sejf_server_session_requests_total: ["Requests of sessions", ({ requests }) => requests],
  sejf_server_session_refused_total: ["Requests that were refused", ({ refused }) => refused],
  sejf_server_session_written_bytes_total: [
    "Bytes of contents received",
    ({ writtenBytes }) => writtenBytes,
  ],
  sejf_server_session_read_bytes_total: ["Bytes of contents sent", ({ readBytes }) => readBytes],
  sejf_server_session_flushes_total: ["Flushes of sessions", ({ flushes }) => flushes],
};

const HOLDING_GAUGES: Table<HoldingsStatistics> = {
  sejf_server_holding_accounts: [
    "Accounts whose contents are remembered",
    ({ accounts }) => accounts,
  ],
  sejf_server_holding_contents: ["Contents remembered of accounts", ({ contents }) => contents],
  sejf_server_holding_memory_bytes: ["Memory for them", ({ memoryBytes }) => memoryBytes],
};

function readFrom<T>(from: T | undefined, read: (from: T) => number): number | undefined {
  return from === undefined ? undefined : read(from);
}
