/**
 * What one account has sent lately: an upload that was interrupted goes on, in another session too, until a snapshot
 * holds what it sent. Two halves: the younger one is filled, and when it is full or old the older one is dropped, so that
 * neither a flood nor time makes it grow. What falls out is sent again, loudly: no snapshot is taken in without it.
 */
import { type ContentId, IdSet } from "../../format/index.ts";

/** In one half: 88 MB at 22 bytes. A checkpoint every 45 minutes makes far fewer durable. */
const MAX_HALF = 4_000_000;

export class SentContents {
  readonly #halfLifeMs: number;
  #young = new IdSet();
  #old = new IdSet();
  #youngSinceMs: number;
  #youngBytes = 0;
  #oldBytes = 0;

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

  /** `lengthBytes` count where the content was not noted before. */
  add(id: ContentId, nowMs: number, lengthBytes: number): void {
    this.#turn(nowMs);
    if (this.#young.add(id) && !this.#old.has(id)) this.#youngBytes += lengthBytes;
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

  #turn(nowMs: number): void {
    const ageMs = nowMs - this.#youngSinceMs;
    // A clock that was put back makes nothing live longer than twice.
    if (ageMs < 0) this.#youngSinceMs = nowMs;
    if (ageMs < this.#halfLifeMs && this.#young.size < MAX_HALF) return;
    const isAllOver = ageMs >= 2 * this.#halfLifeMs;
    this.#old = isAllOver ? new IdSet() : this.#young;
    this.#oldBytes = isAllOver ? 0 : this.#youngBytes;
    this.#young = new IdSet();
    this.#youngBytes = 0;
    this.#youngSinceMs = nowMs;
  }
}
