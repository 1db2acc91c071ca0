/** Figures of many things: shares, sums and histograms, as Kopia's `stats` commands print them. */
import type { Output } from "./output.ts";
import { formatBytes } from "./units.ts";

/** What compression saved: `99.4%`. */
export function formatSavedPercent(originalBytes: number, packedBytes: number): string {
  if (packedBytes >= originalBytes || originalBytes === 0) return "0%";
  return `${(100 * (1 - packedBytes / originalBytes)).toFixed(1)}%`;
}

/** `300.7 KB`, or the bare number. */
export function sizeText(bytes: number, isRaw: boolean): string {
  return isRaw ? String(bytes) : formatBytes(bytes);
}

/** Upper bounds of the classes: 10 B to 100 MB. Larger ones are in no class, as with Kopia. */
const BOUNDS: readonly number[] = [10, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/** Counts and sums sizes by power of ten. */
export class SizeHistogram {
  readonly #counts: number[] = BOUNDS.map(() => 0);
  readonly #sums: number[] = BOUNDS.map(() => 0);

  add(bytes: number): void {
    const at = BOUNDS.findIndex((bound) => bytes < bound);
    if (at < 0) return;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sums[at] = (this.#sums[at] ?? 0) + bytes;
  }

  print(out: Output, isRaw: boolean): void {
    out.line("Histogram:\n");
    for (const [at, bound] of BOUNDS.entries()) {
      const from = sizeText(BOUNDS[at - 1] ?? 0, isRaw);
      const count = String(this.#counts[at]).padStart(9);
      out.line(
        `${count} between ${from} and ${sizeText(bound, isRaw)} (total ${sizeText(this.#sums[at] ?? 0, isRaw)})`,
      );
    }
  }
}
