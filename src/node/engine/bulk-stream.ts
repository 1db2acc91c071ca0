/**
 * Bounded work from a stream to a stream, where the source may wait for the results: both sides move on their own.
 * (`mapUnordered` of `bytes/` delivers nothing while its source is silent.)
 */

interface State<R> {
  readonly ready: R[];
  running: number;
  /** Results that were not taken yet hold their place in the limit. */
  taken: number;
  sourceEnded: boolean;
  failure: { readonly error: unknown } | undefined;
  wakeConsumer: (() => void) | undefined;
  wakeFeeder: (() => void) | undefined;
}

/**
 * Results in any order; at most `limit` items are under way or waiting to be taken. The first failure or an abort ends
 * the stream, with what runs awaited first; the source is closed, but not waited for.
 */
export async function* bulkStream<T, R>(
  source: AsyncIterable<T>,
  limit: number,
  fn: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void, void> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const state: State<R> = {
    ready: [],
    running: 0,
    taken: 0,
    sourceEnded: false,
    failure: undefined,
    wakeConsumer: undefined,
    wakeFeeder: undefined,
  };
  const iterator = source[Symbol.asyncIterator]();
  const fail = (error: unknown): void => {
    state.failure ??= { error };
    wake(state);
  };
  const onAbort = (): void => fail(both.reason);
  both.addEventListener("abort", onAbort, { once: true });
  void feed(iterator, limit, fn, both, state, fail);
  try {
    for (;;) {
      while (state.ready.length > 0 && state.failure === undefined) {
        const result = state.ready.shift() as R;
        state.taken--;
        wake(state);
        yield result;
      }
      if (state.failure !== undefined) throw state.failure.error;
      if (state.sourceEnded && state.running === 0) return;
      await new Promise<void>((resolve) => {
        state.wakeConsumer = resolve;
      });
    }
  } finally {
    both.removeEventListener("abort", onAbort);
    state.failure ??= { error: undefined };
    stop.abort();
    wake(state);
    if (!state.sourceEnded) iterator.return?.()?.then(undefined, () => undefined);
    while (state.running > 0) {
      await new Promise<void>((resolve) => {
        state.wakeConsumer = resolve;
      });
    }
  }
}

async function feed<T, R>(
  iterator: AsyncIterator<T>,
  limit: number,
  fn: (item: T, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal,
  state: State<R>,
  fail: (error: unknown) => void,
): Promise<void> {
  try {
    for (;;) {
      while (state.taken >= limit && state.failure === undefined) {
        await new Promise<void>((resolve) => {
          state.wakeFeeder = resolve;
        });
      }
      if (state.failure !== undefined) return;
      const next = await iterator.next();
      if (next.done === true) break;
      // The stream may have ended while the source was asked.
      if (state.failure !== undefined) return;
      state.taken++;
      state.running++;
      void fn(next.value, signal)
        .then((result) => void state.ready.push(result), fail)
        .finally(() => {
          state.running--;
          wake(state);
        });
    }
  } catch (error) {
    fail(error);
  } finally {
    state.sourceEnded = true;
    wake(state);
  }
}

function wake(state: State<unknown>): void {
  state.wakeConsumer?.();
  state.wakeFeeder?.();
  state.wakeConsumer = undefined;
  state.wakeFeeder = undefined;
}
