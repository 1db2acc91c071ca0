/**
 * Calls on the entries of an open directory by their bare names, and `statx` of an open file (64-bit Linux, see
 * `libc.ts`): the system walks no path, and nothing is allocated but the result, where `lstat` of node:fs makes eighteen
 * bigints. What fails here gives `undefined`: the plain calls then say what is wrong.
 */
import { closeSync, constants, openSync } from "node:fs";
import type { LocalName } from "../../format/index.ts";
import { type EntryStat, kindOf } from "./entry-stat.ts";
import { libC } from "./libc.ts";
import { pathLike } from "./names.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
/** Type, mode, owner, size and mtime. */
const MASK: number = 0x001 | 0x002 | 0x008 | 0x010 | 0x040 | 0x200;
const NS_PER_S = 1_000_000_000n;

// Places in struct statx, the same on all platforms.
const GOT_MASK = 0;
const UID = 20;
const GID = 24;
const MODE = 28;
const SIZE = 40;
const MTIME_S = 112;
const MTIME_NS = 120;
const DEV_MAJOR = 136;
const DEV_MINOR = 140;
const STRUCT_BYTES = 256;

/** Of Linux; node:fs adds it to everything that it opens. */
const O_CLOEXEC = 0o2_000_000;
/** Shorter lists of names are not worth the opening of their directory. */
const FEW_NAMES = 4;

interface Calls {
  statx(directoryFd: number, name: string, flags: number, mask: number, into: Uint8Array): number;
  openat(directoryFd: number, name: string, flags: number): number;
  close(fd: number): void;
}

/** `undefined` until the first use, `null` where they are not to be had. */
let loaded: Calls | null | undefined;

const bytes = new Uint8Array(STRUCT_BYTES);
const view = new DataView(bytes.buffer);

/** Of an open file, symlinks being no matter any more. */
export function statOpenFile(fd: number): EntryStat | undefined {
  loaded ??= load();
  return loaded === null ? undefined : stat(loaded, fd, "", AT_EMPTY_PATH);
}

/** A directory that is open for calls on its entries. */
export class OpenDirectory implements Disposable {
  readonly #calls: Calls;
  readonly #fd: number;

  private constructor(calls: Calls, fd: number) {
    this.#calls = calls;
    this.#fd = fd;
  }

  /** For so many calls; `undefined` where it is not worth it, not to be had, or not of this directory. */
  static open(path: LocalName, count: number): OpenDirectory | undefined {
    loaded ??= load();
    if (loaded === null || count < FEW_NAMES) return undefined;
    try {
      const fd = openSync(pathLike(path), constants.O_RDONLY | constants.O_DIRECTORY);
      return new OpenDirectory(loaded, fd);
    } catch {
      return undefined;
    }
  }

  /** Of the entry itself. */
  stat(name: LocalName): EntryStat | undefined {
    return typeof name === "string"
      ? stat(this.#calls, this.#fd, name, AT_SYMLINK_NOFOLLOW)
      : undefined;
  }

  /** For reading: no symlink is followed, and a pipe does not block. To be closed with `closeSource`. */
  openSource(name: LocalName): number | undefined {
    if (typeof name !== "string") return undefined;
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC;
    const fd = this.#calls.openat(this.#fd, name, flags);
    return fd < 0 ? undefined : fd;
  }

  /** A thread of Node warns of files that node:fs closes and has not opened. */
  closeSource(fd: number): void {
    this.#calls.close(fd);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function stat(calls: Calls, fd: number, name: string, flags: number): EntryStat | undefined {
  if (calls.statx(fd, name, flags, MASK, bytes) !== 0) return undefined;
  if ((view.getUint32(GOT_MASK, true) & MASK) !== MASK) return undefined;
  const mode = view.getUint16(MODE, true);
  return {
    sizeBytes: view.getUint32(SIZE, true) + view.getUint32(SIZE + 4, true) * 2 ** 32,
    mode,
    mtimeNs: view.getBigInt64(MTIME_S, true) * NS_PER_S + BigInt(view.getUint32(MTIME_NS, true)),
    uid: view.getUint32(UID, true),
    gid: view.getUint32(GID, true),
    kind: kindOf(mode),
    device: deviceNumber(view.getUint32(DEV_MAJOR, true), view.getUint32(DEV_MINOR, true)),
  };
}

/** As glibc and musl put `st_dev` together. */
function deviceNumber(major: number, minor: number): number {
  return (
    Math.floor(major / 2 ** 12) * 2 ** 44 +
    Math.floor(minor / 2 ** 8) * 2 ** 20 +
    (major & 0xfff) * 2 ** 8 +
    (minor & 0xff)
  );
}

function load(): Calls | null {
  const libc = process.platform === "linux" ? libC() : undefined;
  if (libc === undefined) return null;
  try {
    const statx = libc.func(
      "int statx(int dirfd, const char *path, int flags, uint32_t mask, void *buf)",
    );
    const openat = libc.func("int openat(int dirfd, const char *path, int flags)");
    const close = libc.func("int close(int fd)");
    return {
      statx: (fd, name, flags, mask, into) => statx(fd, name, flags, mask, into) as number,
      openat: (fd, name, flags) => openat(fd, name, flags) as number,
      close: (fd) => void close(fd),
    };
  } catch {
    return null; // a C library without them
  }
}
