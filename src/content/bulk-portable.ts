/**
 * The bulk paths without threads, made of single writes and reads: the fallback where threads are not to be had
 * (`SEJF_THREADS=0`) and the oracle for the thread engine. One file at a time, its bytes a segment at a time.
 */
import { closeSync, constants, fsyncSync, ftruncateSync, readSync } from "node:fs";
import { type CallOptions, copyBytes, type OwnedBytes } from "../bytes/index.ts";
import {
  type CompressionEngine,
  compressorById,
  type CompressorId,
  payloadCompressorId,
} from "../compress/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type {
  ContentPiece,
  ContentRef,
  ContentRequest,
  ContentResult,
  FileBatch,
  FileJob,
  FileResult,
  LocalName,
  RepositoryFormat,
  RestoreBatch,
  RestoreJob,
  RestoreResult,
  VerifyResult,
  WriteContentOptions,
  WriteFilesOptions,
} from "../format/index.ts";
import {
  discardRestoreFile,
  finishRestoreFile,
  fstatExact,
  isSystemError,
  joinLocal,
  nameText,
  openRestoreFile,
  openSource,
  setFileAttributes,
  writeFully,
  writeSparse,
} from "../node/files/index.ts";
import { createSplitter, type Splitter } from "../splitter/index.ts";

const READ_BYTES = 256 << 10;

export interface PortableParts {
  readonly format: Pick<RepositoryFormat, "splitter" | "indexVersion">;
  readonly compression: CompressionEngine;
  /** By name; Kopia's own where absent. */
  readonly createSplitter?: ((name: string) => Splitter) | undefined;
  /** Whether the content was new beside its name. */
  readonly write: (
    data: Uint8Array,
    options: WriteContentOptions,
  ) => Promise<{ readonly ref: ContentRef; readonly isNew: boolean }>;
  readonly read: (ref: ContentRef, options: CallOptions) => Promise<OwnedBytes>;
  readonly readMany: (
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions,
  ) => AsyncIterable<readonly ContentResult[]>;
}

export class PortableBulk {
  readonly #parts: PortableParts;

  constructor(parts: PortableParts) {
    this.#parts = parts;
  }

