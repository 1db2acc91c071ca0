/**
 * Contents that are sealed before the repository below gets them, and opened behind it. What that one stores, names
 * and gives back is ciphertext; every content is compared with its name before it is decrypted. Spec: sealed 4.
 */
import { type CallOptions, mapUnordered, type OwnedBytes } from "../bytes/index.ts";
import type { CompressionEngine, CompressorId } from "../compress/index.ts";
import { PortableBulk } from "../content/index.ts";
import type { ContentHash, CryptoEngine } from "../crypto/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type {
  BulkReader,
  BulkWriter,
  ContentId,
  ContentRef,
  ContentRequest,
  ContentResult,
  ContentStat,
  ContentStore,
  FileBatch,
  FileResult,
  RestoreBatch,
  RestoreResult,
  SealedCuts,
  SealingParameters,
  VerifyResult,
  WriteContentOptions,
  WriteFilesOptions,
} from "../format/index.ts";
import {
  ContentSealer,
  createSealedSplitter,
  deriveContentKey,
  deriveSplitterSecrets,
  formatReference,
  openContent,
  parseReference,
} from "../sealed/index.ts";
import { SealedThreads } from "./sealed-threads.ts";

const AT_ONCE = 8;

/** What equal chunks of several clients have in common. */
export interface SharedSealing {
  /** The newest convergence secret. */
  readonly secret: Uint8Array;
  /** Shorter chunks are sealed under the private secret. */
  readonly minSize: number;
  /** In place of the policy's: only what is compressed alike is alike. */
  readonly compressor: CompressorId | undefined;
}

export interface SealedContentsOptions {
  readonly inner: ContentStore;
  readonly engine: CryptoEngine;
  /** The repository's own hash. */
  readonly idHash: ContentHash;
  readonly privateSecret: Uint8Array;
  /** Absent without a group. */
  readonly shared?: SharedSealing | undefined;
  /** Name of the splitter; the cuts are secret. */
  readonly splitter: string;
}

export class SealedContents implements ContentStore {
  readonly compression: CompressionEngine;
  readonly #options: SealedContentsOptions;
  readonly #private: ContentSealer;
  readonly #shared: ContentSealer | undefined;
  readonly #bulk: BulkReader & BulkWriter;
  /** Bytes of ciphertext of what was written since, by ID: the list of contents wants them. */
  readonly #sizes = new Map<ContentId, number>();

