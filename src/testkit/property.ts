/** How long property tests run: short on every push, long where `SEJF_PROPERTY_RUNS` says so. */

const DEFAULT_RUNS = 25;

/**
 * Runs of one property: `SEJF_PROPERTY_RUNS`, else `small`. A property with costly runs gives a smaller number,
 * which the variable then scales by the same factor.
 */
export function numRuns(small: number = DEFAULT_RUNS): number {
  const text = process.env["SEJF_PROPERTY_RUNS"];
  if (text === undefined || text === "") return small;
  const runs = Number(text);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new RangeError(`SEJF_PROPERTY_RUNS is ${text}, expected an integer of 1 or more`);
  }
  return Math.max(1, Math.round((runs * small) / DEFAULT_RUNS));
}
