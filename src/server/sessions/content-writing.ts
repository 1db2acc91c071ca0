/**
 * Contents that an account sends: one in a request, as Kopia's clients do, or many. Long ones and batches are named,
 * encrypted and packed by threads; to them goes the memory that the request came in.
 *
 * SECURITY: the server names every content itself. What somebody else stored before takes as long as what is new.
 */
import { bytesToHex, equalBytes, type OwnedBytes } from "../../bytes/index.ts";
import { COMPRESSORS } from "../../compress/index.ts";
import type { StoredBatch } from "../../content/index.ts";
import { hashAlgorithm } from "../../crypto/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import {
  CONTENT_LIST_HEAD_BYTES,
  contentHashBytes,
  type ContentId,
  type ContentList,
  type ContentRef,
  decodeContentList,
  MANIFEST_PREFIX,
  parseContentId,
} from "../../format/index.ts";
import type { RequestContext, SessionHandlers } from "../../rpc/index.ts";
import { type ArrivingListings, assertRoom } from "../holding/index.ts";
import { accessDenied, type AccountSession } from "./account-session.ts";
import type { SessionParts } from "./session-parts.ts";

/** From here on the way to a thread pays. */
const THREAD_BYTES = 64 << 10;
const MAX_CONTENTS_IN_BATCH = 65_536;
const DIRECTORY_PREFIX = "k";

const COMPRESSOR_IDS: ReadonlySet<number> = new Set(COMPRESSORS.map(({ id }) => id));

export function writingHandlers(
  session: AccountSession,
  parts: SessionParts,
): Pick<SessionHandlers, "writeContent" | "writeContents"> {
  const writer = new ReceivedContents(session, parts);
  return {
    writeContent: async ({ prefix, data, compression }, context) => {
      writer.assertMayWrite();
      checkPrefix(prefix);
      checkCompression(compression);
      const { byteLength } = data;
      await writer.assertRoom(byteLength, context);
      const isForThreads = prefix === "" && byteLength >= THREAD_BYTES;
      const { losses } = writer;
      const id =
        (isForThreads ? await writer.storeLong(data, compression, context) : undefined) ??
        (await writer.storeOne(prefix, data, compression, context));
      writer.wrote(1, byteLength);
      writer.noteSent(id, data, losses);
      return { contentId: id };
    },
    writeContents: async ({ list, data }, context) => {
      writer.assertMayWrite();
      const { byteLength } = data;
      const contents = decodeList(list, writer.hashBytes, byteLength);
      for (const id of new Set(contents.compressors)) checkCompression(id);
      await writer.assertRoom(byteLength, context);
      await writer.storeMany(contents, data, context);
      return {};
    },
  };
}

class ReceivedContents {
  readonly #session: AccountSession;
  readonly #parts: SessionParts;
  readonly hashBytes: number;
  #listings: ArrivingListings | undefined;

  constructor(session: AccountSession, parts: SessionParts) {
    this.#session = session;
    this.#parts = parts;
    const { hash, secret } = parts.options.repository.access.format;
    this.hashBytes = hashAlgorithm(hash, secret.byteLength).lengthBytes;
  }

  /** To be read before what is noted as sent is stored. */
  get losses(): number {
    return this.#parts.options.repository.contents.losses;
  }

  /** @throws SEJF_ACCESS_DENIED. */
  assertMayWrite(): void {
    this.#session.assertWritable();
    this.#session.assertContents("APPEND");
  }

