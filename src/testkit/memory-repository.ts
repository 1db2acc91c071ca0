/** A repository in memory: real manifests on a content store that keeps everything in maps. */
import type { Clock } from "../bytes/index.ts";
import { portableCompressionEngine } from "../compress/index.ts";
import { openManifests } from "../manifest/index.ts";
import type { Repository } from "../repository/types.ts";
import { FakeClock } from "./clock.ts";
import { MemoryContents, type MemoryContentsOptions } from "./memory-contents.ts";
import { SeededRandom } from "./random.ts";

export interface MemoryRepository extends Repository {
  readonly contents: MemoryContents;
}

export interface MemoryRepositoryOptions extends MemoryContentsOptions {
  readonly clock?: Clock | undefined;
  readonly readOnly?: boolean | undefined;
}

export function memoryRepository(options: MemoryRepositoryOptions = {}): MemoryRepository {
  const contents = new MemoryContents(options);
  const clock = options.clock ?? new FakeClock();
  const readOnly = options.readOnly ?? false;
  const manifests = openManifests({
    contents,
    contentList: contents,
    clock,
    random: new SeededRandom(7),
    compression: portableCompressionEngine,
    readOnly,
  });
  return {
    contents,
    manifests,
    parameters: {
      hash: "BLAKE2B-256-128",
      splitter: options.splitter ?? "DYNAMIC-4M-BUZHASH",
      indexVersion: options.indexVersion ?? 2,
      formatVersion: 3,
    },
    identity: { username: "user", hostname: "host" },
    clock,
    readOnly,
    description: "in memory",
    async flush(): Promise<void> {
      await manifests.flush();
      await contents.flush();
    },
    // oxlint-disable-next-line require-await
    async refresh(): Promise<void> {
      manifests.invalidate();
    },
    async [Symbol.asyncDispose](): Promise<void> {},
  };
}