  async *writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions = {},
  ): AsyncGenerator<readonly FileResult[], void, void> {
    for await (const batch of batches) {
      const results: FileResult[] = [];
      for (const job of batch.files) {
        options.signal?.throwIfAborted();
        results.push(await this.#writeFile(joinLocal(batch.directory, job.name), job, options));
      }
      yield results;
    }
  }

  async *restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options: CallOptions = {},
  ): AsyncGenerator<readonly RestoreResult[], void, void> {
    for await (const batch of batches) {
      const results: RestoreResult[] = [];
      for (const job of batch.files) {
        options.signal?.throwIfAborted();
        results.push(await this.#restoreFile(batch.directory, job, options));
      }
      yield results;
    }
  }

  async *verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncGenerator<readonly VerifyResult[], void, void> {
    for await (const results of this.#parts.readMany(requests, options)) {
      yield results.map((result) =>
        result.ok ? { job: result.job, ok: true, originalLength: result.data.byteLength } : result,
      );
    }
  }

  async #writeFile(path: LocalName, job: FileJob, options: WriteFilesOptions): Promise<FileResult> {
    let fd: number;
    try {
      fd = openSource(path);
    } catch (error) {
      return sourceFailure(job.job, path, error);
    }
    try {
      return await this.#writeOpenFile(fd, path, job, options);
    } finally {
      closeSync(fd);
    }
  }

  async #writeOpenFile(
    fd: number,
    path: LocalName,
    job: FileJob,
    options: WriteFilesOptions,
  ): Promise<FileResult> {
    const pieces: ContentPiece[] = [];
    options.onReading?.(job.job, () => pieces.slice());
    let sizeBytes = 0;
    let newBytes = 0;
    try {
      if ((fstatExact(fd).mode & constants.S_IFMT) !== constants.S_IFREG)
        throw new SejfError("SEJF_SOURCE", "it is no longer a regular file");
      for (const segment of segments(fd, job, this.#splitterOf(job))) {
        const { piece, isNew } = await stored(this.#storeSegment(segment, job.compressor, options));
        pieces.push(piece);
        sizeBytes += segment.byteLength;
        if (isNew) newBytes += segment.byteLength;
        options.onBytes?.(job.job, segment.byteLength);
      }
      return { job: job.job, ok: true, pieces, sizeBytes, newBytes, after: fstatExact(fd) };
    } catch (error) {
      if (error instanceof StoreError) throw error.cause;
      return sourceFailure(job.job, path, error);
    }
  }

  #splitterOf({ splitter }: FileJob): Splitter {
    const { format, createSplitter: create = createSplitter } = this.#parts;
    return create(splitter ?? format.splitter);
  }

  async #storeSegment(
    segment: Uint8Array,
    compressor: CompressorId | undefined,
    options: CallOptions,
  ): Promise<{ readonly piece: ContentPiece; readonly isNew: boolean }> {
    const { format, compression, write } = this.#parts;
    const lengthBytes = segment.byteLength;
    if (format.indexVersion === 1 && compressor !== undefined && compressor !== 0) {
      const payload = compressorById(compressor, compression).compress(segment);
      if (payload.byteLength < lengthBytes) {
        const { ref, isNew } = await write(payload, { ...options, prefix: "" });
        return { piece: { ref, lengthBytes, objectCompressed: true }, isNew };
      }
    }
    const { ref, isNew } = await write(segment, {
      ...options,
      prefix: "",
      compressor: compressor === 0 ? undefined : compressor,
    });
    return { piece: { ref, lengthBytes }, isNew };
  }

  async #restoreFile(
    directory: LocalName,
    job: RestoreJob,
    options: CallOptions,
  ): Promise<RestoreResult> {
    const path = joinLocal(directory, job.name);
    try {
      const [first] = job.pieces;
      // Read before the file is made: nothing to undo when the first content is damaged.
      const head = first === undefined ? undefined : await this.#segment(first, options);
      const target = openRestoreFile(directory, job.name, job.options);
      try {
        const write = job.options.sparse ? writeSparse : writeFully;
        let position = 0;
        for (const [i, piece] of job.pieces.entries()) {
          const segment =
            i === 0 && head !== undefined ? head : await this.#segment(piece, options);
          write(target.fd, segment, position);
          position += segment.byteLength;
        }
        if (position !== job.sizeBytes)
          throw new SejfError(
            "SEJF_CORRUPT",
            `its contents have ${position} bytes, its entry says ${job.sizeBytes}`,
          );
        if (job.options.sparse) ftruncateSync(target.fd, position);
        setFileAttributes(target.fd, job.attributes, job.options);
        if (job.options.fsync) fsyncSync(target.fd);
      } catch (error) {
        discardRestoreFile(target);
        throw error;
      }
      finishRestoreFile(target);
      return { job: job.job, ok: true, sizeBytes: job.sizeBytes };
    } catch (error) {
      if (options.signal?.aborted === true) throw error;
      const { code, message } = errorFromUnknown(error, "writing");
      return { job: job.job, ok: false, code, message: `restoring ${nameText(path)}: ${message}` };
    }
  }

  async #segment(piece: ContentPiece, options: CallOptions): Promise<OwnedBytes> {
    const data = await this.#parts.read(piece.ref, options);
    const plain =
      piece.objectCompressed === true
        ? compressorById(payloadCompressorId(data), this.#parts.compression).decompress(
            data,
            piece.lengthBytes,
          )
        : data;
    if (plain.byteLength !== piece.lengthBytes) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `content ${piece.ref} has ${plain.byteLength} bytes, ${piece.lengthBytes} were expected`,
      );
    }
    return plain;
  }
}

/** A failure of the repository, which ends the run; not one of a file. */
class StoreError extends Error {}

async function stored<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new StoreError("storing a segment", { cause: error });
  }
}

/** The segments of a file or of a part of it; at least one, which may be empty. Each is the caller's. */
function* segments(
  fd: number,
  job: FileJob,
  splitter: Splitter,
): Generator<OwnedBytes, void, void> {
  const buffer = new Uint8Array(READ_BYTES);
  const parts: OwnedBytes[] = [];
  let position = job.range?.offset ?? 0;
  const end =
    job.range?.length === undefined ? Number.POSITIVE_INFINITY : position + job.range.length;
  let given = 0;
  for (;;) {
    const count = readSync(fd, buffer, 0, Math.min(READ_BYTES, end - position), position);
    if (count === 0) break;
    position += count;
    for (let at = 0; at < count; ) {
      const rest = buffer.subarray(at, count);
      const cut = splitter.nextCut(rest);
      parts.push(copyBytes(cut < 0 ? rest : rest.subarray(0, cut)));
      at += cut < 0 ? rest.byteLength : cut;
      if (cut < 0) continue;
      yield joined(parts);
      given++;
    }
  }
  if (parts.length > 0 || given === 0) yield joined(parts);
}

function joined(parts: OwnedBytes[]): OwnedBytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts.splice(0)) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}

function sourceFailure(job: number, path: LocalName, error: unknown): FileResult {
  const vanished = isSystemError(error, "ENOENT");
  const { code, message } = errorFromUnknown(error, "failed");
  return {
    job,
    ok: false,
    code: vanished ? "SEJF_SOURCE" : code,
    message: `reading ${nameText(path)}: ${message}`,
    vanished,
  };
}
