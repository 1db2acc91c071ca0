/** The library that calls C functions, one for all that use it; optional, everything works without it. */
import { createRequire, flushCompileCache } from "node:module";

export type Koffi = typeof import("koffi");

/** `undefined` until the first use, `null` where there is none. */
let loaded: Koffi | null | undefined;

/** `undefined` where it is not installed or not made for this platform. */
export function loadKoffi(): Koffi | undefined {
  loaded ??= load();
  return loaded ?? undefined;
}

function load(): Koffi | null {
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch {
    return null;
  }
}

/**
 * Ends the process at once where there is a C library to call, and no coverage or profile is taken; otherwise returns.
 * Nothing is torn down. `process.exit` waits for V8's own threads, which for once in some thousand runs wait for a
 * collection that the main thread will never make: such a process hangs for ever. And destructors of native modules
 * run beside threads that may still use them. What listens for the process's
 * exit is called; what has to be written must have been.
 */
export function endAtOnce(status: number): void {
  const noCall = process.platform !== "linux" && process.platform !== "darwin";
  const isMeasured =
    process.env["NODE_V8_COVERAGE"] !== undefined ||
    process.execArgv.some((flag) => /^--(cpu|heap)-prof/.test(flag));
  if (noCall || isMeasured) return;
  const koffi = loadKoffi();
  if (koffi === undefined) return;
  process.emit("exit", status);
  flushCompileCache();
  koffi.load(null).func("void _exit(int status)")(status);
}

/** Of the GNU C library. */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;
/**
 * Pieces from here on are taken from the system one by one, and given back to it: packs, but not messages, whose memory
 * would be touched for the first time again and again.
 */
const LARGE_PIECE_BYTES = 4 << 20;
const MAX_UNUSED_BYTES = 8 << 20;

/**
 * For a process that lives long: the C library gives memory back to the system as soon as it is free. Left to itself it
 * keeps what once was in use, a heap for each thread: a tenth of what a server with many clients holds.
 */
export function giveMemoryBack(): void {
  try {
    const set = loadKoffi()?.load(null).func("int mallopt(int what, int value)");
    set?.(M_ARENA_MAX, 1);
    set?.(M_TRIM_THRESHOLD, MAX_UNUSED_BYTES);
    set?.(M_MMAP_THRESHOLD, LARGE_PIECE_BYTES);
  } catch {
    // Another C library has no such switches.
  }
}
