/** Files on their way through an upload: the parts they are read in, and the small tools of the loop that waits for them. */
import type { ContentPiece, FileBatch, FileJob } from "../format/index.ts";
import type { EntryStat } from "../node/index.ts";
import type { DirectoryNode } from "./upload-node.ts";
import type { FileToRead } from "./upload-walk.ts";

/** A file whose parts are being read. */
export interface PendingFile {
  /** The directory; `undefined` for a single-file snapshot. */
  readonly node: DirectoryNode | undefined;
  readonly file: FileToRead;
  readonly parts: (
    | { readonly pieces: readonly ContentPiece[]; readonly sizeBytes: number }
    | undefined
  )[];
  missing: number;
  failed: boolean;
}

/** The ranges that a file is read in: one, or parts of equal length and a last one to the end, which may be empty. */
export function partsOf({
  stat,
  partBytes,
}: {
  readonly stat: EntryStat;
  readonly partBytes: number | undefined;
}): readonly FileJob["range"][] {
  if (partBytes === undefined) return [undefined];
  const full = Math.floor(stat.sizeBytes / partBytes);
  return Array.from({ length: full + 1 }, (_, part) => ({
    offset: part * partBytes,
    length: part === full ? undefined : partBytes,
  }));
}

/** The pieces of all parts in order, and the bytes really read. */
export function joined({ parts }: PendingFile): {
  readonly pieces: readonly ContentPiece[];
  readonly sizeBytes: number;
} {
  const only = parts.length === 1 ? parts[0] : undefined;
  if (only !== undefined) return only;
  const pieces = parts.flatMap((part) => part?.pieces ?? []);
  return { pieces, sizeBytes: parts.reduce((sum, part) => sum + (part?.sizeBytes ?? 0), 0) };
}

/** Just one batch. */
export async function* batchesOf(batch: FileBatch): AsyncGenerator<FileBatch, void, void> {
  yield batch;
}

/** What was taken off a stream, put back in front. */
export async function* startingWith<T>(
  first: T,
  rest: AsyncGenerator<T, void, void>,
): AsyncGenerator<T, void, void> {
  yield first;
  yield* rest;
}

/** True when the work has settled, false when the time is over before. */
export async function settledWithin(settled: Promise<boolean>, waitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, waitMs, false);
  });
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}
