/**
 * The local copies of contents that were read from a server, or written to it with a prefix: encrypted one by one with
 * a key from the password, bounded in size. Nothing in it is needed, and nothing in it is trusted: whoever reads
 * hashes again, and what lies here says nothing of what the server has. Copies are collected and written together.
 * Spec: kopia-server 1.4.
 */
import { setImmediate as turn } from "node:timers/promises";
import { copyBytes, type OwnedBytes, type Random, utf8ToBytes } from "../../bytes/index.ts";
import { type ContentCipher, createContentCipher, type CryptoEngine } from "../../crypto/index.ts";
import type { ContentId } from "../../format/index.ts";
import { CACHE_SALT, type CacheKeyAlgorithm } from "../../repository/index.ts";
import {
  type CopyDatabase,
  type CopyDatabaseOptions,
  createCopyDatabase,
} from "./copy-database.ts";
import type { StoredCopy } from "./copy-tables.ts";

const CIPHER = "AES256-GCM-HMAC-SHA256";
const KEY_BYTES = 32;
/** Written in one transaction, when so many have come or so much. */
const BATCH_COPIES = 256;
const BATCH_BYTES = 2 << 20;
/** Collected at most, but for one content; what comes meanwhile is not kept. */
const MAX_COLLECTED_BYTES = 8 << 20;

export interface LocalCacheOptions extends CopyDatabaseOptions {
  readonly engine: CryptoEngine;
  readonly random: Random;
  /** The key costs a fifth of a second: it is derived at once, and waited for when it is first needed. */
  readonly key: Promise<OwnedBytes>;
}

/** Nothing in it fails: without a usable folder there are no copies. The folder is looked at when first needed. */
export class LocalContentCache implements AsyncDisposable {
  readonly #options: LocalCacheOptions;
  readonly #cipher: Promise<ContentCipher>;
  /** In plain, not written yet. */
  readonly #collected = new Map<ContentId, Uint8Array>();
  #collectedBytes = 0;
  #database: Promise<CopyDatabase | undefined> | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: LocalCacheOptions) {
    this.#options = options;
    const { engine, random } = options;
    this.#cipher = options.key.then((key) => createContentCipher(engine, CIPHER, key, random));
    // Met by whoever needs it: then there is no cache.
    this.#cipher.catch(() => undefined);
  }

  /** What lies there under the name; a copy that cannot be decrypted is removed. To be hashed by the caller. */
  async get(id: ContentId): Promise<OwnedBytes | undefined> {
    const collected = this.#collected.get(id);
    if (collected !== undefined) return copyBytes(collected);
    const database = await this.#open();
    const stored = database?.get(id);
    if (stored === undefined) return undefined;
    try {
      return (await this.#cipher).decrypt(stored, this.#iv(id));
    } catch {
      await this.remove(id);
      return undefined;
    }
  }

  /** In the background; a copy that cannot be kept is not. The bytes must not change afterwards. */
  put(id: ContentId, data: Uint8Array): void {
    if (this.#collected.has(id) || this.#collectedBytes >= MAX_COLLECTED_BYTES) return;
    this.#collected.set(id, data);
    this.#collectedBytes += data.byteLength;
    if (this.#isBatchFull()) this.#writing ??= this.#writeFullBatches();
  }

  async remove(id: ContentId): Promise<void> {
    this.#collectedBytes -= this.#collected.get(id)?.byteLength ?? 0;
    this.#collected.delete(id);
    (await this.#open())?.remove(id);
  }

  /** Writes what is collected, so that little is left for the end. */
  async settle(): Promise<void> {
    await this.#writing;
    while (this.#collected.size > 0) await this.#writeBatch();
    (await this.#database)?.checkpoint();
  }

  /** Also brings the file below its bound. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle();
    await (await this.#database)?.close();
  }

  async #writeFullBatches(): Promise<void> {
    while (this.#isBatchFull()) await this.#writeBatch();
    this.#writing = undefined;
  }

  #isBatchFull(): boolean {
    return this.#collected.size >= BATCH_COPIES || this.#collectedBytes >= BATCH_BYTES;
  }

  /** After what waits to be done now. A copy is collected until it is written, so that it is always found. */
  async #writeBatch(): Promise<void> {
    const database = await this.#open();
    const cipher = await this.#cipher.catch(() => undefined);
    await turn();
    const batch = this.#takeBatch();
    if (database === undefined || cipher === undefined) return;
    try {
      database.write(
        batch.map(([id, data]): StoredCopy => ({ id, stored: cipher.encrypt(data, this.#iv(id)) })),
      );
    } catch {
      // an engine that cannot encrypt: no copies
    }
  }

  #takeBatch(): readonly (readonly [ContentId, Uint8Array])[] {
    const batch: (readonly [ContentId, Uint8Array])[] = [];
    let bytes = 0;
    for (const [id, data] of this.#collected) {
      batch.push([id, data]);
      bytes += data.byteLength;
      this.#collected.delete(id);
      if (batch.length === BATCH_COPIES || bytes >= BATCH_BYTES) break;
    }
    this.#collectedBytes -= bytes;
    return batch;
  }

  async #open(): Promise<CopyDatabase | undefined> {
    this.#database ??= createCopyDatabase(this.#options).catch(() => undefined);
    return await this.#database;
  }

  #iv(id: ContentId): OwnedBytes {
    return this.#options.engine.sha256(utf8ToBytes(id));
  }
}

/** By Kopia's names, so that a connection file's choice holds. */
export async function deriveCacheKey(
  engine: CryptoEngine,
  algorithm: CacheKeyAlgorithm,
  password: string,
): Promise<OwnedBytes> {
  const secret = utf8ToBytes(password);
  switch (algorithm) {
    case "scrypt-65536-8-1":
      return await engine.scrypt(secret, CACHE_SALT, {
        cost: 65_536,
        blockSize: 8,
        parallelization: 1,
        length: KEY_BYTES,
      });
    case "pbkdf2-sha256-600000":
      return await engine.pbkdf2Sha256(secret, CACHE_SALT, 600_000, KEY_BYTES);
  }
}
