/** The writing half: cuts batches into jobs of bounded size, sends small files to threads and reads big ones here. */
import { assert } from "../../errors/index.ts";
import type { FileBatch, FileJob, FileResult, LocalName } from "../../format/index.ts";
import { type BigFileTools, storeBigFile } from "./big-file.ts";
import { decodeFileRecords } from "./file-records.ts";
import { SMALL_FILE_BYTES } from "./memory.ts";
import { packNames } from "./name-column.ts";
import type { FilesReply, JobReply } from "./protocol.ts";
import type { NewJob } from "./thread-pool.ts";

/** A job ends at whichever comes first, so that threads finish at the same time and results flow. */
const FILES_IN_JOB = 256;
const BYTES_IN_JOB: number = 4 * 1024 * 1024;

export interface UploadTools extends BigFileTools {
  readonly hashBytes: number;
  readonly nowS: () => number;
  /** Through the gate to a thread. */
  readonly submit: (job: NewJob) => Promise<JobReply>;
}

/** One file for the main thread, or some for a thread. */
export type UploadItem =
  | { readonly big: FileJob; readonly directory: LocalName }
  | { readonly small: readonly FileJob[]; readonly directory: LocalName };

/** Batches as jobs; a directory's order is kept among its small files, which then lie together in a pack. */
export async function* uploadItems(
  batches: AsyncIterable<FileBatch>,
  splitter: string,
): AsyncGenerator<UploadItem, void, void> {
  for await (const { directory, files } of batches) {
    let small: FileJob[] = [];
    let bytes = 0;
    for (const file of files) {
      if (file.range !== undefined || file.expected.sizeBytes > SMALL_FILE_BYTES) {
        yield { big: file, directory };
        continue;
      }
      const full = small.length >= FILES_IN_JOB || bytes + file.expected.sizeBytes > BYTES_IN_JOB;
      const otherSplitter = (small[0]?.splitter ?? splitter) !== (file.splitter ?? splitter);
      if (small.length > 0 && (full || otherSplitter)) {
        yield { small, directory };
        small = [];
        bytes = 0;
      }
      small.push(file);
      bytes += file.expected.sizeBytes;
    }
    if (small.length > 0) yield { small, directory };
  }
}

/** Stores one item. Failures of files are results. */
export async function storeItem(
  item: UploadItem,
  tools: UploadTools,
  signal: AbortSignal,
): Promise<readonly FileResult[]> {
  signal.throwIfAborted();
  if ("big" in item) return [await storeBigFile(item.directory, item.big, tools, signal)];
  const reply = await tools.submit({
    op: "files",
    nowS: tools.nowS(),
    directory: item.directory,
    names: packNames(item.small.map(({ name }) => name)),
    compressors: compressorColumn(item.small),
    splitter: item.small[0]?.splitter ?? tools.splitter,
  });
  assert(reply.op === "files", "a files job is answered by files");
  return resultsOf(item.small, item.directory, reply, tools, signal);
}

async function resultsOf(
  files: readonly FileJob[],
  directory: LocalName,
  reply: FilesReply,
  tools: UploadTools,
  signal: AbortSignal,
): Promise<readonly FileResult[]> {
  const results = decodeFileRecords(reply.records, files, tools.hashBytes);
  for (const { index, code, message, vanished, tooBig } of reply.failures) {
    const file = files[index];
    assert(file !== undefined, "a failure names a file of its job");
    results.push(
      tooBig
        ? await storeBigFile(directory, file, tools, signal)
        : { job: file.job, ok: false, code, message, vanished },
    );
  }
  return results;
}

function compressorColumn(files: readonly FileJob[]): number | Uint32Array {
  const first = files[0]?.compressor ?? 0;
  return files.every(({ compressor }) => (compressor ?? 0) === first)
    ? first
    : Uint32Array.from(files, ({ compressor }) => compressor ?? 0);
}
