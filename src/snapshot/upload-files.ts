/** Files on their way through an upload, the parts they are read in, and the small tools of the loop that waits for them. */
import type { CompressorId } from "../compress/index.ts";
import type { ContentPiece, FileBatch, FileJob, FileResult, LocalName } from "../format/index.ts";
import type { EntryStat } from "../node/index.ts";
import { SPLITTERS } from "../splitter/index.ts";
import { compressorOfFile } from "./compression-choice.ts";
import { joinPath } from "./names.ts";
import type { Policy } from "./policy.ts";
import type { DirectoryNode } from "./upload-node.ts";

/** Pieces and bytes of a file or of one of its parts. */
export interface ReadPart {
  readonly pieces: readonly ContentPiece[];
  readonly sizeBytes: number;
}

const SPLITTER_NAMES: ReadonlySet<string> = new Set(SPLITTERS.map(({ name }) => name));

/**
 * A file that is to be read, which is a job by itself unless it is read in parts. There is one for each file that is
 * under way, so it is one object.
 */
export class FileToRead implements FileJob {
  job = -1;
  readonly name: LocalName;
  readonly expected: EntryStat;
  readonly compressor: CompressorId | undefined;
  readonly splitter: string | undefined;
  readonly policy: Policy;
  /** The directory; `undefined` for a single-file snapshot. */
  readonly node: DirectoryNode | undefined;
  /** As it is stored. */
  readonly entryName: string;
  /** Where it is read in parts. */
  parts: FileParts | undefined;
  /** Milliseconds of the clock, where it is to be told how long it took. */
  begunMs = 0;
  /** Which pieces are stored of it, once it is being read. */
  reading: (() => readonly ContentPiece[]) | undefined;

  constructor(
    local: LocalName,
    entryName: string,
    expected: EntryStat,
    node: DirectoryNode | undefined,
    policy: Policy,
  ) {
    this.name = local;
    this.entryName = entryName;
    this.expected = expected;
    this.node = node;
    this.policy = policy;
    this.compressor = compressorOfFile(policy, entryName, expected.sizeBytes);
    this.splitter = knownSplitter(policy);
    const above = policy.upload.parallelUploadAboveSize ?? -1;
    if (above > 0 && expected.sizeBytes > above) this.parts = new FileParts(expected, above);
  }

  /** Below the snapshot's root. */
  get path(): string {
    return joinPath(this.node?.path ?? "", this.entryName);
  }

  /** In order; with parts, gaps between them are closed. */
  piecesSoFar(): readonly ContentPiece[] {
    return this.parts?.piecesSoFar() ?? this.reading?.() ?? [];
  }
}

/** The policy's own splitter; an unknown name means the repository's, as in Kopia. */
export function knownSplitter({ splitter: { algorithm } }: Policy): string | undefined {
  return algorithm !== undefined && SPLITTER_NAMES.has(algorithm) ? algorithm : undefined;
}

/** The parts of one file: all of equal length, and a last one to the end, which may be empty. */
export class FileParts {
  readonly ranges: readonly NonNullable<FileJob["range"]>[];
  missing: number;
  failed = false;
  /** Of each part that is being read or was: which pieces are stored. */
  readonly reading: ((() => readonly ContentPiece[]) | undefined)[] = [];
  readonly #read: (ReadPart | undefined)[];

  constructor({ sizeBytes }: EntryStat, partBytes: number) {
    const full = Math.floor(sizeBytes / partBytes);
    this.ranges = Array.from({ length: full + 1 }, (_, part) => ({
      offset: part * partBytes,
      length: part === full ? undefined : partBytes,
    }));
    this.missing = this.ranges.length;
    this.#read = this.ranges.map(() => undefined);
  }

  put(index: number, part: ReadPart | undefined): void {
    this.missing--;
    if (part === undefined) this.failed = true;
    this.#read[index] = part;
  }

  piecesSoFar(): readonly ContentPiece[] {
    return this.#read.flatMap((part, index) => part?.pieces ?? this.reading[index]?.() ?? []);
  }

  /** The pieces of all parts in order, and the bytes really read. */
  joined(): ReadPart {
    const pieces = this.#read.flatMap((part) => part?.pieces ?? []);
    return { pieces, sizeBytes: this.#read.reduce((sum, part) => sum + (part?.sizeBytes ?? 0), 0) };
  }
}

/** One part of a file as a job. */
class PartToRead implements FileJob {
  readonly job: number;
  readonly file: FileToRead;
  readonly index: number;
  readonly range: NonNullable<FileJob["range"]>;

  constructor(job: number, file: FileToRead, index: number, range: NonNullable<FileJob["range"]>) {
    this.job = job;
    this.file = file;
    this.index = index;
    this.range = range;
  }

  get name(): LocalName {
    return this.file.name;
  }

  get expected(): EntryStat {
    return this.file.expected;
  }

  get compressor(): CompressorId | undefined {
    return this.file.compressor;
  }

  get splitter(): string | undefined {
    return this.file.splitter;
  }
}

/** What has become of a file by a result. */
export interface FileStep {
  readonly file: FileToRead;
  /** All of it has been read; `undefined` while parts are missing, or when it has failed. */
  readonly read: ReadPart | undefined;
  /** This result is its first failure. */
  readonly failedNow: boolean;
  /** Nothing of it is under way any more. */
  readonly done: boolean;
}

export interface UnfinishedFile {
  readonly file: FileToRead;
  readonly pieces: readonly ContentPiece[];
}

/** The jobs that were given away and have no result yet. */
export class FilesUnderWay {
  readonly #jobs = new Map<number, FileToRead | PartToRead>();
  #nextJob = 0;

  get count(): number {
    return this.#jobs.size;
  }

  begin(file: FileToRead): readonly FileJob[] {
    if (file.parts === undefined) {
      file.job = this.#nextJob++;
      this.#jobs.set(file.job, file);
      return [file];
    }
    return file.parts.ranges.map((range, index) => {
      const part = new PartToRead(this.#nextJob++, file, index, range);
      this.#jobs.set(part.job, part);
      return part;
    });
  }

  /** The reading of a job begins. */
  reading(job: number, soFar: () => readonly ContentPiece[]): void {
    const begun = this.#jobs.get(job);
    if (begun instanceof PartToRead) (begun.file.parts as FileParts).reading[begun.index] = soFar;
    else if (begun !== undefined) begun.reading = soFar;
  }

  /** Files that are not done, of which something is stored already. */
  unfinished(): readonly UnfinishedFile[] {
    const files = new Set(
      this.#jobs.values().map((job) => (job instanceof PartToRead ? job.file : job)),
    );
    return [...files]
      .map((file) => ({ file, pieces: file.piecesSoFar() }))
      .filter(({ pieces }) => pieces.length > 0);
  }

  /** `undefined` for a result that belongs to no job. */
  take(result: FileResult): FileStep | undefined {
    const job = this.#jobs.get(result.job);
    if (job === undefined) return undefined;
    this.#jobs.delete(result.job);
    const read = result.ok ? result : undefined;
    if (job instanceof FileToRead)
      return { file: job, read, failedNow: read === undefined, done: true };
    const { file, index } = job;
    const parts = file.parts as FileParts;
    const failedBefore = parts.failed;
    parts.put(index, read);
    const done = parts.missing === 0;
    return {
      file,
      read: done && !parts.failed ? parts.joined() : undefined,
      failedNow: parts.failed && !failedBefore,
      done,
    };
  }
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
