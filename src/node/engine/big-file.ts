/**
 * Big files: the main thread reads straight into a slot of the shared memory, finds the end of the segment there, and
 * posts the slot; threads hash and encrypt from it. One file is read at a time, synchronously but in short steps.
 * Segments of zeros are stored once a file, and holes of sparse files are not read at all.
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
  nextDataOffset,
  openSource,
} from "../files/index.ts";
import type { EngineMemory, NumberPool } from "./memory.ts";
import type { SegmentReply } from "./protocol.ts";
import type { SegmentFinder } from "./thread-tools.ts";

/** Read at once after the part in which no cut can be; what lies behind a cut is moved to the next slot. */
export const STEP_BYTES: number = 256 * 1024;

export interface BigFileTools {
  readonly memory: EngineMemory;
  readonly slots: NumberPool;
  /** Where the bytes behind a cut wait for the next slot: a slot that was posted is the thread's to write to. */
  readonly rest: Uint8Array;
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
  /** Told of what was stored of a file that is still being read. */
  readonly onBytes?: ((job: number, bytes: number) => void) | undefined;
  /** Given what tells the pieces that are stored by then, as reading begins. */
  readonly onReading?: ((job: number, soFar: () => readonly ContentPiece[]) => void) | undefined;
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
  readonly segments: readonly Run[];
  readonly after: LocalStat;
}

/** The same segment, so many times in a row. */
interface Run {
  readonly segment: Segment;
  count: number;
}

interface Segment {
  readonly storing: Promise<StoredSegment>;
  /** Once it is. */
  stored: StoredSegment | undefined;
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
  const segments = new Segments(job, tools);
  tools.onReading?.(job.job, () => segments.soFar());
  let read: ReadFile;
  try {
    read = await tools.turn.take(() => readSegments(path, job, tools, segments, signal));
  } catch (error) {
    // What was posted is stored or fails on its own; the slots come back either way.
    await segments.settled();
    if (error instanceof ReadFailed) return failure(job.job, path, error.cause);
    throw error;
  }
  const pieces: ContentPiece[] = [];
  let sizeBytes = 0;
  let newBytes = 0;
  const counted = new Set<Segment>();
  for (const { segment, count } of read.segments) {
    const { reply, lengthBytes } = await segment.storing;
    const piece = pieceOf(reply, lengthBytes);
    for (let i = 0; i < count; i++) pieces.push(piece);
    sizeBytes += count * lengthBytes;
    if (reply.isNew && !counted.has(segment)) newBytes += lengthBytes;
    counted.add(segment);
  }
  return { job: job.job, ok: true, pieces, sizeBytes, newBytes, after: read.after };
}

/** The segments of one file, of which those that are all zeros are stored once for each length. */
class Segments {
  readonly runs: Run[] = [];
  /** The length at which the splitter cuts zeros, once it has. */
  zeroLength = 0;
  readonly #job: FileJob;
  readonly #tools: BigFileTools;
  readonly #zeros = new Map<number, Segment>();

  constructor(job: FileJob, tools: BigFileTools) {
    this.#job = job;
    this.#tools = tools;
  }

  /** Takes over the slot. `isCut`: the splitter has cut here. */
  add(slot: number, length: number, isCut: boolean): void {
    const zero = isZero(this.#tools.memory.slot(slot), length);
    if (zero && isCut) this.zeroLength = length;
    const known = zero ? this.#zeros.get(length) : undefined;
    if (known !== undefined) {
      this.#tools.slots.release(slot);
      this.#repeat(known, length, 1);
      return;
    }
    const segment: Segment = { storing: this.#store(slot, length), stored: undefined };
    // Its failure is looked at when the file has been read.
    segment.storing.then(
      (stored) => {
        segment.stored = stored;
      },
      () => undefined,
    );
    if (zero) this.#zeros.set(length, segment);
    this.runs.push({ segment, count: 1 });
  }

  /** So many whole segments of zeros, which a splitter would cut that follow here. */
  skipZeros(count: number): void {
    const known = this.#zeros.get(this.zeroLength);
    if (known !== undefined) this.#repeat(known, this.zeroLength, count);
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.runs.map(({ segment }) => segment.storing));
  }

  /** The pieces from the beginning up to the first that is not stored yet. */
  soFar(): readonly ContentPiece[] {
    const pieces: ContentPiece[] = [];
    for (const { segment, count } of this.runs) {
      if (segment.stored === undefined) break;
      const piece = pieceOf(segment.stored.reply, segment.stored.lengthBytes);
      for (let i = 0; i < count; i++) pieces.push(piece);
    }
    return pieces;
  }

  #repeat(known: Segment, length: number, count: number): void {
    const last = this.runs.at(-1);
    if (last?.segment === known) last.count += count;
    else this.runs.push({ segment: known, count });
    this.#tools.onBytes?.(this.#job.job, count * length);
  }

