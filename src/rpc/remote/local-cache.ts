/**
 * The local copies of contents that were read from a server, or written to it with a prefix: encrypted one by one with
 * a key from the password, bounded in size. Nothing in it is needed, and nothing in it is trusted: whoever reads
 * hashes again, and what lies here says nothing of what the server has. Spec: kopia-server 1.4.
 */
import { type OwnedBytes, type Random, utf8ToBytes } from "../../bytes/index.ts";
import type { DiskCache } from "../../content/index.ts";
import { type ContentCipher, createContentCipher, type CryptoEngine } from "../../crypto/index.ts";
import type { ContentId } from "../../format/index.ts";
import type { CacheKeyAlgorithm } from "../../repository/index.ts";

const PART = "server-contents";
const CIPHER = "AES256-GCM-HMAC-SHA256";
const SALT: OwnedBytes = utf8ToBytes("content-cache-protection");
const KEY_BYTES = 32;
/** Copies that are being written; what comes meanwhile is not kept. */
const MAX_WRITING = 64;

export interface LocalCacheOptions {
  readonly files: DiskCache;
  readonly engine: CryptoEngine;
  readonly random: Random;
  /** The key costs a fifth of a second: it is derived at once, and waited for when it is first needed. */
  readonly key: Promise<OwnedBytes>;
}

export class LocalContentCache implements AsyncDisposable {
  readonly #options: LocalCacheOptions;
  readonly #cipher: Promise<ContentCipher>;
  readonly #writing = new Set<Promise<void>>();

  constructor(options: LocalCacheOptions) {
    this.#options = options;
    const { engine, random } = options;
    this.#cipher = options.key.then((key) => createContentCipher(engine, CIPHER, key, random));
    // Met by whoever needs it: then there is no cache.
    this.#cipher.catch(() => undefined);
  }

  /** What lies there under the name; a copy that cannot be decrypted is removed. To be hashed by the caller. */
  async get(id: ContentId): Promise<OwnedBytes | undefined> {
    const stored = await this.#options.files.get(PART, id);
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
    if (this.#writing.size >= MAX_WRITING) return;
    const task: Promise<void> = this.#put(id, data)
      .catch(() => undefined)
      .finally(() => this.#writing.delete(task));
    this.#writing.add(task);
  }

  async remove(id: ContentId): Promise<void> {
    await this.#options.files.remove(PART, id);
  }

  /** Waits for what is being written and brings the folder below its bound. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#writing);
    await this.#options.files.close();
  }

  async #put(id: ContentId, data: Uint8Array): Promise<void> {
    const cipher = await this.#cipher;
    await this.#options.files.put(PART, id, cipher.encrypt(data, this.#iv(id)));
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
      return await engine.scrypt(secret, SALT, {
        cost: 65_536,
        blockSize: 8,
        parallelization: 1,
        length: KEY_BYTES,
      });
    case "pbkdf2-sha256-600000":
      return await engine.pbkdf2Sha256(secret, SALT, 600_000, KEY_BYTES);
  }
}
