/** What every repository begins with. Spec: kopia-snapshots 5.1, 5.5, 7.1. */
import type { CallOptions } from "../bytes/index.ts";
import type { Repository } from "./types.ts";

/**
 * What kopia stores in a new repository: the built-in policy as the global one, and the maintenance parameters, with
 * this client as the owner. The caller flushes.
 */
export async function populateRepository(
  repository: Repository,
  options: CallOptions = {},
): Promise<void> {
  const owner = `${repository.identity.username}@${repository.identity.hostname}`;
  await repository.manifests.put({ type: "policy", policyType: "global" }, INITIAL_POLICY, options);
  await repository.manifests.put(
    { type: "maintenance" },
    { owner, ...INITIAL_MAINTENANCE },
    options,
  );
}

/** Kopia's built-in policy, in the order of its keys. Spec: kopia-snapshots 5.5. */
const INITIAL_POLICY = {
  retention: {
    keepLatest: 10,
    keepHourly: 48,
    keepDaily: 7,
    keepWeekly: 4,
    keepMonthly: 24,
    keepAnnual: 3,
    ignoreIdenticalSnapshots: false,
  },
  files: { ignoreDotFiles: [".kopiaignore"] },
  errorHandling: {
    ignoreFileErrors: false,
    ignoreDirectoryErrors: false,
    ignoreUnknownTypes: true,
  },
  scheduling: { runMissed: true },
  compression: { compressorName: "none" },
  metadataCompression: { compressorName: "zstd-fastest" },
  splitter: {},
  actions: {},
  osSnapshots: { volumeShadowCopy: { enable: 0 } },
  logging: {
    directories: { snapshotted: 5, ignored: 5 },
    entries: { snapshotted: 0, ignored: 5, cacheHit: 0, cacheMiss: 0 },
  },
  upload: { maxParallelSnapshots: 1, parallelUploadAboveSize: 2147483648 },
};

/** Durations in nanoseconds. Spec: kopia-snapshots 7.1. */
const INITIAL_MAINTENANCE = {
  quick: { enabled: true, interval: 3_600_000_000_000 },
  full: { enabled: true, interval: 86_400_000_000_000 },
  logRetention: { maxTotalSize: 1 << 30, maxCount: 10_000, maxAge: 2_592_000_000_000_000 },
  extendObjectLocks: false,
  listParallelism: 0,
};
