/**
 * Small files, directory by directory, in a thread: each is opened, read in one go, cut where its splitter says, and
 * stored. One file's failure is recorded; the others go on.
 */
import { closeSync, constants, readSync } from "node:fs";
import { assert, errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import type { LocalName, LocalStat } from "../../format/index.ts";
import { fstatExact, isSystemError, joinLocal, nameText, openSource } from "../files/index.ts";
import type { ContentStorer, PieceOutcome } from "./content-storer.ts";
import type { FileRecordWriter } from "./file-records.ts";
import { SMALL_FILE_BYTES } from "./memory.ts";
import type { SealingPlace, SealingStorer } from "./sealing-storer.ts";
import { namesOf } from "./name-groups.ts";
import type { FileFailure, FilesJob, FilesReply } from "./protocol.ts";

/** Segments of the bytes in the thread's scratch area: lengths in order. */
export type SplitScratch = (
  lengthBytes: number,
  splitter: string,
  sealed: boolean,
) => readonly number[];

/** Stores segments as they are, or sealed. */
export interface SegmentStorer extends Pick<ContentStorer, "hasRoom" | "makeRoom"> {
  readonly outcome: Readonly<PieceOutcome>;
  store(data: Uint8Array, compressor: number, nowS: number, place: SealingPlace): void;
}

export interface StoreFilesTools {
  readonly storer: ContentStorer;
  /** Absent where nothing is sealed. */
  readonly sealer: SealingStorer | undefined;
  readonly scratch: Uint8Array;
  /** The part of it that no small file reaches. */
  readonly spare: Uint8Array;
  readonly split: SplitScratch;
  /** Kept from job to job. */
  readonly records: FileRecordWriter;
}

/** A file has grown beyond what the small path takes. */
class TooBig extends Error {}

export async function storeFiles(job: FilesJob, tools: StoreFilesTools): Promise<FilesReply> {
  const { records, scratch, spare, split } = tools;
  const storer = storerFor(job, tools);
  const failures: FileFailure[] = [];
  records.clear();
  let index = -1;
  for (const path of pathsOf(job)) {
    index++;
    records.begin();
    let file: ReadFile;
    try {
      file = readFile(path, scratch);
    } catch (error) {
      records.fail();
      failures.push(failureOf(index, path, error));
      continue;
    }
    const compressor =
      typeof job.compressors === "number" ? job.compressors : job.compressors[index]!;
    let newBytes = 0;
    let at = 0;
    for (const length of split(file.sizeBytes, job.splitter, job.sealed)) {
      // What fails from here on is the engine's failure, not the file's.
      if (!storer.hasRoom(length)) await storer.makeRoom(length);
      const place = { spare, mayOverwrite: at + length === file.sizeBytes };
      storer.store(scratch.subarray(at, at + length), compressor, job.nowS, place);
      if (storer.outcome.isNew) newBytes += length;
      records.piece(storer.outcome, length);
      at += length;
    }
    records.end(file.sizeBytes, newBytes, file.after);
  }
  return { op: "files", job: job.job, records: records.take(), failures };
}

/** SECURITY: what is to be sealed is never stored otherwise. */
export function storerFor(
  { sealed }: { readonly sealed: boolean },
  { storer, sealer }: Pick<StoreFilesTools, "storer" | "sealer">,
): SegmentStorer {
  if (!sealed) return storer;
  assert(sealer !== undefined, "a thread that seals has the secrets for it");
  return sealer;
}

function* pathsOf(job: FilesJob): Generator<LocalName, void, void> {
  for (const group of job.groups) {
    for (const name of namesOf(group)) yield joinLocal(group.directory, name);
  }
}

interface ReadFile {
  readonly sizeBytes: number;
  readonly after: LocalStat;
}

/** The whole file at the beginning of `scratch`. */
function readFile(path: LocalName, scratch: Uint8Array): ReadFile {
  const fd = openSource(path);
  try {
    const sizeBytes = readWhole(fd, scratch);
    const after = fstatExact(fd);
    if ((after.mode & constants.S_IFMT) !== constants.S_IFREG)
      throw new SejfError("SEJF_SOURCE", "it is no longer a regular file");
    return { sizeBytes, after };
  } finally {
    closeSync(fd);
  }
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
