/**
 * A content store that keeps everything in memory, for the layers above contents: no packs, no index, no threads, but
 * the whole interface, local files included. It counts what is asked of it.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import type { CallOptions, OwnedBytes } from "../bytes/index.ts";
import { copyBytes } from "../bytes/index.ts";
import { compressorById, type CompressionEngine } from "../compress/index.ts";
import { SejfError } from "../errors/index.ts";
import type {
  ContentId,
  ContentPiece,
  ContentPrefix,
  ContentRef,
  ContentRequest,
  ContentResult,
  ContentStat,
  ContentStore,
  FileBatch,
  FileJob,
  FileResult,
  RestoreBatch,
  RestoreJob,
  RestoreResult,
  VerifyResult,
  WriteContentOptions,
  WriteFilesOptions,
} from "../format/index.ts";
import type { ContentLister } from "../manifest/index.ts";
import {
  finishRestoreFile,
  fstatExact,
  joinLocal,
  localStat,
  openRestoreFile,
  pathLike,
  setFileAttributes,
} from "../node/files/index.ts";
import { nodeCompressionEngine } from "../node/index.ts";
import { DEFAULT_SPLITTER, splitAll, createSplitter } from "../splitter/index.ts";

export interface MemoryContentsOptions {
  /** Default: the first 16 bytes of SHA-256. */
  readonly hash?: ((data: Uint8Array) => string) | undefined;
  readonly splitter?: string | undefined;
  /** 1: file data is compressed before it is named. Default 2. */
  readonly indexVersion?: number | undefined;
}

export class MemoryContents implements ContentStore, ContentLister {
  readonly compression: CompressionEngine = nodeCompressionEngine;
  /** Live contents by reference. */
  readonly stored: Map<ContentRef, OwnedBytes> = new Map();
  /** What each `write` asked for, in order. */
  readonly writes: { readonly ref: ContentRef; readonly compressor: number | undefined }[] = [];
  readonly filesRead: string[] = [];
  reads = 0;
  flushes = 0;
  /** Runs before each content is listed or read; throws to make it fail. */
  onRead: ((ref: ContentRef) => void) | undefined;
  /** Runs before a file is opened for `writeFiles`. */
  onFile: ((path: string) => void) | undefined;
  /** Runs when a file has been read, before its result is given. */
  onStored: ((path: string) => Promise<void>) | undefined;
  readonly #hash: (data: Uint8Array) => string;
  readonly #splitter: string;
  readonly #indexVersion: number;

  constructor(options: MemoryContentsOptions = {}) {
    this.#hash = options.hash ?? shortHash;
    this.#splitter = options.splitter ?? DEFAULT_SPLITTER;
    this.#indexVersion = options.indexVersion ?? 2;
  }

  // The interface is asynchronous and so is this, without anything to wait for.
  // oxlint-disable-next-line require-await
  async write(data: Uint8Array, options: WriteContentOptions): Promise<ContentRef> {
    options.signal?.throwIfAborted();
    const ref = this.put(data, options.prefix);
    this.writes.push({ ref, compressor: options.compressor });
    return ref;
  }

