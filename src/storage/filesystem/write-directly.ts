/**
 * Large blobs past the page cache (O_DIRECT): for a pack the copy into it costs more than encrypting, and pushes out
 * what others have there. Only from memory that is known to be aligned, the WebAssembly memory of the thread engine;
 * whatever cannot be written so is left to the caller.
 */
import { constants } from "node:fs";
import { open, unlink } from "node:fs/promises";
import { systemCode } from "./system-errors.ts";

/** Fits every usual block size. */
const ALIGNMENT = 4096;
const MIN_BYTES: number = 1024 * 1024;
/** The file system or the device cannot. */
const UNSUPPORTED: ReadonlySet<string | undefined> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

export interface WriteDirectlyOptions {
  readonly mode: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Creates `path` and writes as many bytes from the beginning as can be; 0 when there is no such file afterwards.
 * System errors pass as they are; nothing is left behind then.
 */
export async function writeDirectly(
  path: string,
  parts: readonly Uint8Array[],
  options: WriteDirectlyOptions,
): Promise<number> {
  const bytes = parts.length === 1 ? parts[0] : undefined;
  if (bytes === undefined || bytes.byteLength < MIN_BYTES || !isAligned(bytes)) return 0;
  let written = 0;
  try {
    written = await write(path, bytes, options);
  } catch (error) {
    const unsupported = UNSUPPORTED.has(systemCode(error));
    // Opening may have made the file before it failed; one that was there before is not ours.
    if (systemCode(error) !== "EEXIST") await removeQuietly(path);
    if (!unsupported) throw error;
  }
  return written;
}

/** WebAssembly memories begin at a page; other shared memory that looks alike is refused by the system. */
function isAligned(bytes: Uint8Array): boolean {
  return (
    constants.O_DIRECT !== undefined &&
    bytes.buffer instanceof SharedArrayBuffer &&
    bytes.buffer.byteLength % 65536 === 0 &&
    bytes.byteOffset % ALIGNMENT === 0
  );
}

async function write(
  path: string,
  bytes: Uint8Array,
  { mode, signal }: WriteDirectlyOptions,
): Promise<number> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DIRECT;
  await using file = await open(path, flags, mode);
  const end = bytes.byteLength - (bytes.byteLength % ALIGNMENT);
  let at = 0;
  while (at < end && at % ALIGNMENT === 0) {
    signal?.throwIfAborted();
    const { bytesWritten } = await file.write(bytes, at, end - at, at);
    if (bytesWritten === 0) break;
    at += bytesWritten;
  }
  return at;
}

async function removeQuietly(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch {
    // It may never have been made.
  }
}
