/**
 * Small files, directory by directory, in a thread: each is opened, read in one go, cut where its splitter says, and
 * stored. The smallest are read one behind the other and named together. One file's failure is recorded; the others go
 * on.
 */
import { constants, readSync } from "node:fs";
import { assert, errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import type { LocalName, LocalStat } from "../../format/index.ts";
import { fstatExact, isSystemError, joinLocal, nameText, SourceDirectory } from "../files/index.ts";
import type { ContentStorer, PieceOutcome } from "./content-storer.ts";
import type { FileRecordWriter } from "./file-records.ts";
import { GATHERED_BYTES, SMALL_FILE_BYTES } from "./memory.ts";
import type { SealingPlace, SealingStorer } from "./sealing-storer.ts";
import { namesOf } from "./name-groups.ts";
import type { FileFailure, FilesJob, FilesReply } from "./protocol.ts";

/** Segments of so many bytes from a place of the thread's scratch area on: lengths in order. */
export type SplitScratch = (
  at: number,
  lengthBytes: number,
  splitter: string,
  sealed: boolean,
) => readonly number[];

/** Longer files are hashed faster alone. */
const MAX_GATHERED_FILE_BYTES: number = 16 << 10;
const MAX_GATHERED_FILES = 64;

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
  return await new FilesStorer(job, tools).run();
}

class FilesStorer {
  readonly #job: FilesJob;
  readonly #tools: StoreFilesTools;
  readonly #storer: SegmentStorer;
  readonly #hashBytes: number;
  readonly #failures: FileFailure[] = [];
  /** At the beginning of the scratch area, not stored yet. */
  readonly #gathered: GatheredFile[] = [];
  #gatheredBytes = 0;

  constructor(job: FilesJob, tools: StoreFilesTools) {
    this.#job = job;
    this.#tools = tools;
    this.#storer = storerFor(job, tools);
    this.#hashBytes = tools.storer.hashBytes;
  }

  async run(): Promise<FilesReply> {
    const { job, groups, compressors } = this.#job;
    const { records } = this.#tools;
    records.clear();
    let index = 0;
    for (const group of groups) {
      const names = namesOf(group);
      using directory = new SourceDirectory(group.directory, names.length);
      for (const name of names) {
        const compressor = typeof compressors === "number" ? compressors : compressors[index]!;
        try {
          this.#read(directory, name, compressor);
        } catch (error) {
          await this.#storeGathered();
          records.begin();
          records.fail();
          this.#failures.push(failureOf(index, joinLocal(group.directory, name), error));
        }
        index++;
        if (this.#isFull) await this.#storeGathered();
      }
    }
    await this.#storeGathered();
    return { op: "files", job, records: records.take(), failures: this.#failures };
  }

  /** Behind what is gathered. */
  #read(directory: SourceDirectory, name: LocalName, compressor: number): void {
    const file = directory.openFile(name);
    try {
      const { sizeBytes, after } = readFile(file.fd, this.#tools.scratch, this.#gatheredBytes);
      this.#gathered.push({ sizeBytes, after, compressor, pieceCount: 0 });
      this.#gatheredBytes += sizeBytes;
    } finally {
      file.close();
    }
  }

  /** Whether the last one that was read must be the last. SECURITY: what is sealed is named as ciphertext, alone. */
  get #isFull(): boolean {
    const last = this.#gathered.at(-1);
    return (
      this.#job.sealed ||
      this.#gathered.length === MAX_GATHERED_FILES ||
      this.#gatheredBytes > GATHERED_BYTES - MAX_GATHERED_FILE_BYTES ||
      (last !== undefined && last.sizeBytes > MAX_GATHERED_FILE_BYTES)
    );
  }

  /** What fails here is the engine's failure, not a file's. */
  async #storeGathered(): Promise<void> {
    const pieces = this.#split();
    const hashes = this.#hashes(pieces);
    let piece = 0;
    let at = 0;
    for (const { sizeBytes, after, compressor, pieceCount } of this.#gathered) {
      const { records } = this.#tools;
      records.begin();
      let newBytes = 0;
      for (const last = piece + pieceCount; piece < last; piece++) {
        const lengthBytes = pieces[piece]!;
        const hash = hashes?.subarray(piece * this.#hashBytes, (piece + 1) * this.#hashBytes);
        const isLast = piece + 1 === last;
        if (!this.#storer.hasRoom(lengthBytes)) await this.#storer.makeRoom(lengthBytes);
        const outcome = this.#storePiece({ at, lengthBytes, compressor, hash, isLast });
        if (outcome.isNew) newBytes += lengthBytes;
        records.piece(outcome, lengthBytes);
        at += lengthBytes;
      }
      records.end(sizeBytes, newBytes, after);
    }
    this.#gathered.length = 0;
    this.#gatheredBytes = 0;
  }

  /** Lengths of the pieces of all files, in order. */
  #split(): Uint32Array {
    const { split } = this.#tools;
    const { splitter, sealed } = this.#job;
    const lengths: number[] = [];
    let at = 0;
    for (const file of this.#gathered) {
      const ofFile = split(at, file.sizeBytes, splitter, sealed);
      lengths.push(...ofFile);
      file.pieceCount = ofFile.length;
      at += file.sizeBytes;
    }
    return Uint32Array.from(lengths);
  }

  /** `undefined` where each is named when it is stored: one alone, and what is sealed or compressed before. */
  #hashes(lengths: Uint32Array): Uint8Array | undefined {
    const { storer, scratch } = this.#tools;
    const isPlain = ({ compressor }: GatheredFile): boolean => storer.isNamedPlain(compressor);
    if (lengths.length < 2 || this.#job.sealed || !this.#gathered.every(isPlain)) return undefined;
    return storer.hashMany(scratch.subarray(0, this.#gatheredBytes), lengths);
  }

  #storePiece({ at, lengthBytes, compressor, hash, isLast }: Piece): PieceOutcome {
    const { storer, scratch, spare } = this.#tools;
    const { nowS } = this.#job;
    const data = scratch.subarray(at, at + lengthBytes);
    if (hash !== undefined) {
      storer.storeNamed({ data, hash, compressor, nowS, evenly: false });
      return storer.outcome;
    }
    this.#storer.store(data, compressor, nowS, { spare, mayOverwrite: isLast });
    return this.#storer.outcome;
  }
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

interface ReadFile {
  readonly sizeBytes: number;
  readonly after: LocalStat;
}

interface GatheredFile extends ReadFile {
  readonly compressor: number;
  pieceCount: number;
}

/** Part of a file, in the scratch area. */
interface Piece {
  readonly at: number;
  readonly lengthBytes: number;
  readonly compressor: number;
  readonly hash: Uint8Array | undefined;
  /** Nothing that lies behind it is of the same file. */
  readonly isLast: boolean;
}

/** The whole file from a place of `scratch` on. */
function readFile(fd: number, scratch: Uint8Array, at: number): ReadFile {
  const sizeBytes = readWhole(fd, scratch, at);
  const after = fstatExact(fd);
  if ((after.mode & constants.S_IFMT) !== constants.S_IFREG)
    throw new SejfError("SEJF_SOURCE", "it is no longer a regular file");
  return { sizeBytes, after };
}

/** The number of bytes in the file. A read that gives less than it could has met the end. */
function readWhole(fd: number, scratch: Uint8Array, at: number): number {
  let length = 0;
  for (;;) {
    const wanted = SMALL_FILE_BYTES + 1 - length;
    const count = readSync(fd, scratch, at + length, wanted, null);
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
