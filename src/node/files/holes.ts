/**
 * Holes of sparse files, which read as zeros: where the next data lies, by `lseek` (64-bit Linux, see `libc.ts`).
 * Without it a hole is read like any other zeros.
 */
import { libC } from "./libc.ts";

const SEEK_DATA = 3;
const ENXIO = 6;

type NextData = (fd: number, offset: number) => number | undefined;

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
  const libc = process.platform === "linux" ? libC() : undefined;
  if (libc === undefined) return null;
  const lseek = libc.func("int64_t lseek(int fd, int64_t offset, int whence)");
  return (fd, offset) => {
    const found = Number(lseek(fd, offset, SEEK_DATA));
    if (found >= 0) return found;
    return libc.errno() === ENXIO ? Number.POSITIVE_INFINITY : undefined;
  };
}