  async #store(slot: number, lengthBytes: number): Promise<StoredSegment> {
    const { storeSlot, slots, onBytes } = this.#tools;
    try {
      const reply = await storeSlot(slot, lengthBytes, this.#job.compressor ?? 0);
      onBytes?.(this.#job.job, lengthBytes);
      return { reply, lengthBytes };
    } finally {
      slots.release(slot);
    }
  }
}

/** Compares the bytes with themselves, one further: as fast as memory. */
function isZero(bytes: Uint8Array, length: number): boolean {
  if (length === 0 || bytes[0] !== 0 || bytes[length - 1] !== 0 || bytes[length >> 1] !== 0)
    return false;
  return Buffer.compare(bytes.subarray(0, length - 1), bytes.subarray(1, length)) === 0;
}

/** The file's own failure, as `cause`. */
class ReadFailed extends Error {}

async function readSegments(
  path: LocalName,
  job: FileJob,
  tools: BigFileTools,
  segments: Segments,
  signal: AbortSignal,
): Promise<ReadFile> {
  const fd = ofFile(() => openSource(path));
  let slot = await tools.slots.acquire();
  try {
    const stat = ofFile(() => fstatExact(fd));
    if ((stat.mode & constants.S_IFMT) !== constants.S_IFREG) {
      throw new ReadFailed("", {
        cause: new SejfError("SEJF_SOURCE", "it is no longer a regular file"),
      });
    }
    const finder = tools.finder(job.splitter ?? tools.splitter);
    const reader = new RangeReader(fd, job.range?.offset ?? 0, job.range?.length);
    let filled = 0;
    let examined = 0;
    const send = (length: number, isCut: boolean): void => {
      const sent = slot;
      slot = -1;
      segments.add(sent, length, isCut);
    };
    for (;;) {
      const bytes = tools.memory.slot(slot);
      const cut =
        filled > examined && filled >= finder.minSegmentBytes
          ? finder.findCut(bytes, filled, examined)
          : -1;
      if (cut >= 0) {
        const rest = keepRest(tools, bytes.subarray(cut, filled));
        send(cut, true);
        slot = await tools.slots.acquire();
        signal.throwIfAborted();
        tools.memory.slot(slot).set(rest);
        filled = rest.byteLength;
        examined = 0;
        if (filled === 0) segments.skipZeros(reader.skipHole(segments.zeroLength, stat.sizeBytes));
        continue;
      }
      examined = filled >= finder.minSegmentBytes ? filled : 0;
      const step = Math.max(STEP_BYTES, finder.minSegmentBytes - filled);
      const count = ofFile(() => reader.read(bytes, filled, step));
      if (count === 0) break;
      filled += count;
      await nextTurn();
    }
    if (filled > 0 || segments.runs.length === 0) send(filled, false);
    return { segments: segments.runs, after: localStat(ofFile(() => fstatExact(fd))) };
  } finally {
    if (slot >= 0) tools.slots.release(slot);
    closeSync(fd);
  }
}

/** A view of `tools.rest`; what was kept there before is lost. */
function keepRest({ rest }: BigFileTools, bytes: Uint8Array): Uint8Array {
  const kept = bytes.byteLength <= rest.byteLength ? rest : new Uint8Array(bytes.byteLength);
  kept.set(bytes);
  return kept.subarray(0, bytes.byteLength);
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

  /** Passes over as many whole lengths as lie in a hole here; says how many. `sizeBytes` is the file's. */
  skipHole(length: number, sizeBytes: number): number {
    if (length === 0 || this.#position + length > sizeBytes) return 0;
    const end = Math.min(nextDataOffset(this.#fd, this.#position), this.#end, sizeBytes);
    const count = Math.max(0, Math.floor((end - this.#position) / length));
    this.#position += count * length;
    return count;
  }
}

function pieceOf(reply: SegmentReply, lengthBytes: number): ContentPiece {
  const ref = reply.hash as ContentRef;
  if (reply.seal !== undefined) return { ref, lengthBytes, seal: reply.seal };
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

/** Lets finished packs and replies be handled: storing a pack is a chain of short steps, each of which waits for its turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
