/** The bulk paths of a repository that seals: only writing differs from those below it. */
import type { BulkReader, BulkWriter, RestoreFilesOptions, SealedBulk } from "../format/index.ts";
import type { CallOptions } from "../bytes/index.ts";

/** What reads, whether contents are sealed or not: each piece says. */
interface Reading {
  restoreFiles(
    batches: Parameters<BulkReader["restoreFiles"]>[0],
    options: RestoreFilesOptions,
  ): ReturnType<BulkReader["restoreFiles"]>;
  verifyMany(
    requests: Parameters<BulkReader["verifyMany"]>[0],
    options: CallOptions,
  ): ReturnType<BulkReader["verifyMany"]>;
}

export function sealedOver(
  reading: Reading,
  write: (
    batches: Parameters<BulkWriter["writeFiles"]>[0],
    options: NonNullable<Parameters<BulkWriter["writeFiles"]>[1]>,
  ) => ReturnType<BulkWriter["writeFiles"]>,
): SealedBulk {
  return {
    writeFiles: (batches, options = {}) => write(batches, options),
    restoreFiles: (batches, options = {}) => reading.restoreFiles(batches, options),
    verifyMany: (requests, options = {}) => reading.verifyMany(requests, options),
  };
}
