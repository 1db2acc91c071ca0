/**
 * The bulk paths behind a server: the thread engine, started by the first call, or the portable path where there are no
 * threads. Bytes that threads have named go to the server through `UnflushedWrites`, as single writes do.
 */
import {
  type CallOptions,
  collect,
  copyBytes,
  mapUnordered,
  type OwnedBytes,
  single,
} from "../../bytes/index.ts";
import { PortableBulk, type PortableParts, sealedOver } from "../../content/index.ts";
import { assert } from "../../errors/index.ts";
import type {
  ContentId,
  ContentRequest,
  FileBatch,
  FileResult,
  RestoreBatch,
  RestoreFilesOptions,
  RestoreResult,
  SealedBulk,
  SealingParameters,
  VerifyResult,
  WriteFilesOptions,
} from "../../format/index.ts";
import type { BulkEngine, RemoteEngineHost } from "../../node/engine/index.ts";
import { divideBatch, type SingleContent } from "./batch-division.ts";
import { ReadAhead } from "./read-ahead.ts";
import type { NewContent, UnflushedWrites } from "./unflushed.ts";

/** Without threads. */
const FILE_GROUPS_AT_ONCE = 4;

export interface RemoteBulkParts {
  readonly hash: string;
  readonly hashBytes: number;
  readonly secret: Uint8Array;
  readonly indexVersion: number;
  readonly splitter: string;
  readonly threads: number | undefined;
  readonly portable: PortableParts;
  readonly unflushed: UnflushedWrites;
  /** A content from which on it pays to ask before it is sent. */
  readonly askFromBytes: number;
  readonly isKnown: (id: ContentId) => boolean;
  /** Whether the server takes many contents in one message; may be another after a break. */
  readonly takesBatches: () => boolean;
  readonly fetch: RemoteEngineHost["fetch"];
  readonly giveBack: RemoteEngineHost["giveBack"];
  readonly assertWritable: () => void;
}

export class RemoteBulk implements AsyncDisposable {
  readonly #parts: RemoteBulkParts;
  readonly #portable: PortableBulk;
  #engine: Promise<BulkEngine | undefined> | undefined;
  /** Of the last upload that sealed: threads know one. */
  #sealing: SealingParameters | undefined;
  #uploads = 0;
  /** Threads may hold contents that were not handed over. */
  #isDirty = false;
  /** What threads take for stored may be gone. */
  #isStale = false;

  constructor(parts: RemoteBulkParts) {
    this.#parts = parts;
    this.#portable = new PortableBulk(parts.portable);
  }

