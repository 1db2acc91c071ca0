/** Removes old logs: too many, too old, or too big together, the oldest first. Reference: kopia internal/logfile. */
import { lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../bytes/index.ts";

export interface SweepLimits {
  /** 0: any number. */
  readonly maxFiles: number;
  /** 0: any age. */
  readonly maxAgeNs: bigint;
  /** 0: any size. */
  readonly maxTotalBytes: number;
}

const LOG_NAME = /^sejf-.*\.log$/;

export function sweepLogs(folder: string, limits: SweepLimits, clock: Clock): void {
  const files = readdirSync(folder)
    .filter((name) => LOG_NAME.test(name))
    .flatMap((name) => {
      const path = join(folder, name);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      return stat === undefined ? [] : [{ path, mtimeMs: stat.mtimeMs, size: stat.size }];
    })
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
  const oldestMs =
    limits.maxAgeNs > 0n
      ? clock.nowMs() - Number(limits.maxAgeNs / 1_000_000n)
      : Number.NEGATIVE_INFINITY;
  let bytes = 0;
  for (const [index, { path, mtimeMs, size }] of files.entries()) {
    bytes += size;
    const tooMany = limits.maxFiles > 0 && index >= limits.maxFiles;
    const tooBig = limits.maxTotalBytes > 0 && bytes > limits.maxTotalBytes;
    if (tooMany || tooBig || mtimeMs < oldestMs) rmSync(path, { force: true });
  }
}
