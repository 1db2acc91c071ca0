/**
 * What was written through a session and is not flushed. Contents are sent without waiting for their answers; a broken
 * session takes them all with it, so their bytes are held, up to a bound, and sent again through the next session. When
 * some are held no longer, or a manifest was among it (its ID would be another the second time), the loss is told: every
 * write and flush from then on fails.
 */
import { type CallOptions, copyBytes, mapUnordered, type OwnedBytes } from "../../bytes/index.ts";
import type { CompressorId } from "../../compress/index.ts";
import { errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import type { ContentId, ContentPrefix } from "../../format/index.ts";
import type { SessionClient } from "../session/session-client.ts";
import type { WriteContentRequest } from "../wire/messages.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { type Slab, SlabPool } from "./slab-pool.ts";

export interface UnflushedLimits {
  /** Bytes on their way to the server; one batch may go beyond. Default 24 MiB. */
  readonly maxInFlightBytes?: number | undefined;
  /** Contents on their way. Default 4096. */
  readonly maxInFlight?: number | undefined;
  /** Bytes of answered contents that are held for a broken session. Default 32 MiB. */
  readonly maxHeldBytes?: number | undefined;
}

const DEFAULT_IN_FLIGHT_BYTES = 24 << 20;
const DEFAULT_IN_FLIGHT = 4096;
const DEFAULT_HELD_BYTES = 32 << 20;
const AGAIN_AT_ONCE = 256;
const FORGET_AFTER = 1024;

/** How a content is written. */
export interface WriteManner {
  readonly prefix: ContentPrefix;
  readonly compressor: CompressorId | undefined;
  /** The server is asked whether it has the content before its bytes are sent. */
  readonly asksFirst?: boolean | undefined;
}

/** One content of a batch, and where its bytes are. */
export interface BatchPart extends WriteManner {
  readonly id: ContentId;
  readonly offset: number;
  readonly lengthBytes: number;
}

interface UnflushedContent extends WriteManner {
  readonly id: ContentId;
  readonly lengthBytes: number;
  /** `undefined`: answered, and not held any more. */
  data: OwnedBytes | undefined;
  /** Where the bytes lie, when they share a buffer with others. */
  slab: Slab | undefined;
  isAnswered: boolean;
}

export class UnflushedWrites {
  readonly #keeper: SessionKeeper;
  readonly #maxInFlightBytes: number;
  readonly #maxInFlight: number;
  readonly #maxHeldBytes: number;
  /** In the order of writing. */
  readonly #contents = new Map<ContentId, UnflushedContent>();
  readonly #tasks = new Set<Promise<void>>();
  /** Writers that wait for room. */
  readonly #waiting: (() => void)[] = [];
  #inFlightBytes = 0;
  #inFlight = 0;
  readonly #slabs = new SlabPool();
  /** Answered contents in order; those before `#firstHeld` were let go. */
  #held: UnflushedContent[] = [];
  #firstHeld = 0;
  #heldBytes = 0;
  /** Manifests put or deleted, and answered. */
  #manifests = 0;
  /** From here on nothing can be written: it would be published without what was lost. */
  #failure: SejfError | undefined;

  constructor(keeper: SessionKeeper, limits: UnflushedLimits = {}) {
    this.#keeper = keeper;
    this.#maxInFlightBytes = limits.maxInFlightBytes ?? DEFAULT_IN_FLIGHT_BYTES;
    this.#maxInFlight = limits.maxInFlight ?? DEFAULT_IN_FLIGHT;
    this.#maxHeldBytes = limits.maxHeldBytes ?? DEFAULT_HELD_BYTES;
    keeper.onReopened = async (session): Promise<void> => await this.#sendAgain(session);
  }

  /** Length of a content that was written here and is not flushed. */
  lengthOf(id: ContentId): number | undefined {
    return this.#contents.get(id)?.lengthBytes;
  }

  /** Its bytes, where they are held: surely so until the server has answered. */
  dataOf(id: ContentId): OwnedBytes | undefined {
    const data = this.#contents.get(id)?.data;
    return data === undefined ? undefined : copyBytes(data);
  }

  /** Resolves when the content is copied and there was room for it. @throws what an earlier write failed with. */
  async write(
    id: ContentId,
    data: Uint8Array,
    how: WriteManner,
    options: CallOptions = {},
  ): Promise<void> {
    this.assertWhole();
    if (this.#contents.has(id)) return;
    const content: UnflushedContent = {
      ...how,
      id,
      lengthBytes: data.byteLength,
      data: copyBytes(data),
      slab: undefined,
      isAnswered: false,
    };
    this.#contents.set(id, content);
    try {
      await this.#room(content.lengthBytes, options);
    } catch (error) {
      this.#contents.delete(id);
      throw error;
    }
    this.#start([content]);
  }

  /** As `write` for many, whose bytes lie in one piece of memory. Those that were written before are passed over. */
  async writeBatch(bytes: Uint8Array, parts: readonly BatchPart[]): Promise<void> {
    this.assertWhole();
    await this.#room(bytes.byteLength, {});
    const fresh = parts.filter(({ id }) => !this.#contents.has(id));
    if (fresh.length === 0) return;
    const slab = this.#slabs.copy(bytes, fresh.length);
    const short: UnflushedContent[] = [];
    for (const { id, offset, lengthBytes, ...how } of fresh) {
      const data = slab.view(offset, lengthBytes);
      const content = { ...how, id, lengthBytes, data, slab, isAnswered: false };
      this.#contents.set(id, content);
      if (content.asksFirst === true) this.#start([content]);
      else short.push(content);
    }
    if (short.length > 0) this.#start(short);
  }

  /** Changes a manifest; counts until the next flush. */
  async change<T>(
    work: (session: SessionClient) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    this.assertWhole();
    const result = await this.#keeper.retrying(async (session) => {
      this.assertWhole();
      return await work(session);
    }, options);
    this.#manifests++;
    return result;
  }

  /** Everything written before the call is durable. @throws what a write failed with; SEJF_CONNECTION for a loss. */
  async flush(options: CallOptions = {}): Promise<void> {
    await Promise.all(this.#tasks);
    this.assertWhole();
    const answered = [...this.#contents.values()].filter((content) => content.isAnswered);
    const manifests = this.#manifests;
    await this.#keeper.retrying(async (session) => {
      this.assertWhole();
      await session.request("flush", {}, options);
    }, options);
    for (const content of answered) {
      this.#contents.delete(content.id);
      this.#letGo(content);
    }
    this.#held = this.#held.slice(this.#firstHeld).filter(({ data }) => data !== undefined);
    this.#firstHeld = 0;
    this.#manifests -= manifests;
  }

  /** @throws the failure that stands between everything and the next flush. */
  assertWhole(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #room(lengthBytes: number, options: CallOptions): Promise<void> {
    while (!this.#hasRoom(lengthBytes)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      options.signal?.throwIfAborted();
      this.assertWhole();
    }
  }

  /** A group is sent and answered as one. */
  #start(group: readonly UnflushedContent[]): void {
    const bytes = group.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    this.#inFlightBytes += bytes;
    this.#inFlight += group.length;
    const task: Promise<void> = this.#send(group).finally(() => {
      this.#inFlightBytes -= bytes;
      this.#inFlight -= group.length;
      this.#tasks.delete(task);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.#tasks.add(task);
  }

  #hasRoom(lengthBytes: number): boolean {
    return (
      this.#tasks.size === 0 ||
      (this.#inFlight < this.#maxInFlight &&
        this.#inFlightBytes + lengthBytes <= this.#maxInFlightBytes)
    );
  }

  /** Never fails: a failure is everybody's. What was answered before a break is not sent by this again. */
  async #send(group: readonly UnflushedContent[]): Promise<void> {
    try {
      await this.#keeper.retrying(async (session) => {
        this.assertWhole();
        const open = group.filter(({ isAnswered }) => !isAnswered);
        const [only] = open;
        if (open.length === 1 && only !== undefined) await this.#sendOne(session, only);
        else await sendAll(session, open, (content) => this.#answered(content));
      });
    } catch (error) {
      this.#failure ??= errorFromUnknown(error, "writing contents");
    }
  }

  async #sendOne(session: SessionClient, content: UnflushedContent): Promise<void> {
    if (content.asksFirst === true && (await hasContent(session, content))) {
      this.#heldBytes += content.lengthBytes;
      content.isAnswered = true;
      this.#contents.delete(content.id);
      this.#letGo(content);
      return;
    }
    await sendContent(session, content);
    this.#answered(content);
  }

  #answered(content: UnflushedContent): void {
    content.isAnswered = true;
    this.#heldBytes += content.lengthBytes;
    this.#hold(content);
  }

  /** Keeps the newest within the bound. */
  #hold(content: UnflushedContent): void {
    this.#held.push(content);
    while (this.#heldBytes > this.#maxHeldBytes) {
      const oldest = this.#held[this.#firstHeld++];
      if (oldest === undefined) break;
      this.#letGo(oldest);
    }
    if (this.#firstHeld < FORGET_AFTER) return;
    this.#held = this.#held.slice(this.#firstHeld);
    this.#firstHeld = 0;
  }

  /** The bytes of an answered content are not needed any more. */
  #letGo(content: UnflushedContent): void {
    if (content.data === undefined) return;
    content.data = undefined;
    content.slab?.release();
    content.slab = undefined;
    this.#heldBytes -= content.lengthBytes;
  }

  /** What had no answer is sent again by whoever waits for it. */
  async #sendAgain(session: SessionClient): Promise<void> {
    const answered = [...this.#contents.values()].filter((content) => content.isAnswered);
    const gone = answered.filter((content) => content.data === undefined).length;
    if (gone > 0 || this.#manifests > 0) {
      this.#failure ??= new SejfError(
        "SEJF_CONNECTION",
        `the connection to ${this.#keeper.address.text} broke, and ${gone} contents and ${this.#manifests} changes of manifests that were not flushed are lost`,
        { hint: "run the command again: it goes on from what was flushed" },
      );
      return;
    }
    const sending = mapUnordered(
      answered,
      AGAIN_AT_ONCE,
      async (content) => await sendContent(session, content),
    );
    for await (const _ of sending) {
      // Each is checked when it is answered.
    }
  }
}