  /** @throws SEJF_NO_SPACE beyond the account's quota. */
  async assertRoom(moreBytes: number, { signal }: RequestContext): Promise<void> {
    const { holdings } = this.#parts.options;
    await assertRoom(holdings, this.#session.principal, moreBytes, { signal });
  }

  wrote(contents: number, bytes: number): void {
    this.#session.wrote();
    this.#session.counters.writtenContents += contents;
    this.#session.counters.writtenBytes += bytes;
  }

  noteSent(id: ContentId, data: Uint8Array, lossesBefore: number): void {
    const { holdings } = this.#parts.options;
    holdings.noteSent(this.#session.principal, id, data.byteLength, lossesBefore);
    const listings = this.#arriving;
    if (id.startsWith(DIRECTORY_PREFIX)) listings?.add(id, data);
  }

  /** From the first content on, for a snapshot is likely to follow. A sealed account's directories are not for us to read. */
  get #arriving(): ArrivingListings | undefined {
    const { principal } = this.#session;
    if (principal.encryption !== "server") return undefined;
    return (this.#listings ??= this.#parts.options.holdings.arriving(principal));
  }

  async storeOne(
    prefix: string,
    data: Uint8Array,
    compression: number,
    { signal }: RequestContext,
  ): Promise<ContentId> {
    const { repository } = this.#parts.options;
    const write = async (): Promise<ContentRef> =>
      await repository.contents.write(data, {
        prefix,
        compressor: compression === 0 ? undefined : compression,
        evenly: this.#isEven,
        signal,
      });
    const ref = await this.#parts.writing.run(this.#session.account, write, { signal });
    return parseContentId(ref);
  }

  /** `undefined` where threads do not take it. */
  async storeLong(
    data: Uint8Array,
    compression: number,
    context: RequestContext,
  ): Promise<ContentId | undefined> {
    const lengths = Uint32Array.of(data.byteLength);
    const compressors = Uint32Array.of(compression);
    const stored = await this.#inThread(data, { lengths, compressors }, context);
    return stored && parseContentId(bytesToHex(stored.hashes));
  }

  /** @throws SEJF_INVALID_ARGUMENT when a content is another than the list says. */
  async storeMany(list: ContentList, data: Uint8Array, context: RequestContext): Promise<void> {
    const { lengths, hashes } = list;
    const { byteLength } = data;
    const { losses } = this;
    const stored = await this.#inThread(data, list, context);
    const names = stored?.hashes ?? (await this.#oneByOne(list, data, context));
    this.wrote(lengths.length, byteLength);
    const { holdings } = this.#parts.options;
    const batch = { hashes: names, hashBytes: this.hashBytes, lengths };
    holdings.noteBatch(this.#session.principal, batch, losses);
    this.#arriving?.retry();
    if (!equalBytes(names, hashes))
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        "a batch of contents is damaged: some have another hash than its list says",
      );
  }

  /** Their hashes. */
  async #oneByOne(
    { lengths, compressors }: ContentList,
    data: Uint8Array,
    context: RequestContext,
  ): Promise<Uint8Array> {
    const names = new Uint8Array(lengths.length * this.hashBytes);
    let at = 0;
    for (const [i, length] of lengths.entries()) {
      const content = data.subarray(at, at + length);
      const id = await this.storeOne("", content, compressors[i] ?? 0, context);
      names.set(contentHashBytes(id), i * this.hashBytes);
      at += length;
    }
    return names;
  }

  async #inThread(
    data: Uint8Array,
    { lengths, compressors }: Pick<ContentList, "lengths" | "compressors">,
    context: RequestContext,
  ): Promise<StoredBatch | undefined> {
    const { contents } = this.#parts.options.repository;
    const { signal } = context;
    const batch = { bytes: data as OwnedBytes, lengths, compressors };
    const options = { evenly: this.#isEven, signal };
    const stored = await this.#parts.writing.run(
      this.#session.account,
      async () => await contents.storeContents(batch, options),
      { signal },
    );
    if (stored !== undefined) context.gotBack(stored.bytes.buffer);
    return stored;
  }

  get #isEven(): boolean {
    return this.#parts.options.holdings.mode === "holding";
  }
}

/** @throws SEJF_ACCESS_DENIED for manifests, SEJF_INVALID_ARGUMENT. */
function checkPrefix(prefix: string): void {
  if (prefix.startsWith(MANIFEST_PREFIX)) throw accessDenied();
  if (!/^[g-z]?$/.test(prefix))
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "invalid prefix, must be empty or a single letter between 'g' and 'z'",
    );
}

/** @throws SEJF_INVALID_ARGUMENT for a list that does not fit its contents, or has too many. */
function decodeList(list: Uint8Array, hashBytes: number, dataBytes: number): ContentList {
  const most = MAX_CONTENTS_IN_BATCH * (CONTENT_LIST_HEAD_BYTES + hashBytes);
  if (list.byteLength === 0 || list.byteLength > most)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `a batch with a list of ${list.byteLength} bytes, expected 1 to ${MAX_CONTENTS_IN_BATCH} contents`,
    );
  try {
    return decodeContentList(list, hashBytes, dataBytes);
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    // What a client sends is its fault, no damage of ours.
    throw new SejfError("SEJF_INVALID_ARGUMENT", error.message, { cause: error });
  }
}

/** @throws SEJF_INVALID_ARGUMENT. */
function checkCompression(id: number): void {
  if (id !== 0 && !COMPRESSOR_IDS.has(id))
    throw new SejfError("SEJF_INVALID_ARGUMENT", `unsupported compressor ${id}`);
}
