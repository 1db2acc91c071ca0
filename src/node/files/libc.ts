/** Functions of the system's C library that node:fs does not offer, through koffi where it is installed. */
import { loadKoffi } from "../native.ts";

type Native = (...values: unknown[]) => unknown;

export interface LibC {
  /** A function by its C prototype. @throws when the library has none of this name. */
  func(prototype: string): Native;
  /** Of the last call in this thread. */
  errno(): number;
}

/** `undefined` until the first use, `null` where there is none. */
let loaded: LibC | null | undefined;

/** 64-bit Linux and macOS; `undefined` elsewhere, and where koffi is not installed. */
export function libC(): LibC | undefined {
  loaded ??= load();
  return loaded ?? undefined;
}

function load(): LibC | null {
  const is64Bit = process.arch === "x64" || process.arch === "arm64";
  if (!is64Bit || (process.platform !== "linux" && process.platform !== "darwin")) return null;
  const koffi = loadKoffi();
  if (koffi === undefined) return null;
  try {
    const library = koffi.load(null);
    return { func: (prototype) => library.func(prototype), errno: () => koffi.errno() };
  } catch {
    return null;
  }
}