  constructor(options: SealedContentsOptions) {
    const { inner, engine, idHash, privateSecret, shared } = options;
    this.#options = options;
    this.compression = inner.compression;
    this.#private = new ContentSealer(engine, inner.compression, privateSecret, idHash);
    this.#shared =
      shared === undefined
        ? undefined
        : new ContentSealer(engine, inner.compression, shared.secret, idHash);
    const cuts = deriveSplitterSecrets(engine, shared?.secret ?? privateSecret);
    const threads = inner.sealedBulk?.(sealingParameters(options, cuts));
    this.#bulk =
      threads === undefined
        ? this.#withoutThreads(cuts)
        : new SealedThreads(threads, (id, sizeBytes) => this.#sizes.set(id, sizeBytes));
  }

  async write(data: Uint8Array, options: WriteContentOptions): Promise<ContentRef> {
    return (await this.#write(data, options)).ref;
  }

  /** Bytes as they are, under the prefix that Kopia's own directories have: what servers read without a key. */
  async writePlain(data: Uint8Array, options: WriteContentOptions): Promise<ContentRef> {
    return await this.#options.inner.write(data, options);
  }

  /** As `writePlain`, the other way. */
  async readPlain(ref: ContentRef, options?: CallOptions): Promise<OwnedBytes> {
    return await this.#options.inner.read(ref, options);
  }

  async flush(options?: CallOptions): Promise<void> {
    await this.#options.inner.flush(options);
  }

  async read(ref: ContentRef, options?: CallOptions): Promise<OwnedBytes> {
    const { inner, engine, idHash } = this.#options;
    const reference = parseReference(ref);
    const ciphertext = await inner.read(reference.id as string as ContentRef, options);
    return openContent(engine, inner.compression, idHash, reference, ciphertext);
  }

  async *readMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncGenerator<readonly ContentResult[], void, void> {
    for await (const page of requests)
      yield* mapUnordered(
        page,
        AT_ONCE,
        async ({ job, ref }, signal): Promise<readonly ContentResult[]> => {
          try {
            return [{ job, ok: true, data: await this.read(ref, { signal }) }];
          } catch (error) {
            if (signal.aborted) throw error;
            const { code, message } = errorFromUnknown(error, "reading a sealed content");
            return [{ job, ok: false, code, message }];
          }
        },
        options.signal,
      );
  }

  /** The plain length is in the ciphertext only, so this reads it. */
  async stat(ref: ContentRef, options: CallOptions = {}): Promise<ContentStat | undefined> {
    if (!(await this.has(ref, options))) return undefined;
    return { ref, originalLength: (await this.read(ref, options)).length };
  }

  async has(ref: ContentRef, options: CallOptions = {}): Promise<boolean> {
    const { id } = parseReference(ref);
    return (await this.#options.inner.stat(id as string as ContentRef, options)) !== undefined;
  }

  /** As `sealedSize`, of what was written or remembered. */
  knownSize(id: ContentId): number | undefined {
    return this.#sizes.get(id);
  }

  /** Bytes of ciphertext. @throws SEJF_CONTENT_NOT_FOUND. */
  async sealedSize(id: ContentId, options?: CallOptions): Promise<number> {
    const known = this.#sizes.get(id);
    if (known !== undefined) return known;
    const stat = await this.#options.inner.stat(id as string as ContentRef, options);
    if (stat === undefined)
      throw new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${id} is not in the repository`, {
        hint: "it was lost there; run the snapshot again with --force-hash=100",
      });
    return stat.originalLength;
  }

  /** What is known of sizes from an earlier snapshot. */
  rememberSize(id: ContentId, sizeBytes: number): void {
    this.#sizes.set(id, sizeBytes);
  }

  writeFiles(
    batches: AsyncIterable<FileBatch>,
    options?: WriteFilesOptions,
  ): AsyncIterable<readonly FileResult[]> {
    return this.#bulk.writeFiles(batches, options);
  }

  restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options?: CallOptions,
  ): AsyncIterable<readonly RestoreResult[]> {
    return this.#bulk.restoreFiles(batches, options);
  }

  verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options?: CallOptions,
  ): AsyncIterable<readonly VerifyResult[]> {
    return this.#bulk.verifyMany(requests, options);
  }

  /** The fallback, and what threads are compared with. */
  #withoutThreads(cuts: SealedCuts): PortableBulk {
    const { inner, engine, splitter } = this.#options;
    return new PortableBulk({
      // The layer above never compresses before it names: that is done here, before the key is made.
      format: { splitter, indexVersion: 2 },
      compression: inner.compression,
      createSplitter: (name) => createSealedSplitter(engine, name, cuts),
      write: async (data, how) => await this.#write(data, how),
      read: async (ref, call) => await this.read(ref, call),
      readMany: (requests, call) => this.readMany(requests, call),
    });
  }

  async #write(
    data: Uint8Array,
    { prefix, compressor, signal }: WriteContentOptions,
  ): Promise<{ readonly ref: ContentRef; readonly isNew: boolean }> {
    const { inner, shared } = this.#options;
    const isShared = prefix === "" && shared !== undefined && data.byteLength >= shared.minSize;
    const sealer = isShared ? (this.#shared ?? this.#private) : this.#private;
    const how = { prefix, compressor: isShared ? shared.compressor : compressor };
    const { reference, ciphertext } = sealer.seal(data, how);
    const isNew = !this.#sizes.has(reference.id);
    const stored = await inner.write(ciphertext, { prefix, signal });
    if ((stored as string) !== (reference.id as string))
      throw new SejfError(
        "SEJF_CORRUPT",
        `the repository names content ${reference.id} ${JSON.stringify(stored.slice(0, 80))}`,
      );
    this.#sizes.set(reference.id, ciphertext.byteLength);
    return { ref: formatReference(reference), isNew };
  }
}

function sealingParameters(
  { engine, privateSecret, shared, splitter }: SealedContentsOptions,
  cuts: SealedCuts,
): SealingParameters {
  return {
    privateKey: deriveContentKey(engine, privateSecret),
    shared:
      shared === undefined
        ? undefined
        : {
            contentKey: deriveContentKey(engine, shared.secret),
            minSizeBytes: shared.minSize,
            compressor: shared.compressor ?? 0,
          },
    splitter,
    cuts,
  };
}
