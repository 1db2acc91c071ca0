/**
 * Directories held open while a tree is restored into them. SECURITY: who may write to the target could put a symlink
 * in the place of a directory that was checked before. On Linux a path through `/proc/self/fd` leads to the directory
 * that was opened, whatever its name leads to by now, in all threads; elsewhere the plain path is used.
 */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  openSync,
  readFileSync,
} from "node:fs";
import { assert, errorFromUnknown, SejfError } from "../../errors/index.ts";
import type { LocalName, RestoreAttributes } from "../../format/index.ts";
import { type AttributeOptions, setDirectoryAttributes, setFileAttributes } from "./attributes.ts";
import { joinLocal, nameText, pathLike } from "./names.ts";
import { assertRealDirectory, isSystemError } from "./open.ts";

/** What the owner needs to fill a directory. */
const OWNER_BITS = 0o700;

/** Handles beyond this many are plain paths, so that files can be opened as well. */
const MAX_HANDLES = 4096;
/** Where the system does not tell how many files may be open. */
const USUAL_OPEN_FILES = 1024;

let openHandles = 0;
let mostHandles: number | undefined;

function hasRoom(): boolean {
  mostHandles ??=
    process.platform === "linux" && existsSync("/proc/self/fd")
      ? Math.min(MAX_HANDLES, Math.floor(openFilesLimit() / 2))
      : 0;
  return openHandles < mostHandles;
}

function openFilesLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "latin1");
    const limit = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
    return limit === "unlimited" ? MAX_HANDLES * 2 : Number(limit ?? USUAL_OPEN_FILES);
  } catch {
    return USUAL_OPEN_FILES;
  }
}

export class DirectoryHandle implements Disposable {
  /** For messages. */
  readonly shown: LocalName;
  readonly #path: LocalName;
  readonly #fd: number | undefined;
  #open = true;

  constructor(shown: LocalName, fd: number | undefined) {
    this.shown = shown;
    this.#fd = fd;
    // With the dot the last component is no symlink: it can be opened without following any.
    this.#path = fd === undefined ? shown : `/proc/self/fd/${fd}/.`;
  }

  /** For calls on what is inside. Not to be used once the handle is closed: its number may mean another directory. */
  get path(): LocalName {
    assert(this.#open, "a directory is used after it was closed");
    return this.#path;
  }

  /** A text in which this directory's path for calls is replaced by the one people know. */
  describe(text: string): string {
    if (this.#fd === undefined) return text;
    const path = this.#path as string;
    return text
      .replaceAll(`${path}/`, nameText(joinLocal(this.shown, "")))
      .replaceAll(path, nameText(this.shown));
  }

  /** Lets the owner fill a directory that is closed to him, as one is that was restored before. */
  allowFilling(): void {
    if (this.#fd === undefined || !this.#open) return;
    const { mode, uid } = fstatSync(this.#fd);
    if ((mode & OWNER_BITS) === OWNER_BITS || process.getuid?.() !== uid) return;
    fchmodSync(this.#fd, (mode & 0o7777) | OWNER_BITS);
  }

  /** @throws SEJF_PERMISSION, SEJF_IO. */
  setAttributes(attributes: RestoreAttributes, options: AttributeOptions): void {
    if (this.#fd === undefined) {
      setDirectoryAttributes(this.shown, attributes, options);
      return;
    }
    assert(this.#open, "a directory is used after it was closed");
    try {
      setFileAttributes(this.#fd, attributes, options);
    } catch (error) {
      throw errorFromUnknown(error, `setting the attributes of ${nameText(this.shown)}`);
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#fd === undefined) return;
    openHandles--;
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a directory that exists. With `follow` it may be a symlink to one: only for a path that the user gave.
 * Where no more files can be opened the plain path has to do. @throws SEJF_ALREADY_EXISTS for anything that is no
 * directory, SEJF_PERMISSION, SEJF_IO.
 */
export function openDirectory(
  path: LocalName,
  shown: LocalName,
  options: { readonly follow: boolean },
): DirectoryHandle {
  try {
    if (!hasRoom()) {
      if (!options.follow) assertRealDirectory(path);
      return new DirectoryHandle(shown, undefined);
    }
    const nofollow = options.follow ? 0 : constants.O_NOFOLLOW;
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | nofollow;
    const fd = openSync(pathLike(path), flags);
    openHandles++;
    return new DirectoryHandle(shown, fd);
  } catch (error) {
    if (isSystemError(error, "EMFILE") || isSystemError(error, "ENFILE"))
      return new DirectoryHandle(shown, undefined);
    if (isSystemError(error, "ENOTDIR") || isSystemError(error, "ELOOP"))
      throw new SejfError("SEJF_ALREADY_EXISTS", `${nameText(shown)} is no directory`, {
        hint: "remove it or restore to another place",
      });
    throw errorFromUnknown(error, `opening the directory ${nameText(shown)}`);
  }
}
