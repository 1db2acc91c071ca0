/** Turns of the event loop, in which what else is under way goes on. */
import { setImmediate as nextTurn } from "node:timers/promises";

/** Whether a promise settles before the event loop turns. A rejection is left to whoever awaits it. */
export async function settlesSoon(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  );
  return await Promise.race([settled, nextTurn(false)]);
}
