/**
 * Small files, directory by directory, in a thread: each is opened, read in one go, cut where its splitter says, and
 * stored. One file's failure is recorded; the others go on.
 */
import { closeSync, constants, readSync } from "node:fs";
import { errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import type { LocalName } from "../../format/index.ts";
import { fstatExact, isSystemError, joinLocal, nameText, openSource } from "../files/index.ts";
import type { ContentStorer } from "./content-storer.ts";
import { FileRecordWriter } from "./file-records.ts";
import { SMALL_FILE_BYTES } from "./memory.ts";
import { namesOf } from "./name-groups.ts";
import type { FileFailure, FilesJob, FilesReply } from "./protocol.ts";

/** Segments of the bytes in the thread's scratch area: lengths in order. */
export type SplitScratch = (lengthBytes: number, splitter: string) => readonly number[];

export interface StoreFilesTools {
  readonly storer: ContentStorer;
  readonly scratch: Uint8Array;
  readonly split: SplitScratch;
  readonly hashBytes: number;
}

/** A file has grown beyond what the small path takes. */
class TooBig extends Error {}

export async function storeFiles(job: FilesJob, tools: StoreFilesTools): Promise<FilesReply> {
  const records = new FileRecordWriter(tools.hashBytes);
  const failures: FileFailure[] = [];
  let index = -1;
  for (const path of pathsOf(job)) {
    index++;
    const compressor =
      typeof job.compressors === "number" ? job.compressors : job.compressors[index]!;
    records.begin();
    let fd = -1;
    try {
      fd = openSource(path);
      await storeOne(fd, compressor, job, tools, records);
    } catch (error) {
      // The reading of one file may fail, the engine may not.
      if (isFatal(error)) throw error;
      records.fail();
      failures.push(failureOf(index, path, error));
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }
  return { op: "files", job: job.job, records: records.take(), failures };
}

function* pathsOf(job: FilesJob): Generator<LocalName, void, void> {
  for (const group of job.groups) {
    for (const name of namesOf(group)) yield joinLocal(group.directory, name);
  }
}

async function storeOne(
  fd: number,
  compressor: number,
  job: FilesJob,
  tools: StoreFilesTools,
  records: FileRecordWriter,
): Promise<void> {
  const { storer, scratch } = tools;
  const sizeBytes = readWhole(fd, scratch);
  const after = fstatExact(fd);
  if ((after.mode & constants.S_IFMT) !== constants.S_IFREG)
    throw new SejfError("SEJF_SOURCE", "it is no longer a regular file");
  let newBytes = 0;
  let at = 0;
  for (const length of tools.split(sizeBytes, job.splitter)) {
    if (!storer.hasRoom(length)) await engineCall(storer.makeRoom(length));
    storeSegment(storer, scratch.subarray(at, at + length), compressor, job.nowS);
    const { hash, isNew, objectCompressed } = storer.outcome;
    if (isNew) newBytes += length;
    records.piece(hash, length, objectCompressed);
    at += length;
  }
  records.end({ sizeBytes, newBytes, after });
}

/** The number of bytes in the file. A read that gives less than it could has met the end. */
function readWhole(fd: number, scratch: Uint8Array): number {
  let length = 0;
  for (;;) {
    const wanted = SMALL_FILE_BYTES + 1 - length;
    const count = readSync(fd, scratch, length, wanted, null);
    length += count;
    if (length > SMALL_FILE_BYTES) throw new TooBig();
    if (count < wanted && (count === 0 || count >= 4096 || length < 4096)) return length;
  }
}

/** An error of the engine itself, not of a file. */
class EngineError extends Error {}

function storeSegment(
  storer: ContentStorer,
  data: Uint8Array,
  compressor: number,
  nowS: number,
): void {
  try {
    storer.store(data, compressor, nowS);
  } catch (error) {
    throw new EngineError("storing a content", { cause: error });
  }
}

async function engineCall(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    throw new EngineError("waiting for a pack", { cause: error });
  }
}

function isFatal(error: unknown): boolean {
  return error instanceof EngineError;
}

function failureOf(index: number, path: LocalName, error: unknown): FileFailure {
  if (error instanceof TooBig)
    return { index, code: "SEJF_SOURCE", message: "", vanished: false, tooBig: true };
  const vanished = isSystemError(error, "ENOENT");
  const known = isSejfError(error)
    ? new SejfError(error.code, `reading ${nameText(path)}: ${error.message}`)
    : errorFromUnknown(error, `reading ${nameText(path)}`);
  return {
    index,
    code: vanished ? "SEJF_SOURCE" : known.code,
    message: known.message,
    vanished,
    tooBig: false,
  };
}
