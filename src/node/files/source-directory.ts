/**
 * Calls on the entries of an open directory by their bare names, and `statx` of an open file (64-bit Linux, see
 * `libc.ts`): the system walks no path, and nothing is allocated but the result, where `lstat` of node:fs makes eighteen
 * bigints. Of what fails here the plain calls say what is wrong.
 */
import { closeSync, constants, openSync } from "node:fs";
import type { LocalName } from "../../format/index.ts";
import { type EntryStat, kindOf } from "./entry-stat.ts";
import { libC } from "./libc.ts";
import { joinLocal, pathLike } from "./names.ts";
import { openSource, SOURCE_FLAGS } from "./open.ts";

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

/**
 * A directory whose entries are read: by their bare names where it is open for that, files else by their paths. Closed
 * when it is disposed of.
 */
export class SourceDirectory implements Disposable {
  readonly #path: LocalName;
  /** `undefined` where it is not worth it, not to be had, or not of this directory. */
  readonly #open: { readonly calls: Calls; readonly fd: number } | undefined;

  /** For so many entries. */
  constructor(path: LocalName, count: number) {
    this.#path = path;
    this.#open = count < FEW_NAMES ? undefined : openForCalls(path);
  }

  /** Of the entry itself. */
  stat(name: LocalName): EntryStat | undefined {
    if (this.#open === undefined || typeof name !== "string") return undefined;
    return stat(this.#open.calls, this.#open.fd, name, AT_SYMLINK_NOFOLLOW);
  }

  /** As `openSource` of the entry's path. System errors pass. */
  openFile(name: LocalName): SourceFile {
    if (this.#open !== undefined && typeof name === "string") {
      const { calls, fd } = this.#open;
      const opened = calls.openat(fd, name, SOURCE_FLAGS | O_CLOEXEC);
      if (opened >= 0) return new SourceFile(opened, calls);
    }
    return new SourceFile(openSource(joinLocal(this.#path, name)), undefined);
  }

  [Symbol.dispose](): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
  }
}

/** A file that is open for reading. */
export class SourceFile {
  readonly fd: number;
  readonly #calls: Calls | undefined;

  constructor(fd: number, calls: Calls | undefined) {
    this.fd = fd;
    this.#calls = calls;
  }

  /** By whoever has opened it: a thread of Node warns of files that node:fs closes and has not opened. */
  close(): void {
    if (this.#calls === undefined) closeSync(this.fd);
    else this.#calls.close(this.fd);
  }
}

function openForCalls(path: LocalName): { readonly calls: Calls; readonly fd: number } | undefined {
  loaded ??= load();
  if (loaded === null) return undefined;
  try {
    const fd = openSync(pathLike(path), constants.O_RDONLY | constants.O_DIRECTORY);
    return { calls: loaded, fd };
  } catch {
    return undefined;
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
