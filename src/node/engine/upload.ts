/** The writing half: small files go to threads as jobs of bounded size, big ones are read here. */
import { assert } from "../../errors/index.ts";
import type { FileBatch, FileJob, FileResult } from "../../format/index.ts";
import { type BigFileTools, storeBigFile } from "./big-file.ts";
import { decodeFileRecords } from "./file-records.ts";
import { type Gathered, gather } from "./gather.ts";
import { SMALL_FILE_BYTES } from "./memory.ts";
import { groupNames, type Placed } from "./name-groups.ts";
import type { JobReply } from "./protocol.ts";
import type { NewJob } from "./thread-pool.ts";

const FILES_IN_JOB = 128;
const BYTES_IN_JOB: number = 4 * 1024 * 1024;

/** Of any splitter, but for the last of a file. */
const SHORTEST_SEGMENT_BYTES: number = 64 * 1024;

export interface UploadTools extends BigFileTools {
  readonly hashBytes: number;
  /** Contents are sealed first. */
  readonly sealed: boolean;
  readonly nowS: () => number;
  /** Through the gate to a thread; `claims` is the most contents that it can be. */
  readonly submit: (job: NewJob, claims: number) => Promise<JobReply>;
}

/** Batches as jobs. */
export function uploadItems(
  batches: AsyncIterable<FileBatch>,
  splitter: string,
): AsyncGenerator<Gathered<FileJob>, void, void> {
  return gather(batches, {
    maxFiles: FILES_IN_JOB,
    maxBytes: BYTES_IN_JOB,
    isBig: (file) => file.range !== undefined || file.expected.sizeBytes > SMALL_FILE_BYTES,
    sizeBytes: (file) => file.expected.sizeBytes,
    fit: (a, b) => (a.splitter ?? splitter) === (b.splitter ?? splitter),
  });
}

/** Stores one item. Failures of files are results. */
export async function storeItem(
  item: Gathered<FileJob>,
  tools: UploadTools,
  signal: AbortSignal,
): Promise<readonly FileResult[]> {
  signal.throwIfAborted();
  if ("big" in item) return [await storeBigFile(item.big.directory, item.big.file, tools, signal)];
  const reply = await tools.submit(
    {
      op: "files",
      nowS: tools.nowS(),
      groups: groupNames(item.small),
      compressors: compressorColumn(item.small),
      splitter: item.small[0]?.file.splitter ?? tools.splitter,
      sealed: tools.sealed,
    },
    item.small.length + BYTES_IN_JOB / SHORTEST_SEGMENT_BYTES,
  );
  assert(reply.op === "files", "a files job is answered by files");
  const results = decodeFileRecords(reply.records, item.small, tools);
  for (const { index, code, message, vanished, tooBig } of reply.failures) {
    const placed = item.small[index];
    assert(placed !== undefined, "a failure names a file of its job");
    results.push(
      tooBig
        ? await storeBigFile(placed.directory, placed.file, tools, signal)
        : { job: placed.file.job, ok: false, code, message, vanished },
    );
  }
  return results;
}

function compressorColumn(files: readonly Placed<FileJob>[]): number | Uint32Array {
  const first = files[0]?.file.compressor ?? 0;
  return files.every(({ file }) => (file.compressor ?? 0) === first)
    ? first
    : Uint32Array.from(files, ({ file }) => file.compressor ?? 0);
}
