/** The file of an archive: written beside its place and renamed when it is whole, so that no half one is taken for it. */
import { randomBytes } from "node:crypto";
import { mkdir, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { errorFromUnknown, SejfError } from "../errors/index.ts";

/** Headers and small files are gathered into writes of this size. */
const WRITE_BYTES = 256 * 1024;

export interface ArchiveOutputOptions {
  readonly gzip: boolean;
  readonly overwrite: boolean;
  readonly fsync: boolean;
  readonly signal: AbortSignal;
}

/**
 * Writes all bytes to `target`; missing directories above are made. A device or a pipe is written to as it is.
 * @throws SEJF_ALREADY_EXISTS, SEJF_PERMISSION, SEJF_NO_SPACE, SEJF_IO; what `bytes` throws.
 */
export async function writeArchive(
  bytes: AsyncIterable<Uint8Array>,
  target: string,
  options: ArchiveOutputOptions,
): Promise<void> {
  const { path, written } = await placeOf(target, options.overwrite);
  try {
    await fill(written, path === written ? "w" : "wx", bytes, options);
    if (path !== written) await rename(written, path);
  } catch (error) {
    if (path !== written) await rm(written, { force: true });
    options.signal.throwIfAborted();
    throw errorFromUnknown(error, `writing ${target}`);
  }
}

async function fill(
  path: string,
  flags: string,
  bytes: AsyncIterable<Uint8Array>,
  { gzip, fsync, signal }: ArchiveOutputOptions,
): Promise<void> {
  const file = await open(path, flags, 0o666);
  try {
    // No stream is made of the file: it could go on writing after the file is closed.
    if (gzip) {
      const zipped = createGzip();
      const piped = pipeline(gathered(bytes, signal), zipped, { signal });
      await Promise.all([piped, file.writeFile(zipped, { signal })]);
    } else await file.writeFile(gathered(bytes, signal), { signal });
    if (fsync) await file.sync();
  } finally {
    await file.close();
  }
}

async function placeOf(
  target: string,
  overwrite: boolean,
): Promise<{ readonly path: string; readonly written: string }> {
  try {
    const found = await stat(target).catch(() => undefined);
    if (found?.isDirectory() === true || (found?.isFile() === true && !overwrite))
      throw new SejfError("SEJF_ALREADY_EXISTS", `${target} exists already`, {
        hint: "remove it or restore to another place",
      });
    if (found !== undefined && !found.isFile()) return { path: target, written: target };
    await mkdir(dirname(target), { recursive: true });
    const path = found === undefined ? target : await realpath(target);
    const written = join(dirname(path), `.sejf-${randomBytes(8).toString("hex")}.tmp`);
    return { path, written };
  } catch (error) {
    throw errorFromUnknown(error, `writing ${target}`);
  }
}

/** In larger pieces. Ends with the signal, whether or not the source does. */
async function* gathered(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  let buffer = Buffer.allocUnsafe(WRITE_BYTES);
  let length = 0;
  for await (const bytes of untilAbort(source, signal)) {
    if (length + bytes.length > WRITE_BYTES && length > 0) {
      yield buffer.subarray(0, length);
      buffer = Buffer.allocUnsafe(WRITE_BYTES);
      length = 0;
    }
    if (bytes.length > WRITE_BYTES) yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    else {
      buffer.set(bytes, length);
      length += bytes.length;
    }
  }
  if (length > 0) yield buffer.subarray(0, length);
}

async function* untilAbort(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  let stop: (reason: unknown) => void = () => {};
  const onAbort = (): void => stop(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        stop = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    iterator.return?.().then(undefined, () => undefined);
  }
}
