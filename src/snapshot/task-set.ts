/** Small asynchronous jobs beside a main loop: at most so many under way, the first failure kept for the loop to throw. */
export class TaskSet {
  readonly #limit: number;
  readonly #onFailure: (error: unknown) => void;
  readonly #running: Set<Promise<void>> = new Set();
  #failure: { readonly error: unknown } | undefined;

  /** `onFailure` is called once, with the first failure. */
  constructor(limit: number, onFailure: (error: unknown) => void) {
    this.#limit = limit;
    this.#onFailure = onFailure;
  }

  /** Begins at once; call `room` before, where there may be many. */
  start(job: () => Promise<void>): void {
    const task: Promise<void> = this.#run(job).finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Resolves when less than the limit are under way. @throws the first failure. */
  async room(): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running);
    this.throwFailure();
  }

  /** Resolves when nothing is under way. @throws the first failure. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
    this.throwFailure();
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #run(job: () => Promise<void>): Promise<void> {
    try {
      await job();
    } catch (error) {
      if (this.#failure !== undefined) return;
      this.#failure = { error };
      this.#onFailure(error);
    }
  }
}
