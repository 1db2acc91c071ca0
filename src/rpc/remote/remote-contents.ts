/**
 * Contents behind a server. Names are computed here and compared with the server's; every content read is hashed and
 * compared with its name, so that a server (or whoever holds it) can withhold but not alter. File data goes the
 * portable way: split and named here, asked for when big, sent when the server does not have it. Spec: kopia-server 5.
 *
 * SECURITY: the server sees everything in plain; against that there is only the sealed repository.
 */
import { type CallOptions, copyBytes, mapUnordered, type OwnedBytes } from "../../bytes/index.ts";
import type { CompressionEngine } from "../../compress/index.ts";
import type { PortableParts } from "../../content/index.ts";
import type { ContentHash } from "../../crypto/index.ts";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
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
  IdSet,
  parseContentId,
  type RestoreBatch,
  type RestoreFilesOptions,
  type RestoreResult,
  type SealedBulk,
  type SealingParameters,
  type VerifyResult,
  type WriteContentOptions,
  type WriteFilesOptions,
} from "../../format/index.ts";
import type { SessionClient } from "../session/session-client.ts";
import type { GetContentResponse } from "../wire/messages.ts";
import type { LocalContentCache } from "./local-cache.ts";
import { RemoteBulk } from "./remote-bulk.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { lengthOnServer, type UnflushedWrites } from "./unflushed.ts";

/** From here on it pays to ask whether the server has a content, as Kopia does. */
const ASK_FROM_BYTES = 50_000;
/** IDs that the server is known to have, and such as it may have, 10 MB each; then they are forgotten. */
const MAX_KNOWN = 400_000;
const READS_AT_ONCE = 16;

export interface RemoteContentsOptions {
  readonly keeper: SessionKeeper;
  readonly unflushed: UnflushedWrites;
  readonly hash: ContentHash;
  /** SECURITY: the key of content IDs. */
  readonly secret: Uint8Array;
  readonly compression: CompressionEngine;
  /** 1: the server does not compress contents. */
  readonly indexVersion: number;
  readonly splitter: string;
  readonly readOnly: boolean;
  readonly cache?: LocalContentCache | undefined;
  /** Worker threads of the bulk paths; 0: none. Default: as many as fit the machine. */
  readonly threads?: number | undefined;
}

export class RemoteContents implements ContentStore, AsyncDisposable {
  readonly compression: CompressionEngine;
  readonly #options: RemoteContentsOptions;
  /** Flushed or seen: not sent again. */
  #known = new IdSet();
  /**
   * Lie in the local cache. SECURITY: that does not say that the server has them, which may have been set back since,
   * only that it pays to ask.
   */
  #likely = new IdSet();
  readonly #bulk: RemoteBulk;
  /** Whose memory long contents come in. */
  #answering: SessionClient | undefined;
  #sessions = 1;

