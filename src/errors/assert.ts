/** Checks of what our own code promises. A failure is a defect of sejf and is never caught on purpose. */

/** @throws Error when `condition` does not hold. */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`internal error: ${why}`);
}
