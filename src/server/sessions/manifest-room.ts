/**
 * How much of manifests an account may have. SECURITY: all manifests of a repository are in the memory of whoever opens it,
 * so one account that writes and deletes without end would stop the server for all, also at its next start.
 */
import type { CallOptions } from "../../bytes/index.ts";
import type { Labels, ManifestMetadata, ManifestStore } from "../../manifest/index.ts";
import { TRASH_LABELS } from "../../snapshot/index.ts";
import { QuotaError } from "../holding/index.ts";
import type { Account } from "../types.ts";

/** About 300,000 snapshots. */
export const MAX_MANIFEST_BYTES: number = 256 << 20;

/** What is in the trash counts. @throws QuotaError with SEJF_NO_SPACE when the account has too much already. */
export async function assertManifestRoom(
  manifests: Pick<ManifestStore, "find">,
  { name, username, hostname }: Account,
  maxBytes: number,
  options: CallOptions,
): Promise<void> {
  const own = await manifests.find({ username, hostname }, options);
  const trash = await manifests.find(TRASH_LABELS, options);
  const deleted = trash.filter(({ labels }) => labels["path"]?.startsWith(`/${name}/`) === true);
  const bytes = sizeOf(own) + sizeOf(deleted);
  if (bytes <= maxBytes) return;
  throw new QuotaError(
    "SEJF_NO_SPACE",
    `the snapshots and policies of ${name} themselves, without what they reach, have ${bytes} bytes, at most ${maxBytes} are allowed; what was deleted counts until it is removed from the server's trash`,
    { hint: "delete old snapshots, or let a policy do it" },
  );
}

function sizeOf(items: readonly ManifestMetadata[]): number {
  return items.reduce((sum, { lengthBytes, labels }) => sum + lengthBytes + labelsSize(labels), 0);
}

function labelsSize(labels: Labels): number {
  return Object.values(labels).reduce((sum, value) => sum + value.length, 0);
}
