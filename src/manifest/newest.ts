/** Which of several items with the same labels counts. Spec: kopia-snapshots 2.2. */
import type { ManifestMetadata } from "./types.ts";

/** The last modified; of equal times the greater ID. `undefined` for none. */
export function newestOf<T extends Pick<ManifestMetadata, "id" | "modified">>(
  items: readonly T[],
): T | undefined {
  let best: T | undefined;
  for (const item of items) {
    if (
      best === undefined ||
      item.modified > best.modified ||
      (item.modified === best.modified && item.id > best.id)
    )
      best = item;
  }
  return best;
}
