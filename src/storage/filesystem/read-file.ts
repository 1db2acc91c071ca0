/** Reads one blob's file. Never a short read: the file is as long as it says, or it is an error. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type BlobId, type ByteRange, checkRange, MAX_BLOB_BYTES } from "../../blob/index.ts";
import type { OwnedBytes } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";

/**
 * SECURITY: a symlink put in a blob's place is not followed, and a FIFO does not hang us. Windows has neither flag.
 */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** System errors pass as they are. @throws SEJF_RANGE, SEJF_IO for what is no regular file or ends too early. */
export async function readBlobFile(
  path: string,
  id: BlobId,
  range: ByteRange | undefined,
  signal?: AbortSignal,
): Promise<OwnedBytes> {
  await using file = await open(path, OPEN_FLAGS);
  const stat = await file.stat();
  if (!stat.isFile()) throw new SejfError("SEJF_IO", `blob ${id} is no regular file: ${path}`);
  const whole = range ?? { offset: 0, length: stat.size };
  checkRange(id, whole, stat.size);
  if (whole.length > MAX_BLOB_BYTES) {
    throw new SejfError(
      "SEJF_IO",
      `blob ${id} is ${whole.length} bytes, at most ${MAX_BLOB_BYTES} can be read at once`,
    );
  }
  signal?.throwIfAborted();
  const data = new Uint8Array(whole.length);
  await readFully(file, data, whole.offset, id);
  signal?.throwIfAborted();
  return data;
}

async function readFully(
  file: FileHandle,
  data: OwnedBytes,
  offset: number,
  id: BlobId,
): Promise<void> {
  let done = 0;
  while (done < data.byteLength) {
    const { bytesRead } = await file.read(data, done, data.byteLength - done, offset + done);
    if (bytesRead === 0) {
      throw new SejfError(
        "SEJF_IO",
        `blob ${id} became shorter while it was read: ${data.byteLength} bytes expected, ${done} found`,
      );
    }
    done += bytesRead;
  }
}
