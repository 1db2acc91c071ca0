/**
 * Contents behind a server. Names are computed here and compared with the server's; every content read is hashed and
 * compared with its name, so that a server (or whoever holds it) can withhold but not alter. File data goes the
 * portable way: split and named here, asked for when big, sent when the server does not have it. Spec: kopia-server 5.
 *
 * SECURITY: the server sees everything in plain; against that there is only the sealed repository.
 */
import { LRUCache } from "lru-cache";
import {
  type CallOptions,
  collect,
  copyBytes,
  mapUnordered,
  type OwnedBytes,
} from "../../bytes/index.ts";
import type { CompressionEngine } from "../../compress/index.ts";
import { PortableBulk, type PortableParts } from "../../content/index.ts";
import type { ContentHash } from "../../crypto/index.ts";
import { errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import {
  type ContentId,
  contentIdOf,
  type ContentPrefix,
  contentPrefix,
  type ContentRef,
  type ContentRequest,
  type ContentResult,
  type ContentStat,
  type ContentStore,
  type FileBatch,
  type FileResult,
  parseContentId,
  type RestoreBatch,
  type RestoreFilesOptions,
  type RestoreResult,
  type VerifyResult,
  type WriteContentOptions,
  type WriteFilesOptions,
} from "../../format/index.ts";
import type { LocalContentCache } from "./local-cache.ts";
import { ReadAhead } from "./read-ahead.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import type { UnflushedWrites } from "./unflushed.ts";

/** From here on it pays to ask whether the server has a content, as Kopia does. */
const ASK_FROM_BYTES = 50_000;
/** IDs that the server is known to have. */
const MAX_KNOWN = 50_000;
const READS_AT_ONCE = 16;
const FILE_GROUPS_AT_ONCE = 4;

export interface RemoteContentsOptions {
  readonly keeper: SessionKeeper;
  readonly unflushed: UnflushedWrites;
  readonly hash: ContentHash;
  readonly compression: CompressionEngine;
  /** 1: the server does not compress contents. */
  readonly indexVersion: number;
  readonly splitter: string;
  readonly readOnly: boolean;
  readonly cache?: LocalContentCache | undefined;
}

export class RemoteContents implements ContentStore, AsyncDisposable {
  readonly compression: CompressionEngine;
  readonly #options: RemoteContentsOptions;
  /** Flushed or seen: not sent again. */
  readonly #known = new LRUCache<ContentId, true>({ max: MAX_KNOWN });
  /**
   * Lie in the local cache. SECURITY: that does not say that the server has them, which may have been set back since,
   * only that it pays to ask.
   */
  readonly #likely = new LRUCache<ContentId, true>({ max: MAX_KNOWN });
  readonly #parts: PortableParts;

  constructor(options: RemoteContentsOptions) {
    this.compression = options.compression;
    this.#options = options;
    const { indexVersion, splitter, compression } = options;
    this.#parts = {
      format: { indexVersion, splitter },
      compression,
      write: async (data, how) => await this.#write(data, how),
      read: async (ref, call) => await this.read(ref, call),
      readMany: (requests, call) => this.readMany(requests, call),
    };
  }

  async write(data: Uint8Array, options: WriteContentOptions): Promise<ContentRef> {
    return (await this.#write(data, options)).ref;
  }

  async flush(options: CallOptions = {}): Promise<void> {
    await this.#options.unflushed.flush(options);
  }

  /** Forgets what the server is known to have: maintenance may have taken it away. */
  forgetKnown(): void {
    this.#known.clear();
  }

  async read(ref: ContentRef, options: CallOptions = {}): Promise<OwnedBytes> {
    const id = parseContentId(ref);
    const own = this.#options.unflushed.dataOf(id);
    return own ?? (await this.#cached(id)) ?? (await this.#fetch(id, options));
  }

  /** Waits for what goes into the local cache. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.cache?.[Symbol.asyncDispose]();
  }

  async *readMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncGenerator<readonly ContentResult[], void, void> {
    const { signal } = options;
    for await (const page of requests) {
      yield* mapUnordered(
        page,
        READS_AT_ONCE,
        async ({ job, ref }, stop): Promise<readonly ContentResult[]> => {
          try {
            return [{ job, ok: true, data: await this.read(ref, { signal: stop }) }];
          } catch (error) {
            if (stop.aborted) throw error;
            const { code, message } = errorFromUnknown(error, `reading content ${ref}`);
            return [{ job, ok: false, code, message }];
          }
        },
        signal,
      );
    }
  }

  async stat(ref: ContentRef, options: CallOptions = {}): Promise<ContentStat | undefined> {
    const id = parseContentId(ref);
    const own = this.#options.unflushed.lengthOf(id);
    if (own !== undefined) return { ref, originalLength: own };
    const originalLength = await this.#ask(id, options);
    return originalLength === undefined ? undefined : { ref, originalLength };
  }

  async *writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions = {},
  ): AsyncGenerator<readonly FileResult[], void, void> {
    const bulk = new PortableBulk(this.#parts);
    yield* mapUnordered(
      batches,
      options.parallel ?? FILE_GROUPS_AT_ONCE,
      async (batch, signal) =>
        (await collect(bulk.writeFiles(once(batch), { ...options, signal }))).flat(),
      options.signal,
    );
  }

  async *restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options: RestoreFilesOptions = {},
  ): AsyncGenerator<readonly RestoreResult[], void, void> {
    yield* mapUnordered(
      batches,
      options.parallel ?? FILE_GROUPS_AT_ONCE,
      async (batch, signal) => {
        const pieces = batch.files.flatMap((file) => file.pieces);
        const ahead = new ReadAhead(pieces, this.#parts.read);
        const bulk = new PortableBulk({
          ...this.#parts,
          read: async (ref, call) => await ahead.read(ref, call),
        });
        return (await collect(bulk.restoreFiles(once(batch), { signal }))).flat();
      },
      options.signal,
    );
  }

  verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncIterable<readonly VerifyResult[]> {
    return new PortableBulk(this.#parts).verifyMany(requests, options);
  }

  /** A copy that is another content than its name says is dropped. */
  async #cached(id: ContentId): Promise<OwnedBytes | undefined> {
    const { cache } = this.#options;
    const data = await cache?.get(id);
    if (data === undefined) return undefined;
    if (this.#idOf(data, contentPrefix(id)) === id) {
      this.#likely.set(id, true);
      return data;
    }
    await cache?.remove(id);
    return undefined;
  }

  async #fetch(id: ContentId, options: CallOptions): Promise<OwnedBytes> {
    const { keeper, cache } = this.#options;
    const { data } = await keeper.retrying(
      async (session) => await session.request("getContent", { contentId: id }, options),
      options,
    );
    if (this.#idOf(data, contentPrefix(id)) !== id)
      throw new SejfError(
        "SEJF_CORRUPT",
        `content ${id}: the ${data.byteLength} bytes from the server have another hash`,
      );
    // As Kopia does: what directories and lists were read is not sent again by an unchanged tree.
    if (contentPrefix(id) !== "") this.#known.set(id, true);
    const copy = copyBytes(data);
    cache?.put(id, data);
    return copy;
  }

  async #write(
    data: Uint8Array,
    options: WriteContentOptions,
  ): Promise<{ readonly ref: ContentRef; readonly isNew: boolean }> {
    const { unflushed, indexVersion, readOnly, cache } = this.#options;
    if (readOnly)
      throw new SejfError("SEJF_READ_ONLY", "the connection to the server is read-only");
    unflushed.assertWhole();
    const { prefix, signal } = options;
    const id = this.#idOf(data, prefix);
    const ref: ContentRef = toRef(id);
    if (unflushed.lengthOf(id) !== undefined || this.#known.has(id)) return { ref, isNew: false };
    const asks = data.byteLength >= ASK_FROM_BYTES || this.#likely.has(id);
    if (asks && (await this.#isThere(id, data, { signal }))) return { ref, isNew: false };
    const compressor = indexVersion > 1 ? options.compressor : undefined;
    await unflushed.write(id, data, { prefix, compressor }, { signal });
    if (prefix !== "") cache?.put(id, copyBytes(data));
    return { ref, isNew: true };
  }

  /** A content whose length is another than it should be is damaged or a lie, and is sent. */
  async #isThere(id: ContentId, data: Uint8Array, options: CallOptions): Promise<boolean> {
    if ((await this.#ask(id, options)) !== data.byteLength) return false;
    this.#known.set(id, true);
    return true;
  }

  async #ask(id: ContentId, options: CallOptions): Promise<number | undefined> {
    try {
      const { info } = await this.#options.keeper.retrying(
        async (session) => await session.request("getContentInfo", { contentId: id }, options),
        options,
      );
      return info === undefined || info.deleted ? undefined : info.originalLength;
    } catch (error) {
      if (isSejfError(error, "SEJF_CONTENT_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  #idOf(data: Uint8Array, prefix: ContentPrefix): ContentId {
    return contentIdOf(prefix, this.#options.hash.hash(data));
  }
}

/** In a repository that is not sealed, what stands in directories is the content's ID. */
function toRef(id: ContentId): ContentRef {
  return id as string as ContentRef;
}

// oxlint-disable-next-line require-await -- one item as the source of a stage
async function* once<T>(item: T): AsyncGenerator<T, void, void> {
  yield item;
}
