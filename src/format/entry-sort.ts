/**
 * Order of packed rows by key. Keys are hashes, so their first bytes tell nearly all apart: these are sorted as numbers,
 * with the rows' own, and what is left alike is compared. Any other keys are sorted too, only slower.
 */
import type { EntryRows } from "./entry-rows.ts";

/** Of the two words of a 64-bit number: which comes first in memory. */
const HIGH_WORD: 0 | 1 = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;
const LOW_WORD = 1 - HIGH_WORD;
/** Below it each is put in its place among those before it. */
const FEW = 16;

/** Row numbers in ascending order of keys; equal keys lie side by side. */
export function sortedRows(rows: EntryRows): Uint32Array {
  const { count } = rows;
  const order = new Uint32Array(count);
  if (rows.ascending) {
    for (let row = 0; row < count; row++) order[row] = row;
    return order;
  }
  const numbers = new BigUint64Array(count);
  const words = new Uint32Array(numbers.buffer);
  for (let row = 0; row < count; row++) {
    words[2 * row + HIGH_WORD] = rows.leadingWord(row);
    words[2 * row + LOW_WORD] = row;
  }
  numbers.sort();
  for (let at = 0; at < count; at++) order[at] = words[2 * at + LOW_WORD]!;
  for (let from = 0, to = 1; from < count; from = to, to++) {
    const leading = words[2 * from + HIGH_WORD]!;
    while (to < count && words[2 * to + HIGH_WORD] === leading) to++;
    if (to - from > 1) sortAlike(order.subarray(from, to), rows);
  }
  return order;
}

function sortAlike(order: Uint32Array, rows: EntryRows): void {
  if (order.length > FEW) {
    order.sort((a, b) => rows.compare(a, b));
    return;
  }
  for (let i = 1; i < order.length; i++) {
    const row = order[i]!;
    let at = i;
    for (; at > 0 && rows.compare(order[at - 1]!, row) > 0; at--) order[at] = order[at - 1]!;
    order[at] = row;
  }
}
