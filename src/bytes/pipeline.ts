/**
 * Bounded concurrency over async iterables. Every loop over a repository goes through here: a limit is always
 * given, an abort stops at the next step, and a failure waits for what is still running.
 */

/** What every long-running call takes. */
export interface CallOptions {
  /** Aborts the call; the signal's reason is thrown as it is. */
  readonly signal?: AbortSignal | undefined;
}

type Settled<R> =
  | { readonly ok: true; readonly value: R }
  | { readonly ok: false; readonly error: unknown };

async function settle<R>(promise: Promise<R>): Promise<Settled<R>> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    return { ok: false, error };
  }
}

function unwrap<R>(settled: Settled<R>): R {
  if (settled.ok) return settled.value;
  throw settled.error;
}

function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1)
    throw new RangeError(`limit is ${limit}, expected an integer of 1 or more`);
}

function linkedController(signal: AbortSignal | undefined): {
  readonly stop: AbortController;
  readonly both: AbortSignal;
} {
  const stop = new AbortController();
  return {
    stop,
    both: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
  };
}

/** Maps with at most `limit` calls under way, in source order. A failure, an abort or the consumer leaving closes the source. */
export async function* mapConcurrent<T, R>(
  source: AsyncIterable<T> | Iterable<T>,
  limit: number,
  fn: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void, void> {
  checkLimit(limit);
  const { stop, both } = linkedController(signal);
  const running: Promise<Settled<R>>[] = [];
  try {
    for await (const item of source) {
      both.throwIfAborted();
      running.push(settle(fn(item, both)));
      if (running.length >= limit) yield unwrap(await (running.shift() as Promise<Settled<R>>));
    }
    while (running.length > 0) yield unwrap(await (running.shift() as Promise<Settled<R>>));
  } finally {
    // the reason that an abort makes for itself has a stack
    if (running.length > 0) stop.abort();
    await Promise.all(running);
  }
}

/** As `mapConcurrent`, results as they come: one slow call does not hold back the others. */
export async function* mapUnordered<T, R>(
  source: AsyncIterable<T> | Iterable<T>,
  limit: number,
  fn: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void, void> {
  checkLimit(limit);
  const { stop, both } = linkedController(signal);
  const running = new Set<Promise<Settled<R>>>();
  const done: Settled<R>[] = [];
  try {
    for await (const item of source) {
      both.throwIfAborted();
      const task: Promise<Settled<R>> = settle(fn(item, both)).then((settled) => {
        running.delete(task);
        done.push(settled);
        return settled;
      });
      running.add(task);
      if (running.size >= limit) await Promise.race(running);
      while (done.length > 0) yield unwrap(done.shift() as Settled<R>);
    }
    while (running.size > 0 || done.length > 0) {
      if (done.length === 0) await Promise.race(running);
      while (done.length > 0) yield unwrap(done.shift() as Settled<R>);
    }
  } finally {
    if (running.size > 0) stop.abort();
    await Promise.all(running);
  }
}

/** One item as the source of a stage. */
// oxlint-disable-next-line require-await -- the interface is asynchronous
export async function* single<T>(item: T): AsyncGenerator<T, void, void> {
  yield item;
}

/** Everything an iterable gives, in memory: only where the caller knows a bound. */
export async function collect<T>(source: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
