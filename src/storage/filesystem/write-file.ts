/**
 * Writes a file so that it is either there as a whole or not at all, and stays after a power failure: a temporary
 * file in the same folder, all bytes, fsync, rename, fsync of the folder (which Kopia leaves out).
 */
import { constants } from "node:fs";
import { type FileHandle, link, open, rename, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { bytesToHex, mapUnordered, type Random, type TimestampNs } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { systemCode } from "./system-errors.ts";

/** Ends the name of a file that is being written: `.tmp.` and 16 digits. */
export const TEMPORARY_NAME: RegExp = /\.tmp\.[0-9a-f]{16}$/;

const TEMPORARY_BYTES = 8;
/** Below the least IOV_MAX of the systems we run on. */
const PARTS_AT_ONCE = 512;
/** For more at once Linux takes huge pages into the page cache, which cost it four times as much. */
const BYTES_AT_ONCE: number = 1024 * 1024;
/** Under way at once: each has to wait for a thread that may be busy with something else. */
const PARALLEL_WRITES = 4;
/** A folder that cannot be synced (some network file systems) is not an error; one that cannot be written is. */
const SYNC_UNSUPPORTED: ReadonlySet<string | undefined> = new Set([
  "EINVAL",
  "ENOTSUP",
  "EOPNOTSUPP",
  "EISDIR",
  "EPERM",
  "EBADF",
]);
const LINK_UNSUPPORTED: ReadonlySet<string | undefined> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EMLINK",
]);

export interface WriteFileOptions {
  readonly mode: number;
  readonly random: Random;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly timestamp?: TimestampNs | undefined;
  /** Fails with EEXIST when there is a file already. */
  readonly ifAbsent?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** The file's modification time in nanoseconds. System errors pass as they are; nothing is left behind then. */
export async function writeFileAtomically(
  target: string,
  parts: readonly Uint8Array[],
  options: WriteFileOptions,
): Promise<TimestampNs> {
  const temporary = `${target}.tmp.${bytesToHex(options.random.bytes(TEMPORARY_BYTES))}`;
  const file = await open(temporary, "wx", options.mode);
  let timestamp: TimestampNs;
  try {
    try {
      timestamp = await fill(file, parts, options);
    } finally {
      await file.close();
    }
    options.signal?.throwIfAborted();
    if (options.ifAbsent === true) await publishNew(temporary, target);
    else await rename(temporary, target);
  } catch (error) {
    await removeQuietly(temporary);
    throw error;
  }
  await syncDirectory(dirname(target));
  return timestamp;
}

/** Makes the names in a folder durable, where its file system can. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await using folder = await open(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
    await folder.sync();
  } catch (error) {
    if (!SYNC_UNSUPPORTED.has(systemCode(error))) throw error;
  }
}

async function fill(
  file: FileHandle,
  parts: readonly Uint8Array[],
  options: WriteFileOptions,
): Promise<TimestampNs> {
  await writeParts(file, parts, options.signal);
  if (options.owner !== undefined) await setOwner(file, options.owner, options.onWarning);
  if (options.timestamp !== undefined) {
    // rare, and the only thing here that needs the native layer
    const { setFileTimes } = await import("../../node/index.ts");
    setFileTimes(file.fd, { mtimeNs: options.timestamp });
  }
  await file.sync();
  return (await file.stat({ bigint: true })).mtimeNs;
}

/** Parts may lie in shared memory; they are handed to the system as they are. */
async function writeParts(
  file: FileHandle,
  parts: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const write = async (stretch: Stretch): Promise<void> => await writeStretch(file, stretch);
  for await (const _ of mapUnordered(stretchesOf(parts), PARALLEL_WRITES, write, signal)) {
    // Each is written at its own place.
  }
}

/** What one call writes. */
interface Stretch {
  readonly position: number;
  readonly parts: readonly Uint8Array[];
}

function* stretchesOf(parts: readonly Uint8Array[]): Generator<Stretch, void, void> {
  let rest = parts;
  let position = 0;
  while (rest.length > 0) {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    for (const part of rest.slice(0, PARTS_AT_ONCE)) {
      if (bytes === BYTES_AT_ONCE) break;
      taken.push(part.subarray(0, BYTES_AT_ONCE - bytes));
      bytes += taken.at(-1)!.byteLength;
    }
    yield { position, parts: taken };
    rest = withoutFirst(rest, bytes);
    position += bytes;
  }
}

async function writeStretch(file: FileHandle, { position, parts }: Stretch): Promise<void> {
  let rest = withoutFirst(parts, 0);
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, at);
    if (bytesWritten === 0) throw new SejfError("SEJF_IO", "a write of the store took no bytes");
    rest = withoutFirst(rest, bytesWritten);
    at += bytesWritten;
  }
}

/** The parts behind the first `count` bytes; empty ones in front are left out. */
function withoutFirst(parts: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0;
  let left = count;
  while (skipped < parts.length) {
    const part = parts[skipped] as Uint8Array;
    if (part.byteLength > left) return [part.subarray(left), ...parts.slice(skipped + 1)];
    left -= part.byteLength;
    skipped++;
  }
  return [];
}

/** As Kopia does, a failure is a warning: the blob itself is whole. */
async function setOwner(
  file: FileHandle,
  owner: { readonly uid: number; readonly gid: number },
  onWarning: ((message: string) => void) | undefined,
): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  try {
    await file.chown(owner.uid, owner.gid);
  } catch (error) {
    onWarning?.(`cannot set the owner of new files to ${owner.uid}:${owner.gid}: ${String(error)}`);
  }
}

/** A link refuses to replace; where there are no links, a look is the best that can be had. */
async function publishNew(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target);
  } catch (error) {
    if (!LINK_UNSUPPORTED.has(systemCode(error))) throw error;
    if (await exists(target))
      throw Object.assign(new Error(`file exists: ${target}`), { code: "EEXIST" });
    await rename(temporary, target);
    return;
  }
  await unlink(temporary);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

async function removeQuietly(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch {
    // the failure that led here is the one to tell; a leftover is invisible to listings
  }
}
