/**
 * Times to the nanosecond. node:fs takes seconds as doubles, which loses the last digits; `utimensat` and `futimens`
 * are called where they are to be had (see `libc.ts`), else the plain calls.
 */
import { futimesSync, lutimesSync, utimesSync } from "node:fs";
import type { LocalName } from "../../format/index.ts";
import { libC } from "./libc.ts";
import { nameBytes, pathLike } from "./names.ts";

const AT_SYMLINK_NOFOLLOW: number = process.platform === "darwin" ? 0x20 : 0x100;
const AT_FDCWD: number = process.platform === "darwin" ? -2 : -100;
const NS_PER_S = 1_000_000_000n;

/** Nanoseconds since the epoch; may be negative. */
export interface FileTimes {
  /** Default: as `mtimeNs`. */
  readonly atimeNs?: bigint | undefined;
  readonly mtimeNs: bigint;
}

interface ExactTimes {
  futimens(fd: number, times: BigInt64Array): number;
  utimensat(directoryFd: number, path: Uint8Array, times: BigInt64Array, flags: number): number;
}

/** `undefined` until the first use, `null` where exact times are not to be had. */
let loaded: ExactTimes | null | undefined;

const timespecs = new BigInt64Array(4);

/**
 * Sets the times of an open file or of a path; a symlink itself, not its target. System errors are thrown with their
 * `code`.
 */
export function setFileTimes(target: number | LocalName, times: FileTimes): void {
  loaded ??= loadExactTimes();
  if (loaded === null) setTimesByDoubles(target, times);
  else setTimesExactly(loaded, target, times);
}

/** True when times are set to the nanosecond. */
export function hasExactTimes(): boolean {
  loaded ??= loadExactTimes();
  return loaded !== null;
}

function setTimesExactly(exact: ExactTimes, target: number | LocalName, times: FileTimes): void {
  putTimespec(0, times.atimeNs ?? times.mtimeNs);
  putTimespec(2, times.mtimeNs);
  const result =
    typeof target === "number"
      ? exact.futimens(target, timespecs)
      : exact.utimensat(AT_FDCWD, terminated(target), timespecs, AT_SYMLINK_NOFOLLOW);
  // The plain calls report what is wrong with the usual message and code.
  if (result !== 0) setTimesByDoubles(target, times);
}

function setTimesByDoubles(target: number | LocalName, times: FileTimes): void {
  const mtimeS = Number(times.mtimeNs) / 1e9;
  const atimeS = Number(times.atimeNs ?? times.mtimeNs) / 1e9;
  if (typeof target === "number") futimesSync(target, atimeS, mtimeS);
  else if (process.platform === "win32") utimesSync(pathLike(target), atimeS, mtimeS);
  else lutimesSync(pathLike(target), atimeS, mtimeS);
}

function putTimespec(at: number, ns: bigint): void {
  const remainder = ns % NS_PER_S;
  const nanoseconds = remainder < 0n ? remainder + NS_PER_S : remainder;
  timespecs[at] = (ns - nanoseconds) / NS_PER_S;
  timespecs[at + 1] = nanoseconds;
}

function terminated(path: LocalName): Uint8Array {
  const bytes = nameBytes(path);
  const text = new Uint8Array(bytes.length + 1);
  text.set(bytes);
  return text;
}

function loadExactTimes(): ExactTimes | null {
  const libc = libC();
  if (libc === undefined) return null;
  const futimens = libc.func("int futimens(int fd, const void *times)");
  const utimensat = libc.func(
    "int utimensat(int dirfd, const void *path, const void *times, int flags)",
  );
  return {
    futimens: (fd, times) => futimens(fd, times) as number,
    utimensat: (directoryFd, path, times, flags) =>
      utimensat(directoryFd, path, times, flags) as number,
  };
}