  async *writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions,
  ): AsyncGenerator<readonly FileResult[], void, void> {
    this.#parts.assertWritable();
    if (this.#isStale && this.#uploads === 0) await this.#restart();
    const engine = await this.#start(options.parallel);
    this.#uploads++;
    try {
      if (engine === undefined) yield* this.#writePortably(batches, options);
      else {
        this.#isDirty = true;
        yield* engine.writeFiles(batches, options);
      }
    } finally {
      this.#uploads--;
    }
  }

  /** `undefined` without threads. */
  sealed(sealing: SealingParameters): SealedBulk | undefined {
    if ((this.#parts.threads ?? threadsOfEnvironment()) === 0) return undefined;
    return sealedOver(this, (batches, options) => this.#writeSealed(sealing, batches, options));
  }

  async *#writeSealed(
    sealing: SealingParameters,
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions,
  ): AsyncGenerator<readonly FileResult[], void, void> {
    this.#parts.assertWritable();
    if (this.#sealing !== sealing) {
      assert(this.#uploads === 0, "contents are sealed under one account at a time");
      this.#sealing = sealing;
      this.#isStale = this.#engine !== undefined;
    }
    if (this.#isStale && this.#uploads === 0) await this.#restart();
    const engine = await this.#start(options.parallel);
    assert(engine !== undefined, "there are threads that seal");
    this.#uploads++;
    this.#isDirty = true;
    try {
      yield* engine.writeSealed(batches, options);
    } finally {
      this.#uploads--;
    }
  }

  async *restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options: RestoreFilesOptions,
  ): AsyncGenerator<readonly RestoreResult[], void, void> {
    await this.drain();
    const engine = await this.#start();
    if (engine === undefined) yield* this.#restorePortably(batches, options);
    else yield* engine.restoreFiles(batches, options);
  }

  async *verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions,
  ): AsyncGenerator<readonly VerifyResult[], void, void> {
    await this.drain();
    yield* ((await this.#start()) ?? this.#portable).verifyMany(requests, options);
  }

  /** Everything that threads have named was handed over. @throws what could not be sent. */
  async drain(): Promise<void> {
    if (!this.#isDirty) return;
    const engine = await this.#engine;
    await engine?.drain();
    if (this.#uploads === 0) this.#isDirty = false;
  }

  /** The server may have lost what was stored before: the next upload does not rely on it. */
  forgetKnown(): void {
    this.#isStale = this.#engine !== undefined;
  }

  /** What was not drained is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    const engine = await this.#engine?.catch(() => undefined);
    await engine?.close();
  }

  async #restart(): Promise<void> {
    await this.drain();
    await this[Symbol.asyncDispose]();
    this.#engine = undefined;
    this.#isStale = false;
  }

  async #start(threads?: number): Promise<BulkEngine | undefined> {
    this.#engine ??= this.#create(threads);
    return await this.#engine;
  }

  async #create(threads: number | undefined): Promise<BulkEngine | undefined> {
    const { hash, secret, indexVersion, splitter, unflushed, fetch, giveBack } = this.#parts;
    if ((this.#parts.threads ?? threadsOfEnvironment()) === 0) return undefined;
    const { createRemoteEngine } = await import("../../node/engine/index.ts");
    const engine = createRemoteEngine(
      {
        sendBatch: async (bytes, list) => await this.#sendBatch(bytes, list),
        send: async (hash, data, compressor) => {
          const single = { id: hash as ContentId, data, compressor };
          for (const content of this.#unknown([single])) await unflushed.writeLong(content);
        },
        commit: async () => await unflushed.flush(),
        fetch,
        giveBack,
      },
      {
        hash,
        secret: copyBytes(secret),
        indexVersion,
        splitter,
        threads: this.#parts.threads ?? threads,
        sealing: this.#sealing,
      },
    );
    if (engine.threads > 0) return engine;
    await engine.close();
    return undefined;
  }

  async #sendBatch(bytes: Uint8Array, list: OwnedBytes): Promise<void> {
    const { unflushed, hashBytes, askFromBytes, takesBatches } = this.#parts;
    const singleFromBytes = takesBatches() ? askFromBytes : 0;
    const { singles, messages } = divideBatch(bytes, list, { hashBytes, singleFromBytes });
    await unflushed.writeMany(this.#unknown(singles), messages);
  }

  #unknown(contents: readonly SingleContent[]): readonly NewContent[] {
    const { askFromBytes, isKnown } = this.#parts;
    const unknown: NewContent[] = [];
    for (const { id, data, compressor } of contents) {
      if (isKnown(id)) continue;
      unknown.push({
        id,
        data,
        prefix: "",
        compressor: compressor === 0 ? undefined : compressor,
        asksFirst: data.byteLength >= askFromBytes,
      });
    }
    return unknown;
  }

  async *#writePortably(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions,
  ): AsyncGenerator<readonly FileResult[], void, void> {
    yield* mapUnordered(
      batches,
      options.parallel ?? FILE_GROUPS_AT_ONCE,
      async (batch, signal) =>
        (await collect(this.#portable.writeFiles(single(batch), { ...options, signal }))).flat(),
      options.signal,
    );
  }

  async *#restorePortably(
    batches: AsyncIterable<RestoreBatch>,
    options: RestoreFilesOptions,
  ): AsyncGenerator<readonly RestoreResult[], void, void> {
    const { portable } = this.#parts;
    yield* mapUnordered(
      batches,
      options.parallel ?? FILE_GROUPS_AT_ONCE,
      async (batch, signal) => {
        const pieces = batch.files.flatMap((file) => file.pieces);
        const ahead = new ReadAhead(pieces, portable.read);
        const bulk = new PortableBulk({
          ...portable,
          read: async (ref, call) => await ahead.read(ref, call),
        });
        return (await collect(bulk.restoreFiles(single(batch), { signal }))).flat();
      },
      options.signal,
    );
  }
}

function threadsOfEnvironment(): number | undefined {
  return process.env["SEJF_THREADS"] === "0" ? 0 : undefined;
}
