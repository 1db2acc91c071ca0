/**
 * Zip archives, in the Zip64 format where sizes need it. Unlike Kopia's they have directories, empty ones too, and
 * symlinks, with Unix modes, owners and times (whole seconds) as Info-ZIP writes them.
 */
import { Readable } from "node:stream";
import { ZipArchiveEntry } from "compress-commons";
import { concatBytes } from "../bytes/index.ts";
import type { ArchiveWriter } from "./archive-types.ts";
import type { DirEntry } from "./types.ts";
import { CompactZipStream, DEFLATED, STORED } from "./zip-stream.ts";

const TYPE_SYMLINK = 0o120000;
const NS_PER_S = 1_000_000_000n;
const MAX_UNIX_S = 2n ** 31n - 1n;

export function createZipWriter(options: { readonly compress: boolean }): ArchiveWriter {
  const zip = new CompactZipStream();
  let failed: { readonly error: unknown } | undefined;
  let fail: (error: unknown) => void = () => {};
  const add = async (
    path: string,
    entry: DirEntry,
    mode: number,
    method: number,
    source: Buffer | Readable,
  ): Promise<void> => {
    if (failed !== undefined) throw failed.error;
    await new Promise<void>((resolve, reject) => {
      fail = reject;
      if (source instanceof Readable) source.once("error", reject);
      zip.entry(headerOf(path, entry, mode, method), source, (error) => {
        if (error !== null && error !== undefined) reject(error);
        // The library goes on however slowly the archive's bytes are taken.
        else if (zip.writableNeedDrain) zip.once("drain", resolve);
        else resolve();
      });
    });
  };
  // Who waits for an entry is told by `fail`.
  zip.on("error", () => undefined);
  return {
    bytes: zip as AsyncIterable<Uint8Array>,
    directory: (path, entry) => add(`${path}/`, entry, entry.mode, STORED, Buffer.alloc(0)),
    symlink: (path, entry, target) =>
      add(path, entry, TYPE_SYMLINK | 0o777, STORED, Buffer.from(target)),
    file: (path, entry, data) => {
      const source =
        data instanceof Uint8Array
          ? Buffer.from(data.buffer, data.byteOffset, data.length)
          : Readable.from(data, { objectMode: true });
      return add(path, entry, entry.mode, options.compress ? DEFLATED : STORED, source);
    },
    // oxlint-disable-next-line require-await -- the interface is asynchronous
    async finish() {
      zip.finish();
    },
    abort(error) {
      failed ??= { error };
      fail(error);
      zip.destroy(error instanceof Error ? error : undefined);
    },
  };
}

function headerOf(path: string, entry: DirEntry, mode: number, method: number): ZipArchiveEntry {
  const { uid, gid, sizeBytes, mtimeNs } = entry;
  const header = new ZipArchiveEntry(path);
  // As it is: the constructor takes backslashes and what looks like a drive for parts of Windows paths.
  header.name = path;
  header.getGeneralPurposeBit().useUTF8ForNames(true);
  header.setMethod(method);
  header.setTime(new Date(Number(mtimeNs / 1_000_000n)), true);
  header.setUnixMode(mode);
  header.setExtra(concatBytes(timeField(mtimeNs), ownerField(uid, gid)));
  // Says beforehand whether larger fields are needed; the real size is set when it is known.
  if (entry.type === "f") header.setSize(sizeBytes);
  return header;
}

// Extended timestamp, little-endian: u16 0x5455, u16 length 5, u8 1 (only the modification time), i32 Unix time.
function timeField(mtimeNs: bigint): Uint8Array {
  const fraction = ((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S;
  const seconds = (mtimeNs - fraction) / NS_PER_S;
  if (seconds > MAX_UNIX_S || seconds < -MAX_UNIX_S) return new Uint8Array(0);
  const view = new DataView(new ArrayBuffer(9));
  view.setUint16(0, 0x5455, true);
  view.setUint16(2, 5, true);
  view.setUint8(4, 1);
  view.setInt32(5, Number(seconds), true);
  return new Uint8Array(view.buffer);
}

// Info-ZIP's "ux", little-endian: u16 0x7875, u16 length 11, u8 version 1, u8 4, u32 uid, u8 4, u32 gid.
function ownerField(uid: number, gid: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(15));
  view.setUint16(0, 0x7875, true);
  view.setUint16(2, 11, true);
  view.setUint8(4, 1);
  view.setUint8(5, 4);
  view.setUint32(6, uid, true);
  view.setUint8(10, 4);
  view.setUint32(11, gid, true);
  return new Uint8Array(view.buffer);
}
