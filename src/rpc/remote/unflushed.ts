/**
 * What was written through a session and is not flushed. Contents are sent without waiting for their answers; a broken
 * session takes them all with it, so their bytes are held, up to a bound, and sent again through the next session. When
 * some are held no longer, or a manifest was among it (its ID would be another the second time), the loss is told: every
 * write and flush from then on fails.
 */
import { type CallOptions, copyBytes, mapUnordered, type OwnedBytes } from "../../bytes/index.ts";
import { errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import { type ContentId, contentPrefix } from "../../format/index.ts";
import type { SessionClient } from "../session/session-client.ts";
import type { MessageOfMany } from "./batch-division.ts";
import { HeldWrites } from "./held-writes.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import { SlabPool } from "./slab-pool.ts";
import {
  assertSameName,
  UnflushedBatch,
  UnflushedContent,
  type UnflushedUnit,
  type WriteManner,
} from "./unflushed-units.ts";

export interface UnflushedLimits {
  /** Bytes on their way to the server; one batch may go beyond. Default 24 MiB. */
  readonly maxInFlightBytes?: number | undefined;
  /** Requests on their way. Default 4096. */
  readonly maxInFlight?: number | undefined;
  /** Bytes of answered contents that are held for a broken session. Default 32 MiB. */
  readonly maxHeldBytes?: number | undefined;
}

const DEFAULT_IN_FLIGHT_BYTES = 24 << 20;
const DEFAULT_IN_FLIGHT = 4096;
const DEFAULT_HELD_BYTES = 32 << 20;
const AGAIN_AT_ONCE = 256;
const MOST_TOGETHER = 16;
const GATHERING_MS = 5;

/** One content of many, and its bytes, which are another's when it was taken over. */
export interface NewContent extends WriteManner {
  readonly id: ContentId;
  readonly data: Uint8Array;
}

export class UnflushedWrites {
  readonly #keeper: SessionKeeper;
  readonly #maxInFlightBytes: number;
  readonly #maxInFlight: number;
  /** In the order of writing. */
  readonly #contents = new Map<ContentId, UnflushedContent>();
  readonly #batches = new Set<UnflushedBatch>();
  readonly #tasks = new Set<Promise<void>>();
  /** Writers that wait for room. */
  readonly #waiting: (() => void)[] = [];
  #inFlightBytes = 0;
  #inFlight = 0;
  /** Leave soon, or with the next flush. */
  #gathered: UnflushedContent[] = [];
  #gathering: NodeJS.Timeout | undefined;
  readonly #slabs = new SlabPool();
  readonly #held: HeldWrites;
  /** Manifests put or deleted, and answered. */
  #manifests = 0;
  /** From here on nothing can be written: it would be published without what was lost. */
  #failure: SejfError | undefined;

  constructor(keeper: SessionKeeper, limits: UnflushedLimits = {}) {
    this.#keeper = keeper;
    this.#maxInFlightBytes = limits.maxInFlightBytes ?? DEFAULT_IN_FLIGHT_BYTES;
    this.#maxInFlight = limits.maxInFlight ?? DEFAULT_IN_FLIGHT;
    this.#held = new HeldWrites(limits.maxHeldBytes ?? DEFAULT_HELD_BYTES);
    keeper.onReopened = async (session): Promise<void> => await this.#sendAgain(session);
  }

  /** Whether a content was written here by itself and is not flushed: batches are not looked through. */
  has(id: ContentId): boolean {
    return this.#contents.has(id);
  }

  /** Length of a content that was written here and is not flushed. */
  lengthOf(id: ContentId): number | undefined {
    return this.#contents.get(id)?.lengthBytes ?? this.#inBatches(id, (one) => one.lengthOf(id));
  }

  /** Its bytes, where they are held: surely so until the server has answered. */
  dataOf(id: ContentId): OwnedBytes | undefined {
    const data = this.#contents.get(id)?.data;
    return data === undefined ? this.#inBatches(id, (one) => one.dataOf(id)) : copyBytes(data);
  }

  /** Resolves when there was room for it. The bytes are kept and must not change. @throws what an earlier write failed with. */
  async write(
    id: ContentId,
    data: OwnedBytes,
    how: WriteManner,
    options: CallOptions = {},
  ): Promise<void> {
    this.assertWhole();
    if (this.#contents.has(id)) return;
    const content = new UnflushedContent(id, how, data, "own");
    this.#contents.set(id, content);
    try {
      await this.#room(content.lengthBytes, options);
    } catch (error) {
      this.#contents.delete(id);
      throw error;
    }
    if (how.asksFirst === true) void this.#startGroup([content]);
    else this.#gather(content);
  }

  /** As `write` for many. Single ones that were written before are passed over. */
  async writeMany(
    contents: readonly NewContent[],
    messages: readonly MessageOfMany[] = [],
  ): Promise<void> {
    this.assertWhole();
    await this.#room(bytesOf(contents, messages), {});
    const fresh = contents.filter(({ id }) => !this.#contents.has(id));
    if (fresh.length + messages.length === 0) return;
    const slab = this.#slabs.take(bytesOf(fresh, messages), fresh.length + messages.length);
    const short: UnflushedContent[] = [];
    for (const { id, data, ...how } of fresh) {
      const content = new UnflushedContent(id, how, slab.gather([data]), slab);
      this.#contents.set(id, content);
      if (how.asksFirst === true) void this.#startGroup([content]);
      else short.push(content);
    }
    if (short.length > 0) void this.#startGroup(short);
    for (const message of messages) this.#startBatch(new UnflushedBatch(message, slab));
  }

  /**
   * As `writeMany` for a single one whose bytes stay where they are until this resolves. They are copied only as long as
   * they may be needed a second time: that is when everything that is not flushed is held.
   */
  async writeLong(content: NewContent): Promise<void> {
    if (!this.#held.isPast) return await this.writeMany([content]);
    const { id, data, ...how } = content;
    this.assertWhole();
    await this.#room(data.byteLength, {});
    if (this.#contents.has(id)) return;
    const unit = new UnflushedContent(id, how, data as OwnedBytes, "borrowed");
    this.#contents.set(id, unit);
    await this.#startGroup([unit]);
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
    this.#sendGathered();
    await Promise.all(this.#tasks);
    this.assertWhole();
    const answered = this.#answeredUnits();
    const manifests = this.#manifests;
    await this.#keeper.retrying(async (session) => {
      this.assertWhole();
      await session.request("flush", {}, options);
    }, options);
    for (const unit of answered) {
      if (unit instanceof UnflushedBatch) this.#batches.delete(unit);
      else this.#contents.delete(unit.id);
    }
    this.#held.flushed(answered, this.#answeredUnits());
    this.#manifests -= manifests;
  }

  /** @throws the failure that stands between everything and the next flush. */
  assertWhole(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #room(lengthBytes: number, options: CallOptions): Promise<void> {
    while (!this.#hasRoom(lengthBytes)) {
      this.#sendGathered();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      options.signal?.throwIfAborted();
      this.assertWhole();
    }
  }

  /** Directories come one by one; a few together cost both sides far less. */
  #gather(content: UnflushedContent): void {
    this.#gathered.push(content);
    this.#count([content], 1);
    if (this.#gathered.length >= MOST_TOGETHER) this.#sendGathered();
    else this.#gathering ??= setTimeout(() => this.#sendGathered(), GATHERING_MS);
  }

  #sendGathered(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const group = this.#gathered;
    this.#gathered = [];
    this.#count(group, -1);
    if (group.length > 0) void this.#startGroup(group);
  }

  /** Whatever waits to leave takes room as if it had. */
  #count(group: readonly UnflushedContent[], sign: 1 | -1): void {
    for (const { lengthBytes } of group) this.#inFlightBytes += sign * lengthBytes;
    this.#inFlight += sign * group.length;
  }

  /** Contents that leave together, each with an answer of its own: what has one is not sent by this again. */
  #startGroup(group: readonly UnflushedContent[]): Promise<void> {
    const bytes = group.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    return this.#start(bytes, group.length, async (session) => {
      const open = group.filter(({ isAnswered }) => !isAnswered);
      const [only] = open;
      if (open.length === 1 && only !== undefined) await this.#sendOne(session, only);
      else await sendAll(session, open, (content) => this.#answered(content));
    });
  }

  #startBatch(batch: UnflushedBatch): void {
    this.#batches.add(batch);
    void this.#start(batch.lengthBytes + batch.list.byteLength, 1, async (session) => {
      await batch.send(session);
      this.#answered(batch);
    });
  }

  /** Resolves when it was answered, or has failed. */
  #start(
    bytes: number,
    requests: number,
    send: (session: SessionClient) => Promise<void>,
  ): Promise<void> {
    this.#inFlightBytes += bytes;
    this.#inFlight += requests;
    const task: Promise<void> = this.#send(send).finally(() => {
      this.#inFlightBytes -= bytes;
      this.#inFlight -= requests;
      this.#tasks.delete(task);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.#tasks.add(task);
    return task;
  }

  #hasRoom(lengthBytes: number): boolean {
    return (
      this.#tasks.size + this.#gathered.length === 0 ||
      (this.#inFlight < this.#maxInFlight &&
        this.#inFlightBytes + lengthBytes <= this.#maxInFlightBytes)
    );
  }

  /** Never fails: a failure is everybody's. */
  async #send(send: (session: SessionClient) => Promise<void>): Promise<void> {
    try {
      await this.#keeper.retrying(async (session) => {
        this.assertWhole();
        await send(session);
      });
    } catch (error) {
      this.#failure ??= errorFromUnknown(error, "writing contents");
    }
  }

  async #sendOne(session: SessionClient, content: UnflushedContent): Promise<void> {
    if (content.manner.asksFirst === true && (await hasContent(session, content))) {
      content.isAnswered = true;
      this.#contents.delete(content.id);
      content.letGo();
      return;
    }
    await content.send(session);
    this.#answered(content);
  }

  #answered(unit: UnflushedUnit): void {
    unit.isAnswered = true;
    this.#held.hold(unit);
  }

  #answeredUnits(): readonly UnflushedUnit[] {
    const units: readonly UnflushedUnit[] = [...this.#contents.values(), ...this.#batches];
    return units.filter(({ isAnswered }) => isAnswered);
  }

  /** The first that is found. Contents with a prefix are in no batch. */
  #inBatches<T>(id: ContentId, find: (batch: UnflushedBatch) => T | undefined): T | undefined {
    if (contentPrefix(id) !== "") return undefined;
    for (const batch of this.#batches) {
      const found = find(batch);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What had no answer is sent again by whoever waits for it. */
  async #sendAgain(session: SessionClient): Promise<void> {
    const answered = this.#answeredUnits();
    let gone = 0;
    for (const { data, contentCount } of answered) if (data === undefined) gone += contentCount;
    if (gone > 0 || this.#manifests > 0) {
      this.#failure ??= new SejfError(
        "SEJF_CONNECTION",
        `the connection to ${this.#keeper.address.text} broke, and ${gone} contents and ${this.#manifests} changes of manifests that were not flushed are lost`,
        { hint: "run the command again: it goes on from what was flushed" },
      );
      return;
    }
    const sending = mapUnordered(answered, AGAIN_AT_ONCE, async (unit) => await unit.send(session));
    for await (const _ of sending) {
      // Each is checked when it is answered.
    }
  }
}

function bytesOf(contents: readonly NewContent[], messages: readonly MessageOfMany[]): number {
  let bytes = 0;
  for (const { data } of contents) bytes += data.byteLength;
  for (const { data } of messages) for (const piece of data) bytes += piece.byteLength;
  return bytes;
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

/** `onAnswer` gets each content when the server has named it rightly. */
async function sendAll(
  session: SessionClient,
  contents: readonly UnflushedContent[],
  onAnswer: (content: UnflushedContent) => void,
): Promise<void> {
  await session.requestMany(
    "writeContent",
    contents.map(({ request }) => request),
    (index, answer) => {
      const content = contents[index];
      if (answer instanceof SejfError) throw answer;
      if (content === undefined) return;
      assertSameName(content.id, answer.contentId);
      onAnswer(content);
    },
  );
}
