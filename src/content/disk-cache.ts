/**
 * The local cache: stored bytes of contents, whole `q` packs and index blobs, each self-verifying (decrypting
 * authenticates, the plain bytes are hashed again), and decrypted indexes with a MAC. Nothing in it is needed: any
 * failure to read or write it is a miss. Bounded by size, the least recently used go first, nothing younger than the
 * minimum age. The names of the folders are not those of the reference client, whose files are never touched.
 */
import { mkdtempSync, rmSync } from "node:fs";
import {
  access,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesToHex, type Clock, type OwnedBytes, type Random } from "../bytes/index.ts";
import type { BlobId, ByteRange } from "../blob/index.ts";
import { markCacheFolder } from "./cache-tag.ts";
import type { CacheLimits } from "./types.ts";

export const DEFAULT_CACHE_LIMITS: CacheLimits = {
  contentBytes: 5_000_000_000,
  metadataBytes: 5_000_000_000,
  indexBytes: 5_000_000_000,
  minimumAgeMs: 10 * 60_000,
};

/** The folders of the cache. */
export type CachePart = "contents" | "metadata" | "index-blobs" | "index-files";

/** Which limit they share. */
const PARTS: Readonly<Record<CachePart, keyof CacheLimits>> = {
  contents: "contentBytes",
  metadata: "metadataBytes",
  "index-blobs": "indexBytes",
  "index-files": "indexBytes",
};

export const CACHE_PARTS: readonly CachePart[] = Object.keys(PARTS) as CachePart[];

const SHARD_LENGTH = 2;
/** A use is noted when the last one noted is older. */
export const TOUCH_AGE_MS: number = 60 * 60_000;
/** A sweep is due after this share of a limit has been written. */
const SWEEP_SHARE = 0.1;

interface CacheFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly usedMs: number;
}

export class DiskCache {
  /** Where files are; undefined where nothing is kept. */
  readonly #root: string | undefined;
  readonly #limits: CacheLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #writtenBytes = new Map<CachePart, number>();
  readonly #folders = new Set<string>();
  #temporary: string | undefined;

  constructor(
    root: string | undefined,
    limits: Partial<CacheLimits>,
    clock: Clock,
    random: Random,
  ) {
    this.#root = root;
    this.#limits = { ...DEFAULT_CACHE_LIMITS, ...limits };
    this.#clock = clock;
    this.#random = random;
  }

  keeps(part: CachePart): boolean {
    return this.#root !== undefined && this.#limits[PARTS[part]] > 0;
  }

  /** The whole item, or a range of it; `undefined` when it is not there or too short. */
  async get(part: CachePart, name: string, range?: ByteRange): Promise<OwnedBytes | undefined> {
    if (!this.keeps(part)) return undefined;
    const path = this.#path(part, name);
    try {
      const bytes =
        range === undefined ? new Uint8Array(await readFile(path)) : await readRange(path, range);
      if (bytes !== undefined) await this.#touch(path);
      return bytes;
    } catch {
      return undefined;
    }
  }

  async has(part: CachePart, name: string): Promise<boolean> {
    if (!this.keeps(part)) return false;
    return await access(this.#path(part, name)).then(
      () => true,
      () => false,
    );
  }

  async put(part: CachePart, name: string, bytes: Uint8Array): Promise<void> {
    if (!this.keeps(part) || bytes.byteLength > this.#limits[PARTS[part]]) return;
    const path = this.#path(part, name);
    const temporary = `${path}.tmp.${bytesToHex(this.#random.bytes(8))}`;
    try {
      await this.#makeFolder(join(path, ".."));
      await writeFile(temporary, bytes, { mode: 0o600, flag: "wx" });
      await rename(temporary, path);
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
      return;
    }
    await this.wrote(part, bytes.byteLength);
  }

  async remove(part: CachePart, name: string): Promise<void> {
    if (this.keeps(part)) await rm(this.#path(part, name), { force: true }).catch(() => undefined);
  }

  /**
   * Where a decrypted index is to be kept: in the cache, or in a private folder that goes with this process.
   * The folder of the path exists.
   */
  async indexFilePath(name: string): Promise<string> {
    if (this.keeps("index-files")) {
      const path = this.#path("index-files", name);
      await this.#makeFolder(join(path, ".."));
      return path;
    }
    this.#temporary ??= mkdtempSync(join(tmpdir(), "sejf-index-"));
    return join(this.#temporary, name);
  }

  /** Says that a file was put where `indexFilePath` said, or used again. */
  async wrote(part: CachePart, sizeBytes: number): Promise<void> {
    const written = (this.#writtenBytes.get(part) ?? 0) + sizeBytes;
    this.#writtenBytes.set(part, written);
    if (this.keeps(part) && written > SWEEP_SHARE * this.#limits[PARTS[part]]) await this.sweep();
  }

  async touch(path: string): Promise<void> {
    await this.#touch(path);
  }

  /** Brings every part below its limit. */
  async sweep(): Promise<void> {
    if (this.#root === undefined) return;
    this.#writtenBytes.clear();
    for (const limit of new Set(Object.values(PARTS))) {
      const parts = CACHE_PARTS.filter((part) => PARTS[part] === limit);
      const files: CacheFile[] = [];
      for (const part of parts) files.push(...(await listFiles(join(this.#root, part))));
      await this.#sweepFiles(files, this.#limits[limit]);
    }
  }

  async close(): Promise<void> {
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true });
    this.#temporary = undefined;
    if (this.#writtenBytes.size > 0) await this.sweep();
  }

  async #sweepFiles(files: readonly CacheFile[], limitBytes: number): Promise<void> {
    let total = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    const youngestMs = this.#clock.nowMs() - this.#limits.minimumAgeMs;
    for (const file of files.toSorted((a, b) => a.usedMs - b.usedMs)) {
      if (total <= limitBytes || file.usedMs > youngestMs) return;
      await rm(file.path, { force: true }).catch(() => undefined);
      total -= file.sizeBytes;
    }
  }

  #path(part: CachePart, name: string): string {
    return join(this.#root ?? "", part, name.slice(1, 1 + SHARD_LENGTH), name);
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (this.#folders.size === 0 && this.#root !== undefined) markCacheFolder(this.#root);
    this.#folders.add(folder);
  }

  async #touch(path: string): Promise<void> {
    try {
      const now = this.#clock.nowMs();
      if (now - (await stat(path)).mtimeMs > TOUCH_AGE_MS)
        await utimes(path, now / 1000, now / 1000);
    } catch {
      // a cache that cannot be touched is still a cache
    }
  }
}

/** The name of a content's stored bytes: where they lie says which bytes they are. */
export function contentCacheName(packId: BlobId, packOffset: number): string {
  return `${packId}-${packOffset}`;
}

async function readRange(path: string, range: ByteRange): Promise<OwnedBytes | undefined> {
  await using file = await open(path, "r");
  const bytes = new Uint8Array(range.length);
  const { bytesRead } = await file.read(bytes, 0, range.length, range.offset);
  return bytesRead === range.length ? bytes : undefined;
}

async function listFiles(folder: string): Promise<CacheFile[]> {
  const files: CacheFile[] = [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) files.push({ path, sizeBytes: found.size, usedMs: found.mtimeMs });
  }
  return files;
}
