/** Writing at positions, whole or with holes where the data is zero. */
import { writeSync } from "node:fs";

/** Holes are made of whole blocks of this size, at multiples of it in the file. */
const BLOCK_BYTES = 4096;

const ZEROS = new Uint8Array(BLOCK_BYTES);

/** For more at once Linux takes huge pages into the page cache, which cost it four times as much. */
const WRITE_BYTES: number = 1024 * 1024;

/** Writes all bytes at `position`. System errors pass as they are. */
export function writeFully(fd: number, data: Uint8Array, position: number): void {
  let done = 0;
  while (done < data.byteLength)
    done += writeSync(
      fd,
      data,
      done,
      Math.min(WRITE_BYTES, data.byteLength - done),
      position + done,
    );
}

/**
 * Writes at `position` all but whole blocks of zeros: what lies there must read as zeros already (a new or truncated
 * file), and the caller sets the file's length afterwards.
 */
export function writeSparse(fd: number, data: Uint8Array, position: number): void {
  let pending = 0;
  let at = 0;
  while (at < data.byteLength) {
    const end = Math.min(data.byteLength, at + BLOCK_BYTES - ((position + at) % BLOCK_BYTES));
    if (end - at === BLOCK_BYTES && Buffer.compare(data.subarray(at, end), ZEROS) === 0) {
      if (pending < at) writeFully(fd, data.subarray(pending, at), position + pending);
      pending = end;
    }
    at = end;
  }
  if (pending < data.byteLength) writeFully(fd, data.subarray(pending), position + pending);
}
