/**
 * Metadata by `statx` (64-bit Linux, see `libc.ts`): of an open file, or of the entries of an open directory by their
 * bare names. Nothing is allocated but the result, where `lstat` of node:fs makes a path and eighteen bigints. What
 * fails here gives `undefined`: the plain calls then say what is wrong.
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

type Statx = (
  directoryFd: number,
  name: string,
  flags: number,
  mask: number,
  into: Uint8Array,
) => number;

/** `undefined` until the first use, `null` where it is not to be had. */
let loaded: Statx | null | undefined;

const bytes = new Uint8Array(STRUCT_BYTES);
const view = new DataView(bytes.buffer);

/** Of an open file, symlinks being no matter any more. */
export function statOpenFile(fd: number): EntryStat | undefined {
  loaded ??= load();
  return loaded === null ? undefined : statx(loaded, fd, "", AT_EMPTY_PATH);
}

/** A directory that is open for questions about its entries. */
export class DirectoryStat implements Disposable {
  readonly #statx: Statx;
  readonly #fd: number;

  private constructor(call: Statx, fd: number) {
    this.#statx = call;
    this.#fd = fd;
  }

  /** `undefined` where this is not to be had, or not of this directory. */
  static open(path: LocalName): DirectoryStat | undefined {
    loaded ??= load();
    if (loaded === null) return undefined;
    try {
      const fd = openSync(pathLike(path), constants.O_RDONLY | constants.O_DIRECTORY);
      return new DirectoryStat(loaded, fd);
    } catch {
      return undefined;
    }
  }

  /** Of the entry itself. */
  stat(name: LocalName): EntryStat | undefined {
    return typeof name === "string"
      ? statx(this.#statx, this.#fd, name, AT_SYMLINK_NOFOLLOW)
      : undefined;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function statx(call: Statx, fd: number, name: string, flags: number): EntryStat | undefined {
  if (call(fd, name, flags, MASK, bytes) !== 0) return undefined;
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

function load(): Statx | null {
  const libc = process.platform === "linux" ? libC() : undefined;
  if (libc === undefined) return null;
  try {
    const native = libc.func(
      "int statx(int dirfd, const char *path, int flags, uint32_t mask, void *buf)",
    );
    return (fd, name, flags, mask, into) => native(fd, name, flags, mask, into) as number;
  } catch {
    return null; // a C library without it
  }
}
