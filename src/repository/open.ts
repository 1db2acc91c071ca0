/** Opening a direct repository: a connection, its contents and its manifests as one `Repository`. */
import type { CompressionEngine } from "../compress/index.ts";
import type { DirectContentsOptions } from "../content/index.ts";
import { cacheLimits, ownCacheDirectory } from "./caching.ts";
import { type Connection, type OpenOptions, openConnection } from "./connection.ts";
import { DirectRepository } from "./direct-repository.ts";

export interface OpenRepositoryOptions extends OpenOptions {
  readonly compression?: CompressionEngine | undefined;
  /** Worker threads of the bulk path; 0: none. Default: as many as fit the machine. */
  readonly threads?: number | undefined;
  /** Index blobs that cannot be read are left out: only for rebuilding indexes. */
  readonly leaveOutBadIndexes?: boolean | undefined;
}

/**
 * The repository of a connection file, ready to read and (unless it is read-only) write.
 * @throws as `openConnection`, and what reading the index state gives: SEJF_CORRUPT, SEJF_IO.
 */
export async function openRepository(options: OpenRepositoryOptions): Promise<DirectRepository> {
  const loading = loadUpperLayers();
  void loading.catch(() => undefined); // a failure is met where it is awaited, if the connection opens at all
  const connection = await openConnection(options);
  try {
    const { openDirectContents, openManifests, nodeCompressionEngine } = await loading;
    const compression = options.compression ?? nodeCompressionEngine;
    const contents = await openDirectContents(contentsOptions(connection, compression, options));
    const { clock, random } = connection;
    const readOnly = connection.config.client.readOnly;
    const manifests = openManifests({
      contents,
      contentList: contents,
      clock,
      random,
      compression,
      readOnly,
      onDamage: ({ message }) =>
        options.log?.(
          "warn",
          `${message}; snapshots and policies in it are missing, and nothing is expired until \`snapshot verify\` finds no damage`,
        ),
    });
    return new DirectRepository(connection, contents, manifests);
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
}

/** Deriving the key takes longer than all else and needs no JavaScript: these load meanwhile. */
async function loadUpperLayers(): Promise<
  Pick<typeof import("../content/index.ts"), "openDirectContents"> &
    Pick<typeof import("../manifest/index.ts"), "openManifests"> &
    Pick<typeof import("../node/index.ts"), "nodeCompressionEngine">
> {
  const [content, manifest, node] = await Promise.all([
    import("../content/index.ts"),
    import("../manifest/index.ts"),
    import("../node/index.ts"),
  ]);
  return { ...content, ...manifest, nodeCompressionEngine: node.nodeCompressionEngine };
}

function contentsOptions(
  connection: Connection,
  compression: CompressionEngine,
  options: OpenRepositoryOptions,
): DirectContentsOptions {
  const { config, access, engine, clock, random, storage } = connection;
  const directory = ownCacheDirectory(config);
  const cache =
    directory === undefined
      ? {}
      : {
          cacheDirectory: directory,
          cacheLimits: cacheLimits(config),
          cacheKey: access.derivedKeys().localCacheIntegrity,
        };
  return {
    storage,
    format: access.format,
    formatBlob: access.storedBytes,
    engine,
    compression,
    clock,
    random,
    identity: { username: config.client.username, hostname: config.client.hostname },
    readOnly: config.client.readOnly,
    permissiveCacheLoading: config.client.permissiveCacheLoading,
    leaveOutBadIndexes: options.leaveOutBadIndexes,
    retention: access.retention,
    threads: options.threads,
    log: (event) => options.log?.(event.level, event.message),
    ...cache,
  };
}
