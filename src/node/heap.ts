/** How far the engine's heap may grow. */
import { setFlagsFromString } from "node:v8";

let isBound = false;

/**
 * For what may run long; to be called when most of what it needs is loaded: the engine's cached code of Node's own modules
 * counts only with the flags it was made with, so that each module that is loaded later is compiled anew.
 */
export function boundHeapGrowth(): void {
  if (isBound) return;
  isBound = true;
  // The heap may double between two collections, not quadruple: it is garbage that it would grow by.
  setFlagsFromString("--heap-growing-percent=100");
  // Pieces of received data lie outside of the heap. By its older rule the engine walks through everything that lives
  // whenever 32 MiB of them have come, whatever became of them: a fifth of all work of a restore through a server.
  setFlagsFromString("--external-memory-accounted-in-global-limit");
}