  constructor(options: RemoteContentsOptions) {
    this.compression = options.compression;
    this.#options = options;
    const { indexVersion, splitter, compression, hash, secret, threads, unflushed } = options;
    const portable: PortableParts = {
      format: { indexVersion, splitter },
      compression,
      write: async (data, how) => await this.#writeAsked(data, how),
      read: async (ref, call) => await this.read(ref, call),
      readMany: (requests, call) => this.readMany(requests, call),
    };
    this.#bulk = new RemoteBulk({
      hash: hash.algorithm,
      hashBytes: hash.lengthBytes,
      secret,
      indexVersion,
      splitter,
      threads,
      portable,
      unflushed,
      askFromBytes: ASK_FROM_BYTES,
      isKnown: (id) => this.#isKnown(id),
      takesBatches: () => {
        this.#noticeNewSession();
        return this.#options.keeper.takesBatches;
      },
      fetch: async (refs, onAnswer, call) =>
        await this.#fetch(refs.map(parseContentId), onAnswer, call),
      giveBack: (memory) => this.#answering?.giveBack(memory),
      assertWritable: () => this.#assertWritable(),
    });
  }

  /** Whether the server has it already is asked in the background. */
  async write(data: Uint8Array, options: WriteContentOptions): Promise<ContentRef> {
    const { id, ref } = this.#name(data, options.prefix);
    if (!this.#isKnown(id)) {
      const asksFirst = data.byteLength >= ASK_FROM_BYTES || this.#likely.has(id);
      await this.#send(id, data, options, asksFirst);
    }
    return ref;
  }

  async flush(options: CallOptions = {}): Promise<void> {
    const { unflushed, cache } = this.#options;
    await this.#bulk.drain();
    // While the server is at it.
    await Promise.all([unflushed.flush(options), cache?.settle()]);
  }

  /** Forgets what the server is known to have: maintenance may have taken it away. */
  forgetKnown(): void {
    this.#known = new IdSet();
    this.#bulk.forgetKnown();
  }

  async read(ref: ContentRef, options: CallOptions = {}): Promise<OwnedBytes> {
    const id = parseContentId(ref);
    await this.#bulk.drain();
    const { unflushed, cache } = this.#options;
    const own = unflushed.dataOf(id) ?? (await this.#cached(id));
    if (own !== undefined) return own;
    const data = await this.#fetchOne(id, options);
    if (this.#idOf(data, contentPrefix(id)) !== id)
      throw new SejfError(
        "SEJF_CORRUPT",
        `content ${id}: the ${data.byteLength} bytes from the server have another hash`,
      );
    // As Kopia does: what directories and lists were read is not sent again by an unchanged tree.
    if (contentPrefix(id) !== "") this.#known = withId(this.#known, id);
    cache?.put(id, copyBytes(data));
    return data;
  }

  /** Ends the threads, and waits for what goes into the local cache. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bulk[Symbol.asyncDispose]();
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
    await this.#bulk.drain();
    const own = this.#options.unflushed.lengthOf(id);
    if (own !== undefined) return { ref, originalLength: own };
    const originalLength = await this.#ask(id, options);
    return originalLength === undefined ? undefined : { ref, originalLength };
  }

  writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions = {},
  ): AsyncIterable<readonly FileResult[]> {
    return this.#bulk.writeFiles(batches, options);
  }

  restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options: RestoreFilesOptions = {},
  ): AsyncIterable<readonly RestoreResult[]> {
    return this.#bulk.restoreFiles(batches, options);
  }

  verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncIterable<readonly VerifyResult[]> {
    return this.#bulk.verifyMany(requests, options);
  }

  sealedBulk(sealing: SealingParameters): SealedBulk | undefined {
    return this.#bulk.sealed(sealing);
  }

  /** A copy that is another content than its name says is dropped. */
  async #cached(id: ContentId): Promise<OwnedBytes | undefined> {
    const { cache } = this.#options;
    const data = await cache?.get(id);
    if (data === undefined) return undefined;
    if (this.#idOf(data, contentPrefix(id)) === id) {
      this.#likely = withId(this.#likely, id);
      return data;
    }
    await cache?.remove(id);
    return undefined;
  }

  async #fetchOne(id: ContentId, options: CallOptions): Promise<OwnedBytes> {
    const { keeper } = this.#options;
    const { data } = await keeper.retrying(
      async (session) => await session.request("getContent", { contentId: id }, options),
      options,
    );
    return data.buffer instanceof ArrayBuffer ? (data as OwnedBytes) : copyBytes(data);
  }

  /** As the server sends them, not hashed yet; valid during the call of `onAnswer` only, unless it keeps them. */
  async #fetch(
    ids: readonly ContentId[],
    onAnswer: (index: number, data: Uint8Array | SejfError) => boolean,
    options: CallOptions,
  ): Promise<void> {
    const { keeper, unflushed } = this.#options;
    const open = new Set<number>();
    for (const [at, id] of ids.entries()) {
      const own = unflushed.dataOf(id);
      if (own === undefined) open.add(at);
      else onAnswer(at, own);
    }
    await keeper.retrying(async (session) => {
      this.#answering = session;
      const asked = [...open];
      const onContent = (index: number, answer: GetContentResponse | SejfError): boolean => {
        const at = asked[index] ?? 0;
        open.delete(at);
        return onAnswer(at, answer instanceof SejfError ? answer : answer.data);
      };
      const bodies = asked.map((at) => ({ contentId: ids[at] ?? "" }));
      await session.requestMany("getContent", bodies, onContent, options);
    }, options);
  }

  /** For the portable bulk path: says whether the server had it. */
  async #writeAsked(
    data: Uint8Array,
    options: WriteContentOptions,
  ): Promise<{ readonly ref: ContentRef; readonly isNew: boolean }> {
    const { id, ref } = this.#name(data, options.prefix);
    const { signal } = options;
    if (this.#isKnown(id)) return { ref, isNew: false };
    if (data.byteLength >= ASK_FROM_BYTES && (await this.#isThere(id, data, { signal })))
      return { ref, isNew: false };
    await this.#send(id, data, options, false);
    return { ref, isNew: true };
  }

  #name(
    data: Uint8Array,
    prefix: ContentPrefix,
  ): { readonly id: ContentId; readonly ref: ContentRef } {
    this.#assertWritable();
    const id = this.#idOf(data, prefix);
    return { id, ref: toRef(id) };
  }

  async #send(
    id: ContentId,
    data: Uint8Array,
    { prefix, compressor, signal }: WriteContentOptions,
    asksFirst: boolean,
  ): Promise<void> {
    const { unflushed, indexVersion, cache } = this.#options;
    const how = { prefix, compressor: indexVersion > 1 ? compressor : undefined, asksFirst };
    const own = copyBytes(data);
    await unflushed.write(id, own, how, { signal });
    if (prefix !== "") cache?.put(id, own);
  }

  #isKnown(id: ContentId): boolean {
    this.#noticeNewSession();
    return this.#options.unflushed.has(id) || this.#known.has(id);
  }

  /** It may be one with a server that was set back. */
  #noticeNewSession(): void {
    const { sessions } = this.#options.keeper;
    if (sessions === this.#sessions) return;
    this.#sessions = sessions;
    this.forgetKnown();
  }

  #assertWritable(): void {
    if (this.#options.readOnly)
      throw new SejfError("SEJF_READ_ONLY", "the connection to the server is read-only");
    this.#options.unflushed.assertWhole();
  }

  /** A content whose length is another than it should be is damaged or a lie, and is sent. */
  async #isThere(id: ContentId, data: Uint8Array, options: CallOptions): Promise<boolean> {
    if ((await this.#ask(id, options)) !== data.byteLength) return false;
    this.#known = withId(this.#known, id);
    return true;
  }

  async #ask(id: ContentId, options: CallOptions): Promise<number | undefined> {
    return await this.#options.keeper.retrying(
      async (session) => await lengthOnServer(session, id, options),
      options,
    );
  }

  #idOf(data: Uint8Array, prefix: ContentPrefix): ContentId {
    return contentIdOf(prefix, this.#options.hash.hash(data));
  }
}

/** The set, or a new one when it is full. */
function withId(ids: IdSet, id: ContentId): IdSet {
  const set = ids.size < MAX_KNOWN ? ids : new IdSet();
  set.add(id);
  return set;
}

/** In a repository that is not sealed, what stands in directories is the content's ID. */
function toRef(id: ContentId): ContentRef {
  return id as string as ContentRef;
}