/** A content whose length is another than it should be is damaged or a lie, and is sent. */
async function hasContent(session: SessionClient, content: UnflushedContent): Promise<boolean> {
  return (await lengthOnServer(session, content.id)) === content.lengthBytes;
}

/** Plain bytes of a content that the server has; `undefined` when it has none, or has marked it deleted. */
export async function lengthOnServer(
  session: SessionClient,
  id: ContentId,
  options: CallOptions = {},
): Promise<number | undefined> {
  try {
    const { info } = await session.request("getContentInfo", { contentId: id }, options);
    return info === undefined || info.deleted ? undefined : info.originalLength;
  } catch (error) {
    if (isSejfError(error, "SEJF_CONTENT_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function sendContent(session: SessionClient, content: UnflushedContent): Promise<void> {
  const { contentId } = await session.request("writeContent", bodyOf(content));
  assertSameName(content, contentId);
}

/** `onAnswer` gets each content when the server has named it rightly. */
async function sendAll(
  session: SessionClient,
  contents: readonly UnflushedContent[],
  onAnswer: (content: UnflushedContent) => void,
): Promise<void> {
  await session.requestMany("writeContent", contents.map(bodyOf), (index, answer) => {
    const content = contents[index];
    if (answer instanceof SejfError) throw answer;
    if (content === undefined) return;
    assertSameName(content, answer.contentId);
    onAnswer(content);
  });
}

function bodyOf({ id, prefix, data, compressor }: UnflushedContent): WriteContentRequest {
  if (data === undefined) throw new TypeError(`the bytes of content ${id} are not held`);
  return { prefix, data, compression: compressor ?? 0 };
}

function assertSameName({ id }: UnflushedContent, answered: string): void {
  if (answered === id) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    `the server names a content ${JSON.stringify(answered.slice(0, 80))}, it is ${id}`,
  );
}
