/**
 * Big files: the main thread reads straight into a slot of the shared memory, finds the end of the segment there, and
 * posts the slot; threads hash and encrypt from it. One file is read at a time, synchronously but in short steps.
 */
import { closeSync, constants, readSync } from "node:fs";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import type {
  ContentPiece,
  ContentRef,
  FileJob,
  FileResult,
  LocalName,
  LocalStat,
} from "../../format/index.ts";
import {
  fstatExact,
  isSystemError,
  joinLocal,
  localStat,
  nameText,
  openSource,
} from "../files/index.ts";
import type { EngineMemory, NumberPool } from "./memory.ts";
import type { SegmentReply } from "./protocol.ts";
import type { SegmentFinder } from "./thread-tools.ts";

/** Read at once after the part in which no cut can be; what lies behind a cut is moved to the next slot. */
const STEP_BYTES = 256 * 1024;

export interface BigFileTools {
  readonly memory: EngineMemory;
  readonly slots: NumberPool;
  readonly finder: (splitter: string) => SegmentFinder;
  readonly splitter: string;
  /** One reader at a time. */
  readonly turn: Turn;
  /** Stores the segment in a slot. */
  readonly storeSlot: (
    slot: number,
    lengthBytes: number,
    compressor: number,
  ) => Promise<SegmentReply>;
}

/** Calls one after the other, in the order they came. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve();

  take<R>(call: () => Promise<R>): Promise<R> {
    const result = this.#last.then(call);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

interface ReadFile {
  readonly segments: readonly Promise<StoredSegment>[];
  readonly after: LocalStat;
}

interface StoredSegment {
  readonly reply: SegmentReply;
  readonly lengthBytes: number;
}

/** Reads, cuts and stores one file. Its own failure is a result; the engine's is thrown. */
export async function storeBigFile(
  directory: LocalName,
  job: FileJob,
  tools: BigFileTools,
  signal: AbortSignal,
): Promise<FileResult> {
  const path = joinLocal(directory, job.name);
  const segments: Promise<StoredSegment>[] = [];
  let read: ReadFile;
  try {
    read = await tools.turn.take(() => readSegments(path, job, tools, segments, signal));
  } catch (error) {
    // What was posted is stored or fails on its own; the slots come back either way.
    await Promise.allSettled(segments);
    if (error instanceof ReadFailed) return failure(job.job, path, error.cause);
    throw error;
  }
  const stored = await Promise.all(read.segments);
  return {
    job: job.job,
    ok: true,
    pieces: stored.map(pieceOf),
    sizeBytes: stored.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
    newBytes: stored.reduce(
      (sum, { reply, lengthBytes }) => sum + (reply.isNew ? lengthBytes : 0),
      0,
    ),
    after: read.after,
  };
}

/** The file's own failure, as `cause`. */
class ReadFailed extends Error {}

async function readSegments(
  path: LocalName,
  job: FileJob,
  tools: BigFileTools,
  segments: Promise<StoredSegment>[],
  signal: AbortSignal,
): Promise<ReadFile> {
  const fd = ofFile(() => openSource(path));
  let slot = await tools.slots.acquire();
  try {
    const after = ofFile(() => fstatExact(fd));
    if ((after.mode & constants.S_IFMT) !== constants.S_IFREG) {
      throw new ReadFailed("", {
        cause: new SejfError("SEJF_SOURCE", "it is no longer a regular file"),
      });
    }
    const finder = tools.finder(job.splitter ?? tools.splitter);
    const reader = new RangeReader(fd, job.range?.offset ?? 0, job.range?.length);
    let filled = 0;
    let examined = 0;
    const send = (length: number): void => {
      const segment = storeOne(slot, length, job.compressor ?? 0, tools);
      // Its failure is looked at when the file has been read.
      segment.catch(() => undefined);
      segments.push(segment);
      slot = -1;
    };
    for (;;) {
      const bytes = tools.memory.slot(slot);
      const cut =
        filled > examined && filled >= finder.minSegmentBytes
          ? finder.findCut(bytes, filled, examined)
          : -1;
      if (cut >= 0) {
        send(cut);
        slot = await tools.slots.acquire();
        signal.throwIfAborted();
        tools.memory.slot(slot).set(bytes.subarray(cut, filled));
        filled -= cut;
        examined = 0;
        await nextTurn();
        continue;
      }
      examined = filled >= finder.minSegmentBytes ? filled : 0;
      const step = Math.max(STEP_BYTES, finder.minSegmentBytes - filled);
      const count = ofFile(() => reader.read(bytes, filled, step));
      if (count === 0) break;
      filled += count;
    }
    if (filled > 0 || segments.length === 0) send(filled);
    return { segments, after: localStat(ofFile(() => fstatExact(fd))) };
  } finally {
    if (slot >= 0) tools.slots.release(slot);
    closeSync(fd);
  }
}

async function storeOne(
  slot: number,
  lengthBytes: number,
  compressor: number,
  tools: BigFileTools,
): Promise<StoredSegment> {
  try {
    return { reply: await tools.storeSlot(slot, lengthBytes, compressor), lengthBytes };
  } finally {
    tools.slots.release(slot);
  }
}

/** Reads a file, or a part of it, in order. */
class RangeReader {
  readonly #fd: number;
  #position: number;
  readonly #end: number;

  constructor(fd: number, offset: number, length: number | undefined) {
    this.#fd = fd;
    this.#position = offset;
    this.#end = length === undefined ? Number.POSITIVE_INFINITY : offset + length;
  }

  /** Bytes read into `target` at `at`; 0 at the end. */
  read(target: Uint8Array, at: number, maxBytes: number): number {
    const wanted = Math.min(maxBytes, target.byteLength - at, this.#end - this.#position);
    if (wanted <= 0) return 0;
    const count = readSync(this.#fd, target, at, wanted, this.#position);
    this.#position += count;
    return count;
  }
}

function pieceOf({ reply, lengthBytes }: StoredSegment): ContentPiece {
  const ref = reply.hash as ContentRef;
  return reply.objectCompressed
    ? { ref, lengthBytes, objectCompressed: true }
    : { ref, lengthBytes };
}

function ofFile<R>(call: () => R): R {
  try {
    return call();
  } catch (error) {
    throw new ReadFailed("", { cause: error });
  }
}

function failure(job: number, path: LocalName, error: unknown): FileResult {
  const vanished = isSystemError(error, "ENOENT");
  const { code, message } =
    error instanceof SejfError
      ? { code: error.code, message: `reading ${nameText(path)}: ${error.message}` }
      : errorFromUnknown(error, `reading ${nameText(path)}`);
  return { job, ok: false, code: vanished ? "SEJF_SOURCE" : code, message, vanished };
}

/** Lets finished packs and replies be handled between two segments. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
