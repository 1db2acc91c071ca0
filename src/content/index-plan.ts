/**
 * Which index blobs are merged in memory, which become files of their own, and which are merged into one file: so
 * that memory stays bounded and a look-up opens few files, however many blobs there are. Pure, by sizes alone.
 */
import type { BlobMetadata } from "../blob/index.ts";
import type { PlanLimits } from "./types.ts";

export interface LoadingPlan {
  readonly memory: readonly BlobMetadata[];
  readonly files: readonly BlobMetadata[];
  /** Merged into one file. */
  readonly mergedFiles: readonly BlobMetadata[];
}

export const DEFAULT_PLAN_LIMITS: PlanLimits = {
  smallBytes: 4 << 20,
  memoryBytes: 48 << 20,
  files: 12,
};

export function planLoading(
  blobs: readonly BlobMetadata[],
  limits: PlanLimits = DEFAULT_PLAN_LIMITS,
): LoadingPlan {
  const bySize = blobs.toSorted((a, b) => a.lengthBytes - b.lengthBytes);
  const memory: BlobMetadata[] = [];
  let memoryBytes = 0;
  for (const blob of bySize) {
    if (blob.lengthBytes > limits.smallBytes || memoryBytes + blob.lengthBytes > limits.memoryBytes)
      break;
    memory.push(blob);
    memoryBytes += blob.lengthBytes;
  }
  const onDisk = bySize.slice(memory.length).toReversed();
  if (onDisk.length <= limits.files) return { memory, files: onDisk, mergedFiles: [] };
  return {
    memory,
    files: onDisk.slice(0, limits.files - 1),
    mergedFiles: onDisk.slice(limits.files - 1),
  };
}