  put(data: Uint8Array, prefix: ContentPrefix = ""): ContentRef {
    const ref = (prefix + this.#hash(data)) as ContentRef;
    if (!this.stored.has(ref)) this.stored.set(ref, copyBytes(data));
    return ref;
  }

  // oxlint-disable-next-line require-await
  async flush(options: CallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    this.flushes++;
  }

  // oxlint-disable-next-line require-await
  async refresh(): Promise<void> {}

  // oxlint-disable-next-line require-await
  async read(ref: ContentRef, options: CallOptions = {}): Promise<OwnedBytes> {
    options.signal?.throwIfAborted();
    this.reads++;
    this.onRead?.(ref);
    const data = this.stored.get(ref);
    if (data === undefined) {
      throw new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${ref} is not in the repository`);
    }
    return copyBytes(data);
  }

  async *readMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncGenerator<readonly ContentResult[]> {
    for await (const page of requests) {
      const results: ContentResult[] = [];
      for (const { job, ref } of page.toReversed()) {
        try {
          results.push({ job, ok: true, data: await this.read(ref, options) });
        } catch (error) {
          results.push({ job, ok: false, ...failure(error) });
        }
      }
      yield results;
    }
  }

  // oxlint-disable-next-line require-await
  async stat(ref: ContentRef): Promise<ContentStat | undefined> {
    const data = this.stored.get(ref);
    return data === undefined ? undefined : { ref, originalLength: data.length };
  }

  async *verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncGenerator<readonly VerifyResult[]> {
    for await (const page of this.readMany(requests, options)) {
      yield page.map((result) =>
        result.ok ? { job: result.job, ok: true, originalLength: result.data.length } : result,
      );
    }
  }

  async *list(options: {
    readonly prefix: string;
  }): AsyncGenerator<readonly { readonly id: ContentId; readonly ref: ContentRef }[]> {
    const found = [...this.stored.keys()].filter((ref) => ref.startsWith(options.prefix));
    yield found.map((ref) => ({ id: ref as string as ContentId, ref }));
  }

  // oxlint-disable-next-line require-await
  async delete(id: ContentId): Promise<void> {
    this.stored.delete(id as string as ContentRef);
  }

  /** Results of a batch come in reverse, so that nobody relies on their order. */
  async *writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions = {},
  ): AsyncGenerator<readonly FileResult[]> {
    for await (const batch of batches) {
      const results: FileResult[] = [];
      for (const file of batch.files) {
        options.signal?.throwIfAborted();
        const result = this.#writeFile(batch, file);
        if (result.ok) options.onReading?.(file.job, () => result.pieces);
        await this.onStored?.(String(pathLike(joinLocal(batch.directory, file.name))));
        results.push(result);
      }
      options.signal?.throwIfAborted();
      yield results.toReversed();
    }
  }

  #writeFile(batch: FileBatch, file: FileJob): FileResult {
    const path = joinLocal(batch.directory, file.name);
    try {
      this.onFile?.(String(pathLike(path)));
      this.filesRead.push(String(pathLike(path)));
      const fd = openSync(pathLike(path), "r");
      try {
        const all = new Uint8Array(readFileSync(fd));
        const offset = file.range?.offset ?? 0;
        const data = all.subarray(offset, offset + (file.range?.length ?? all.length));
        const pieces = segments(file.splitter ?? this.#splitter, data).map((part) =>
          this.#piece(part, file.compressor),
        );
        const after = localStat(fstatExact(fd));
        return { job: file.job, ok: true, pieces, sizeBytes: data.length, newBytes: 0, after };
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      const vanished = error instanceof Error && "code" in error && error.code === "ENOENT";
      return { job: file.job, ok: false, ...failure(error), vanished };
    }
  }

  #piece(data: Uint8Array, compressor: number | undefined): ContentPiece {
    const lengthBytes = data.length;
    if (this.#indexVersion > 1 || compressor === undefined) {
      return { ref: this.put(data), lengthBytes };
    }
    const payload = compressorById(compressor, this.compression).compress(data);
    if (payload.length >= lengthBytes) return { ref: this.put(data), lengthBytes };
    return { ref: this.put(payload), lengthBytes, objectCompressed: true };
  }

  async *restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options: CallOptions = {},
  ): AsyncGenerator<readonly RestoreResult[]> {
    for await (const batch of batches) {
      options.signal?.throwIfAborted();
      const results: RestoreResult[] = [];
      for (const file of batch.files) results.push(await this.#restoreFile(batch, file));
      yield results.toReversed();
    }
  }

  async #restoreFile(batch: RestoreBatch, file: RestoreJob): Promise<RestoreResult> {
    try {
      const parts: Uint8Array[] = [];
      for (const piece of file.pieces) parts.push(await this.read(piece.ref));
      const data = Buffer.concat(parts);
      if (data.length !== file.sizeBytes) throw new SejfError("SEJF_CORRUPT", "wrong length");
      const { overwrite, atomically } = file.options;
      const target = openRestoreFile(batch.directory, file.name, { overwrite, atomically });
      writeFileSync(target.fd, data);
      setFileAttributes(target.fd, file.attributes, file.options);
      finishRestoreFile(target);
      return { job: file.job, ok: true, sizeBytes: data.length };
    } catch (error) {
      return { job: file.job, ok: false, ...failure(error) };
    }
  }
}

function segments(splitter: string, data: Uint8Array): Uint8Array[] {
  const cuts = splitAll(createSplitter(splitter), data);
  if (cuts.at(-1) !== data.length || cuts.length === 0) cuts.push(data.length);
  return cuts.map((end, index) => data.subarray(cuts[index - 1] ?? 0, end));
}

function shortHash(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 32);
}

function failure(error: unknown): { readonly code: SejfError["code"]; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error);
  return { code: error instanceof SejfError ? error.code : "SEJF_IO", message };
}
