/**
 * Order of packed rows by key. Keys are hashes, so their leading bits spread evenly: one counting pass leaves
 * groups of a few hundred, which are then compared. Any other keys are sorted too, only slower.
 */
import type { EntryRows } from "./entry-rows.ts";

/** Below, comparing is cheaper than counting. */
const MIN_ROWS_TO_COUNT = 1 << 18;
const COUNTERS: number = 1 << 24;

/** Row numbers in ascending order of keys; equal keys lie side by side. */
export function sortedRows(rows: EntryRows): Uint32Array {
  if (rows.ascending || rows.count < MIN_ROWS_TO_COUNT) {
    const order = new Uint32Array(rows.count);
    for (let row = 0; row < order.length; row++) order[row] = row;
    return rows.ascending ? order : order.sort((a, b) => rows.compare(a, b));
  }
  const ends = countGroups(rows);
  const order = new Uint32Array(rows.count);
  for (let row = rows.count - 1; row >= 0; row--) order[--ends[rows.leadingBits(row)]!] = row;
  // every counter now holds where its group begins
  let from = 0;
  for (let group = 0; group < COUNTERS; group++) {
    const to = group + 1 < COUNTERS ? ends[group + 1]! : rows.count;
    if (to - from > 1) order.subarray(from, to).sort((a, b) => rows.compare(a, b));
    from = to;
  }
  return order;
}

/** For each value of the leading bits, where its group ends. */
function countGroups(rows: EntryRows): Uint32Array {
  const counters = new Uint32Array(COUNTERS);
  for (let row = 0; row < rows.count; row++) counters[rows.leadingBits(row)]!++;
  let sum = 0;
  for (let group = 0; group < COUNTERS; group++) {
    sum += counters[group]!;
    counters[group] = sum;
  }
  return counters;
}
