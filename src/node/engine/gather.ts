/**
 * Batches as jobs of a size that suits threads: big files alone, small ones of several directories together, since a
 * message costs as much as some files. What has been gathered is not held back while the source is silent.
 */
import type { LocalName } from "../../format/index.ts";
import { settlesSoon } from "../turn/index.ts";
import type { Placed } from "./name-groups.ts";

/** A job ends at whichever comes first, so that threads finish at the same time and results flow. */
export interface GatherRules<F> {
  readonly maxFiles: number;
  readonly maxBytes: number;
  readonly isBig: (file: F) => boolean;
  readonly sizeBytes: (file: F) => number;
  /** Whether two small files may be in one job. */
  readonly fit: (a: F, b: F) => boolean;
}

export type Gathered<F> = { readonly big: Placed<F> } | { readonly small: readonly Placed<F>[] };

interface Batch<F> {
  readonly directory: LocalName;
  readonly files: readonly F[];
}

/** All files of all batches; the order among small files is kept, so that a directory lies together in a pack. */
export async function* gather<F>(
  batches: AsyncIterable<Batch<F>>,
  rules: GatherRules<F>,
): AsyncGenerator<Gathered<F>, void, void> {
  const iterator = batches[Symbol.asyncIterator]();
  let small: Placed<F>[] = [];
  let bytes = 0;
  const isFull = (file: F): boolean =>
    small.length > 0 &&
    (small.length >= rules.maxFiles ||
      bytes + rules.sizeBytes(file) > rules.maxBytes ||
      !rules.fit(small[0]!.file, file));
  let ended = false;
  try {
    for (;;) {
      const coming = iterator.next();
      if (small.length > 0 && !(await settlesSoon(coming))) {
        yield { small };
        small = [];
        bytes = 0;
      }
      const next = await coming;
      if (next.done === true) break;
      const { directory, files } = next.value;
      for (const file of files) {
        if (rules.isBig(file)) {
          yield { big: { directory, file } };
          continue;
        }
        if (isFull(file)) {
          yield { small };
          small = [];
          bytes = 0;
        }
        small.push({ directory, file });
        bytes += rules.sizeBytes(file);
      }
    }
    ended = true;
    if (small.length > 0) yield { small };
  } finally {
    if (!ended) await iterator.return?.();
  }
}
