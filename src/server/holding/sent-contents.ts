/**
 * What one account has sent lately: an upload that was interrupted goes on, in another session too, until a snapshot
 * holds what it sent. Two halves: the younger one is filled, and when it is full or old the older one is dropped, so that
 * neither a flood nor time makes it grow. What falls out is sent again, loudly: no snapshot is taken in without it.
 */
import { type ContentId, IdLengths } from "../../format/index.ts";
import type { SentBatch } from "./types.ts";

/** In one half: 110 MB at 27 bytes. A checkpoint every 45 minutes makes far fewer durable. */
const MAX_HALF = 4_000_000;

/** A content that was there when it was noted, and is as long as nothing has been lost since. */
export interface Presence {
  readonly lengthBytes: number;
  /** Of the contents, before it was stored and still when it was noted. */
  readonly losses: number;
}

interface BatchNotes {
  readonly isCounted: (hash: Uint8Array) => boolean;
  readonly losses: number | undefined;
}

export class SentContents {
  readonly #halfLifeMs: number;
  #young = new IdLengths();
  #old = new IdLengths();
  #youngSinceMs: number;
  #youngBytes = 0;
  #oldBytes = 0;
  /** With which all lengths were noted. */
  #losses: number | undefined;

  constructor(lifeMs: number, nowMs: number) {
    this.#halfLifeMs = lifeMs / 2;
    this.#youngSinceMs = nowMs;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Of what is in no snapshot yet. */
  get lengthBytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get memoryBytes(): number {
    return this.#young.memoryBytes + this.#old.memoryBytes;
  }

  /** `countedBytes` count where the content was not noted before. */
  add(id: ContentId, nowMs: number, countedBytes: number, presence?: Presence): void {
    this.#turn(nowMs);
    if (presence !== undefined) this.#useLosses(presence.losses);
    const isNew = this.#young.add(id, presence?.lengthBytes);
    if (isNew && !this.#old.has(id)) this.#youngBytes += countedBytes;
  }

  /** As `add`, of each; they count where `isCounted`. `losses`: with which all of them were there, where they were. */
  addBatch(
    { hashes, hashBytes, lengths }: SentBatch,
    nowMs: number,
    { isCounted, losses }: BatchNotes,
  ): void {
    this.#turn(nowMs);
    if (losses !== undefined) this.#useLosses(losses);
    for (let i = 0; i < lengths.length; i++) {
      const hash = hashes.subarray(i * hashBytes, (i + 1) * hashBytes);
      const lengthBytes = lengths[i]!;
      const isNew = this.#young.add(hash, losses === undefined ? undefined : lengthBytes);
      if (isNew && isCounted(hash) && !this.#old.has(hash)) this.#youngBytes += lengthBytes;
    }
  }

  /** So many bytes are in a snapshot now, and counted there. */
  discount(lengthBytes: number): void {
    const ofOld = Math.min(this.#oldBytes, lengthBytes);
    this.#oldBytes -= ofOld;
    this.#youngBytes = Math.max(0, this.#youngBytes - (lengthBytes - ofOld));
  }

  has(id: ContentId, nowMs: number): boolean {
    this.#turn(nowMs);
    return this.#young.has(id) || this.#old.has(id);
  }

  /** Of a content that `has` gives and that was there since the contents had these `losses`; `undefined` for others. */
  presentLength(id: ContentId, nowMs: number, losses: number): number | undefined {
    this.#turn(nowMs);
    if (losses !== this.#losses) return undefined;
    return this.#young.lengthOf(id) ?? this.#old.lengthOf(id);
  }

  #useLosses(losses: number): void {
    if (losses === this.#losses) return;
    this.#young.forgetLengths();
    this.#old.forgetLengths();
    this.#losses = losses;
  }

  #turn(nowMs: number): void {
    const ageMs = nowMs - this.#youngSinceMs;
    // A clock that was put back makes nothing live longer than twice.
    if (ageMs < 0) this.#youngSinceMs = nowMs;
    if (ageMs < this.#halfLifeMs && this.#young.size < MAX_HALF) return;
    const isAllOver = ageMs >= 2 * this.#halfLifeMs;
    this.#old = isAllOver ? new IdLengths() : this.#young;
    this.#oldBytes = isAllOver ? 0 : this.#youngBytes;
    this.#young = new IdLengths();
    this.#youngBytes = 0;
    this.#youngSinceMs = nowMs;
  }
}
