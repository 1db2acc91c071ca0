/**
 * Holes of sparse files, which read as zeros: where the next data lies, by `lseek` through koffi where it is
 * installed (64-bit Linux). Without it a hole is read like any other zeros.
 */
import { createRequire } from "node:module";

const SEEK_DATA = 3;
const ENXIO = 6;

type NextData = (fd: number, offset: number) => number | undefined;

/** The part of koffi that is used here; its own types are not needed to build. */
interface Koffi {
  load(path: string | null): { func(prototype: string): (...values: unknown[]) => unknown };
  errno(): number;
}

/** `undefined` until the first use, `null` where it is not to be had. */
let loaded: NextData | null | undefined;

/**
 * The first offset from `offset` on that may hold data; `offset` itself where nothing is known, infinity when only a
 * hole follows. Moves the file's own position, which positional reads do not use.
 */
export function nextDataOffset(fd: number, offset: number): number {
  loaded ??= load();
  return loaded?.(fd, offset) ?? offset;
}

function load(): NextData | null {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64"))
    return null;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const lseek = koffi.load(null).func("int64_t lseek(int fd, int64_t offset, int whence)");
    return (fd, offset) => {
      const found = Number(lseek(fd, offset, SEEK_DATA));
      if (found >= 0) return found;
      return koffi.errno() === ENXIO ? Number.POSITIVE_INFINITY : undefined;
    };
  } catch {
    return null;
  }
}
