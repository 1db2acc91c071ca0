/**
 * Passwords that were right lately, so that a client which opens many sessions does not pay for a key each time.
 * SECURITY: kept is a MAC under a key that lives in this process only, never the password. Whoever reads the process's
 * memory has the sessions' data anyhow. Asked only where a try is allowed: it must not make guessing cheap.
 */
import { LRUCache } from "lru-cache";
import { bytesToHex, type Clock, type Random, utf8ToBytes } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import type { LoginRequest } from "../types.ts";
import type { Proof } from "./authenticators.ts";

interface Verdict {
  readonly proof: Proof;
  readonly untilMs: number;
  readonly sinceMs: number;
}

const KEY_BYTES = 32;
const LIFE_MS = 10 * 60_000;
const MAX_VERDICTS = 1000;

export class VerdictCache {
  readonly #engine: CryptoEngine;
  readonly #clock: Clock;
  readonly #key: Uint8Array;
  readonly #verdicts = new LRUCache<string, Verdict>({ max: MAX_VERDICTS });

  constructor(engine: CryptoEngine, clock: Clock, random: Random) {
    this.#engine = engine;
    this.#clock = clock;
    this.#key = random.bytes(KEY_BYTES);
  }

  /** Tells nothing of the password to who does not have the key; equal for equal name, password and door. */
  keyOf({ name, password, door }: LoginRequest): string {
    const text = JSON.stringify([door, name, password]);
    return bytesToHex(this.#engine.hmacSha256(this.#key, utf8ToBytes(text)));
  }

  find(request: LoginRequest): Proof | undefined {
    const verdict = this.#verdicts.get(this.keyOf(request));
    const now = this.#clock.nowMs();
    const lives = verdict !== undefined && now >= verdict.sinceMs && now < verdict.untilMs;
    return lives ? verdict.proof : undefined;
  }

  remember(request: LoginRequest, proof: Proof): void {
    const sinceMs = this.#clock.nowMs();
    this.#verdicts.set(this.keyOf(request), { proof, sinceMs, untilMs: sinceMs + LIFE_MS });
  }

  forget(request: LoginRequest): void {
    this.#verdicts.delete(this.keyOf(request));
  }
}
