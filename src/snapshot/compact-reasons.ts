/** Reasons and pins of identical snapshots, joined: `latest-1`, `latest-2` become `latest-1..2`. */

const ORDER = ["latest", "hourly", "daily", "weekly", "monthly", "annual"] as const;

export function compactReasons(reasons: readonly string[]): readonly string[] {
  const numbers = new Map<string, number[]>();
  const result: string[] = [];
  for (const reason of reasons) {
    const [, prefix, number] = /^(.*)-(\d+)$/.exec(reason) ?? [];
    if (prefix === undefined) result.push(reason);
    else numbers.set(prefix, [...(numbers.get(prefix) ?? []), Number(number)]);
  }
  for (const [prefix, list] of numbers)
    result.push(
      ...runs(
        prefix,
        list.toSorted((a, b) => a - b),
      ),
    );
  return sortReasons(result);
}

export function compactPins(pins: readonly string[]): readonly string[] {
  return [...new Set(pins)].toSorted();
}

/** In the order of the classes; within one class as they are. */
function sortReasons(reasons: readonly string[]): readonly string[] {
  const rank = (reason: string): number => {
    const at = ORDER.findIndex((prefix) => reason.startsWith(`${prefix}-`));
    return at; // others first
  };
  return reasons.toSorted((a, b) => rank(a) - rank(b));
}

function runs(prefix: string, numbers: readonly number[]): readonly string[] {
  const result: string[] = [];
  let start = numbers[0] ?? 0;
  for (const [at, number] of numbers.entries()) {
    const next = numbers[at + 1];
    if (next === number + 1) continue;
    result.push(start === number ? `${prefix}-${number}` : `${prefix}-${start}..${number}`);
    start = next ?? 0;
  }
  return result;
}
