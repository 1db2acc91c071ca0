/** Object lock: whether the storage can do what the repository demands. */
import type { BlobStorage } from "../blob/index.ts";
import { SejfError } from "../errors/index.ts";
import type { BlobConfig } from "../format/index.ts";

/** @throws SEJF_UNSUPPORTED when the storage cannot lock what it stores. */
export function assertRetentionPossible(storage: BlobStorage, retention: BlobConfig): void {
  if (retention.retentionMode !== "" && !storage.capabilities.objectLock) {
    throw new SejfError(
      "SEJF_UNSUPPORTED",
      `${storage.displayName} cannot lock objects, so a retention mode is not possible there`,
      {
        hint: "use a bucket with Object Lock, or leave the retention mode out",
      },
    );
  }
}
