/**
 * What a server gets, answers and may lose as one: a content, or a message of many. Its bytes are here until it is let
 * go; what it is stays known until the flush.
 */
import { copyBytes, type OwnedBytes } from "../../bytes/index.ts";
import type { CompressorId } from "../../compress/index.ts";
import { assert, SejfError } from "../../errors/index.ts";
import {
  type ContentId,
  type ContentPrefix,
  type ListedContent,
  listedContents,
} from "../../format/index.ts";
import type { SessionClient } from "../session/session-client.ts";
import type { WriteContentRequest } from "../wire/messages.ts";
import type { MessageOfMany } from "./batch-division.ts";
import type { Slab } from "./slab-pool.ts";

/** How a content is written. */
export interface WriteManner {
  readonly prefix: ContentPrefix;
  readonly compressor: CompressorId | undefined;
  /** The server is asked whether it has the content before its bytes are sent. */
  readonly asksFirst?: boolean | undefined;
}

/** Where the bytes lie: in a buffer with others, in one of their own, or where whoever waits for the answer keeps them. */
export type Place = Slab | "own" | "borrowed";

abstract class Unit {
  readonly lengthBytes: number;
  /** The bytes are somebody else's again as soon as it is answered. */
  readonly isBorrowed: boolean;
  isAnswered = false;
  #data: OwnedBytes | undefined;
  #slab: Slab | undefined;

  constructor(data: OwnedBytes, place: Place) {
    this.lengthBytes = data.byteLength;
    this.#data = data;
    this.isBorrowed = place === "borrowed";
    this.#slab = typeof place === "object" ? place : undefined;
  }

  /** Resolves when the server has answered that it has it. May be done again. */
  abstract send(session: SessionClient): Promise<void>;
  abstract get contentCount(): number;

  /** `undefined`: answered, and not held any more. */
  get data(): OwnedBytes | undefined {
    return this.#data;
  }

  /** The bytes are not needed any more. */
  letGo(): void {
    this.#data = undefined;
    this.#slab?.release();
    this.#slab = undefined;
  }

  protected get heldData(): OwnedBytes {
    assert(this.#data !== undefined, "what is sent is held");
    return this.#data;
  }
}

export class UnflushedContent extends Unit {
  readonly id: ContentId;
  readonly manner: WriteManner;

  constructor(id: ContentId, manner: WriteManner, data: OwnedBytes, place: Place) {
    super(data, place);
    this.id = id;
    this.manner = manner;
  }

  get contentCount(): number {
    return 1;
  }

  get request(): WriteContentRequest {
    const { prefix, compressor } = this.manner;
    return { prefix, data: this.heldData, compression: compressor ?? 0 };
  }

  async send(session: SessionClient): Promise<void> {
    const { contentId } = await session.request("writeContent", this.request);
    assertSameName(this.id, contentId);
  }
}

export class UnflushedBatch extends Unit {
  readonly contentCount: number;
  readonly list: OwnedBytes;
  readonly #hashBytes: number;
  /** Made when somebody looks for a content. */
  #places: ReadonlyMap<string, ListedContent> | undefined;

  constructor({ list, hashBytes, contentCount, data }: MessageOfMany, slab: Slab) {
    super(slab.gather(data), slab);
    this.list = list;
    this.contentCount = contentCount;
    this.#hashBytes = hashBytes;
  }

  lengthOf(id: ContentId): number | undefined {
    return this.#placeOf(id)?.lengthBytes;
  }

  /** A copy; `undefined` also when the bytes are not held any more. */
  dataOf(id: ContentId): OwnedBytes | undefined {
    const { data } = this;
    const place = data && this.#placeOf(id);
    return place && copyBytes(data.subarray(place.offset, place.offset + place.lengthBytes));
  }

  /** In one message, or one by one where the server does not take that. */
  async send(session: SessionClient): Promise<void> {
    const data = this.heldData;
    if (session.parameters.sejfBatches) {
      await session.request("writeContents", { list: this.list, data });
      return;
    }
    const contents = this.#listed();
    const requests = contents.map(
      ({ offset, lengthBytes, compressor }): WriteContentRequest => ({
        prefix: "",
        data: data.subarray(offset, offset + lengthBytes),
        compression: compressor,
      }),
    );
    await session.requestMany("writeContent", requests, (index, answer) => {
      if (answer instanceof SejfError) throw answer;
      const content = contents[index];
      if (content !== undefined) assertSameName(content.hash, answer.contentId);
    });
  }

  #placeOf(id: ContentId): ListedContent | undefined {
    this.#places ??= new Map(this.#listed().map((content) => [content.hash, content]));
    return this.#places.get(id);
  }

  #listed(): readonly ListedContent[] {
    return listedContents(this.list, this.#hashBytes, this.lengthBytes);
  }
}

export type UnflushedUnit = UnflushedContent | UnflushedBatch;

/** @throws SEJF_CORRUPT. */
export function assertSameName(id: string, answered: string): void {
  if (answered === id) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    `the server names a content ${JSON.stringify(answered.slice(0, 80))}, it is ${id}`,
  );
}
