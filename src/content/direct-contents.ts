/** Opens the contents of a repository: the one place where the parts of the store are put together. */
import { systemSleep } from "../blob/index.ts";
import { createBlobCodec } from "../format/index.ts";
import type { IndexFileKeys } from "../node/index/index.ts";
import { CommittedIndex } from "./committed-index.ts";
import type { Context } from "./context.ts";
import { DirectStore } from "./direct-store.ts";
import { DiskCache } from "./disk-cache.ts";
import { EpochManager } from "./epoch-manager.ts";
import { DEFAULT_PLAN_LIMITS } from "./index-plan.ts";
import { IndexBlobSource } from "./index-blobs.ts";
import { LogManager } from "./log-manager.ts";
import { PackFactory } from "./pack-in-progress.ts";
import type { DirectContents, DirectContentsOptions } from "./types.ts";

const CACHE_KEY_BYTES = 16;

/**
 * Reads the index state and gives the store. Costs a listing of index blobs and the fetching of those not cached.
 * @throws SEJF_CORRUPT for an index blob that cannot be read, SEJF_IO and the storage's own.
 */
export async function openDirectContents(options: DirectContentsOptions): Promise<DirectContents> {
  const context = contextOf(options);
  const { engine, clock, random } = options;
  const cacheKey = options.cacheKey ?? random.bytes(CACHE_KEY_BYTES);
  const root = options.cacheKey === undefined ? undefined : options.cacheDirectory;
  const cache = new DiskCache(root, options.cacheLimits ?? {}, clock, random);
  const keys: IndexFileKeys = {
    sha256: (data) => engine.sha256(data),
    mac: (data) => engine.hmacSha256(cacheKey, data),
    random,
  };
  const source = new IndexBlobSource(context, cache);
  const manager = options.format.epochParameters.enabled
    ? new EpochManager(context, source)
    : new LogManager(context, source);
  const limits = options.indexLimits ?? DEFAULT_PLAN_LIMITS;
  const committed = new CommittedIndex(context, manager, source, cache, keys, limits);
  const factory = new PackFactory(context, engine, options.formatBlob);
  const { compression, threads } = options;
  const store = new DirectStore({
    context,
    compression,
    cache,
    manager,
    committed,
    factory,
    threads,
  });
  try {
    await store.refresh();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

function contextOf(options: DirectContentsOptions): Context {
  const { storage, format, engine, compression, clock, random, identity, retention } = options;
  const readOnly = options.readOnly === true || storage.capabilities.readOnly;
  return {
    storage,
    format,
    codec: createBlobCodec(engine, compression, format, random),
    clock,
    random,
    identity,
    readOnly,
    permissive:
      (readOnly && options.permissiveCacheLoading === true) || options.leaveOutBadIndexes === true,
    retention,
    sleep: options.sleep ?? systemSleep,
    log: (level, message) => options.log?.({ level, message }),
    statistics: {
      writtenContents: 0,
      writtenBytes: 0,
      knownContents: 0,
      knownBytes: 0,
      storedPacks: 0,
      storedPackBytes: 0,
      readContents: 0,
      readBytes: 0,
      indexFlushes: 0,
    },
  };
}
