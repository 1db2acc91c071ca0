/**
 * Logins with the delete password that succeeded: each authorises one destructive operation, once and within a minute.
 * Kept in memory only: after a restart the password is asked for again. Spec: sealed 9.
 */
import {
  base64UrlToBytes,
  bytesToBase64Url,
  bytesToHex,
  type Clock,
  type OwnedBytes,
  type Random,
} from "../../bytes/index.ts";
import type { StepUpReady } from "../../sealed/index.ts";
import type { AccountName } from "../types.ts";
import { timeText } from "./record-codec.ts";

export interface StepUp {
  readonly account: AccountName;
  /** Of the OPAQUE login: the key of the operation's MAC. */
  readonly sessionKey: OwnedBytes;
  /** base64url, as it was told. */
  readonly nonce: string;
  readonly untilMs: number;
  /** The same, as it was told. */
  readonly expires: string;
}

const LIFE_MS = 60_000;
const MAX_OPEN = 1000;

export class StepUps {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Oldest first. */
  readonly #open = new Map<string, StepUp>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** `sessionKey` as the OPAQUE library gives it. */
  issue(account: AccountName, sessionKey: string): StepUpReady {
    this.#prune();
    const stepUpId = bytesToHex(this.#random.bytes(16));
    const nonce = bytesToBase64Url(this.#random.bytes(16));
    const untilMs = this.#clock.nowMs() + LIFE_MS;
    const expires = timeText(untilMs);
    this.#open.set(stepUpId, {
      account,
      sessionKey: base64UrlToBytes(sessionKey),
      nonce,
      untilMs,
      expires,
    });
    return { stepUpId, nonce, expires };
  }

  /** The password is another one now. */
  forget(account: AccountName): void {
    for (const [id, stepUp] of this.#open) if (stepUp.account === account) this.#open.delete(id);
  }

  /** The one that was issued, if it is not over; nobody gets it a second time. */
  take(stepUpId: string): StepUp | undefined {
    this.#prune();
    const found = this.#open.get(stepUpId);
    this.#open.delete(stepUpId);
    return found;
  }

  #prune(): void {
    const now = this.#clock.nowMs();
    for (const [id, { untilMs }] of this.#open) {
      const isLive = now < untilMs && untilMs - now <= LIFE_MS;
      if (isLive && this.#open.size < MAX_OPEN) continue;
      this.#open.delete(id);
    }
  }
}
