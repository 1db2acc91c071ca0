/** A server that runs, and how it stops: nothing new is taken, sessions flush or are told, then everything is closed. */
import type { ServerMetrics } from "../http/index.ts";
import type { ServerTls } from "../tls/index.ts";
import type { AuditLog, ServerLog } from "../types.ts";
import type { Listener } from "./listener.ts";
import type { RepositorySlot } from "./repository-slot.ts";
import { trustOf } from "./trust.ts";
import type { RunningServer } from "./types.ts";

export interface ServerParts {
  readonly listener: Listener;
  readonly metricsListener: Listener | undefined;
  readonly slot: RepositorySlot;
  readonly metrics: ServerMetrics;
  readonly audit: AuditLog;
  readonly auditFile: AsyncDisposable | undefined;
  readonly log: ServerLog & AsyncDisposable;
  readonly url: string;
  readonly tls: ServerTls | undefined;
  readonly graceMs: number;
}

export class Server implements RunningServer {
  readonly #parts: ServerParts;
  readonly stopped: Promise<void>;
  readonly #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  #stopping: Promise<void> | undefined;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.stopped = promise;
    this.stopped.catch(() => undefined);
    this.#settle = { resolve, reject };
  }

  get url(): string {
    return this.#parts.url;
  }

  get fingerprint(): string | undefined {
    return this.#parts.tls?.fingerprint;
  }

  async trust(): Promise<readonly string[]> {
    const { core } = this.#parts.slot;
    return core === undefined ? [] : await trustOf(core);
  }

  async refresh(): Promise<void> {
    await this.#parts.slot.core?.jobs.refresh();
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    const { log, audit, url } = this.#parts;
    log.info({}, "Shutting down HTTP server ...");
    try {
      await this.#close();
      audit.record({ action: "server.stop", who: "the operator", from: url, result: "ok" });
      this.#settle.resolve();
    } catch (error) {
      this.#settle.reject(error);
      throw error;
    } finally {
      await this.#parts.auditFile?.[Symbol.asyncDispose]();
      await log[Symbol.asyncDispose]();
    }
  }

  async #close(): Promise<void> {
    const { listener, metricsListener, slot, graceMs } = this.#parts;
    try {
      // At once: the listener takes no connections, the sessions no work.
      await Promise.all([listener.close(graceMs), slot.core?.sessions.closeAll(graceMs)]);
      await metricsListener?.close(0);
    } finally {
      await slot.close();
    }
  }
}
