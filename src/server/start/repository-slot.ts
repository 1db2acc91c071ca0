/**
 * The repository that is served at this moment, or none: while it is being opened, and when the web interface has
 * disconnected it. Attaching and detaching come one after the other.
 */
import { setTimeout as wait } from "node:timers/promises";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import type { RepositorySwitch } from "../api/index.ts";
import type { TaskRegistry } from "../jobs/index.ts";
import type { ServerLog } from "../types.ts";
import type { ServedCore } from "./served-core.ts";
import type { OpenServedRepository } from "./types.ts";

export interface RepositorySlotOptions {
  readonly openCore: (repository: DirectRepository) => Promise<ServedCore>;
  readonly tasks: TaskRegistry;
  readonly log: ServerLog;
  readonly graceMs: number;
  /** A repository is served from now on. */
  readonly onAttached: () => void;
}

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 5 * 60_000;

export class RepositorySlot implements RepositorySwitch {
  readonly #options: RepositorySlotOptions;
  readonly #stop = new AbortController();
  #core: ServedCore | undefined;
  #opening: { readonly taskId: string; readonly done: Promise<unknown> } | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(options: RepositorySlotOptions) {
    this.#options = options;
  }

  get core(): ServedCore | undefined {
    return this.#core;
  }

  /** The task that opens the repository at this moment. */
  get initTaskId(): string | undefined {
    return this.#opening?.taskId;
  }

  /** Why nothing is served; `undefined` when something is. */
  get notReady(): string | undefined {
    if (this.#core !== undefined) return undefined;
    return this.#opening === undefined
      ? "not connected to a repository"
      : "the repository is being opened";
  }

  /** @throws what opening fails with. */
  async open(open: OpenServedRepository): Promise<void> {
    await this.attach(await open(this.#stop.signal));
  }

  /** Goes on trying, ever more rarely, until it is open or the server stops. */
  openInBackground(open: OpenServedRepository): void {
    const { tasks } = this.#options;
    const { id, done } = tasks.start("Repository", "Open", async (control) => {
      const signal = AbortSignal.any([control.signal, this.#stop.signal]);
      await this.#openWithRetries(open, signal);
    });
    const opening = { taskId: id, done };
    this.#opening = opening;
    void done
      .catch(() => undefined)
      .finally(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
  }

  /** Serves it from now on and owns it, failures included. */
  async attach(repository: DirectRepository): Promise<void> {
    await this.#inTurn(async () => {
      try {
        if (this.#core !== undefined)
          throw new SejfError("SEJF_ALREADY_EXISTS", "the server is connected to a repository");
        if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
        this.#core = await this.#options.openCore(repository);
        this.#options.onAttached();
      } catch (error) {
        await repository[Symbol.asyncDispose]();
        throw error;
      }
    });
  }

  /** Sessions and jobs end, the repository is closed. */
  async detach(): Promise<void> {
    await this.#inTurn(async () => {
      const core = this.#core;
      this.#core = undefined;
      await core?.close(this.#options.graceMs);
    });
  }

  /** Nothing is attached any more afterwards. */
  async close(): Promise<void> {
    this.#stop.abort(new SejfError("SEJF_CANCELLED", "the server is being stopped"));
    await this.#opening?.done.catch(() => undefined);
    await this.detach();
  }

  async #openWithRetries(open: OpenServedRepository, signal: AbortSignal): Promise<void> {
    for (let pauseMs = FIRST_RETRY_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_RETRY_MS)) {
      signal.throwIfAborted();
      try {
        await this.attach(await open(signal));
        return;
      } catch (error) {
        signal.throwIfAborted();
        const { code, message } = errorFromUnknown(error, "opening the repository");
        const seconds = pauseMs / 1000;
        this.#options.log.warn(
          { code },
          `cannot open the repository, trying again in ${seconds} s: ${message}`,
        );
        await wait(pauseMs, undefined, { signal });
      }
    }
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined);
    await run;
  }
}
