/** Direct content stores for tests: fake time, seeded randomness, any number of them on one storage. */
import { type BlobStorage, MemoryStorage } from "../blob/index.ts";
import type { Random } from "../bytes/index.ts";
import {
  type DirectContents,
  type DirectContentsOptions,
  openDirectContents,
} from "../content/index.ts";
import {
  createFormat,
  type CreateFormatOptions,
  decodeFormatBlob,
  deriveFormatKey,
  deriveKeys,
  encodeFormatBlob,
  FORMAT_BLOB_ID,
  openFormat,
  type RepositoryFormat,
  sealFormat,
} from "../format/index.ts";
import { nodeCompressionEngine, nodeCryptoEngine } from "../node/index.ts";
import { FakeClock } from "./clock.ts";
import type { GoldenRepository } from "./golden.ts";
import { SeededRandom } from "./random.ts";

/** A repository without a password, on any storage, and as many clients of it as a test wants. */
export class TestRepository {
  readonly clock: FakeClock;
  readonly random: Random;
  readonly storage: BlobStorage;
  readonly format: RepositoryFormat;
  readonly formatBlob: Uint8Array;
  #clients = 0;

  constructor(
    options: {
      readonly storage?: BlobStorage | undefined;
      readonly format?: CreateFormatOptions | undefined;
      readonly change?: ((format: RepositoryFormat) => RepositoryFormat) | undefined;
      readonly seed?: number | undefined;
      readonly clock?: FakeClock | undefined;
    } = {},
  ) {
    this.clock = (options.clock ?? new FakeClock()).autoAdvance();
    this.random = new SeededRandom(options.seed ?? 1);
    this.storage = options.storage ?? new MemoryStorage({ clock: this.clock });
    const { blob, format } = createFormat({ ...options.format }, this.random);
    this.format = options.change?.(format) ?? format;
    const key = this.random.bytes(32);
    this.formatBlob = encodeFormatBlob(
      sealFormat(nodeCryptoEngine, blob, key, this.format, this.random),
    );
  }

  /** A client; the caller disposes it. `storage` is what it sees, a faulty view for one. */
  async open(options: Partial<DirectContentsOptions> = {}): Promise<DirectContents> {
    this.#clients++;
    return await openDirectContents({
      storage: this.storage,
      format: this.format,
      formatBlob: this.formatBlob,
      engine: nodeCryptoEngine,
      compression: nodeCompressionEngine,
      clock: this.clock,
      random: new SeededRandom(1000 + this.#clients),
      identity: { username: "user", hostname: `host${this.#clients}` },
      sleep: this.clock.sleep,
      threads: 0,
      ...options,
    });
  }
}

/** A repository of the reference client, opened as it lies. */
export async function openGoldenContents(
  repository: GoldenRepository,
  storage: BlobStorage,
  options: Partial<DirectContentsOptions> = {},
): Promise<DirectContents> {
  const formatBlob = await storage.get(FORMAT_BLOB_ID);
  const blob = decodeFormatBlob(formatBlob);
  const key = await deriveFormatKey(nodeCryptoEngine, blob, repository.password);
  const format = openFormat(nodeCryptoEngine, blob, key);
  const clock = new FakeClock(Date.now()).autoAdvance();
  return await openDirectContents({
    storage,
    format,
    formatBlob,
    engine: nodeCryptoEngine,
    compression: nodeCompressionEngine,
    clock,
    random: new SeededRandom(7),
    identity: { username: "fixuser", hostname: "fixhost" },
    cacheKey: deriveKeys(nodeCryptoEngine, blob, key, format).localCacheIntegrity,
    sleep: clock.sleep,
    threads: 0,
    ...options,
  });
}

/** All pages in one list. */
export async function allContents(
  contents: DirectContents,
  options?: Parameters<DirectContents["list"]>[0],
): Promise<Awaited<ReturnType<DirectContents["info"]>>[]> {
  const all = [];
  for await (const page of contents.list(options)) all.push(...page);
  return all;
}
