/** What the tests of a file begin with and then change: made once, by whoever asks first, and copied for each. */
import { after } from "node:test";

const made: Promise<AsyncDisposable>[] = [];

// Behind the last test of the file: a hook that is set inside of a test is that test's.
after(async () => {
  for (const first of await Promise.allSettled(made))
    if (first.status === "fulfilled") await first.value[Symbol.asyncDispose]();
});

/** Gives each that asks a copy of its own. Nobody else has the first one. */
export function copiesOf<T extends AsyncDisposable>(
  make: () => Promise<T>,
  copy: (first: T) => Promise<T>,
): () => Promise<T> {
  let first: Promise<T> | undefined;
  return async () => {
    if (first === undefined) {
      first = make();
      made.push(first);
    }
    return await copy(await first);
  };
}
