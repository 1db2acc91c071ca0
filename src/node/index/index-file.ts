/**
 * A decrypted index as a local file: the index, the tags of its blocks, its directory, and a footer with a MAC over
 * all but the index (which the tags cover). Opening one costs two small reads, whatever its size. Layout of the footer:
 *
 *   0 8 bytes "sejfidx1"    20 u32 bytes of tags         28 u32 groups of the directory
 *   8 f64 bytes of index    24 u32 bytes of directory    32 MAC (32 bytes)
 *  16 u32 reserved, 0
 *
 * SECURITY: the file shows which contents exist, not what is in them; it is only made where the cache is, mode 0600.
 * The MAC's key is the repository's cache key: a file of another repository, name or writer is not believed.
 */
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import {
  bytesToHex,
  concatBytes,
  equalBytes,
  type OwnedBytes,
  type Random,
  utf8ToBytes,
  viewOf,
} from "../../bytes/index.ts";
import { BLOCK_BYTES, MemorySource, type Sha256, TAG_BYTES } from "./byte-source.ts";
import { mergeCursors } from "./cursor.ts";
import type { FileSegment, RadixDirectory, RadixGroup } from "./descriptor.ts";
import { Segment } from "./segment.ts";
import { FileSink, IndexStreamWriter, type WritableEntry } from "./writer.ts";

const MAGIC = "sejfidx1";
const FOOTER_BYTES = 64;
const MAC_BYTES = 32;
const GROUP_BYTES = 6;
const MAX_TABLE_BYTES = 64 << 20;
const COPY_BYTES = 1 << 20;
const YIELD_ENTRIES = 65536;

/** What files are made and checked with. */
export interface IndexFileKeys {
  readonly sha256: Sha256;
  /** HMAC-SHA-256 under the cache key. */
  readonly mac: (data: Uint8Array) => Uint8Array;
  readonly random: Random;
}

/** Keeps a whole index, as it came out of its blob, at `path`. @throws SEJF_CORRUPT for bytes that are no index. */
export function writeIndexFile(
  path: string,
  name: string,
  index: Uint8Array,
  keys: IndexFileKeys,
): FileSegment {
  const { directory } = Segment.scan(new MemorySource(index));
  return writeFile(path, name, keys, (sink) => {
    for (let at = 0; at < index.byteLength; at += COPY_BYTES)
      sink.write(index.subarray(at, at + COPY_BYTES));
    return { directory, lengthBytes: index.byteLength };
  });
}

/** Merges segments into one file at `path`. `undefined`: there was no entry in them. */
export async function writeMergedIndexFile(
  path: string,
  name: string,
  segments: readonly Segment[],
  keys: IndexFileKeys,
): Promise<FileSegment | undefined> {
  const keyLength = segments.find((segment) => segment.count > 0)?.layout.keyLength;
  if (keyLength === undefined) return undefined;
  return await writeSortedIndexFile(path, name, keyLength, sortedEntries(segments), keys);
}

/** One entry on its way into a file; valid until the next. */
export interface SortedEntry {
  readonly key: Uint8Array;
  readonly entry: WritableEntry;
  readonly packName: string;
}

/** Entries in ascending order of keys, as they come. Lets others run now and then. */
export async function writeSortedIndexFile(
  path: string,
  name: string,
  keyLength: number,
  entries: Iterable<SortedEntry>,
  keys: IndexFileKeys,
): Promise<FileSegment> {
  const temporary = temporaryName(path, keys.random);
  const sink = new FileSink(temporary, keys.sha256);
  try {
    const writer = new IndexStreamWriter(sink, keyLength);
    for (const { key, entry, packName } of entries) {
      writer.add(key, entry, packName);
      if (writer.count % YIELD_ENTRIES === 0) {
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
    return finishFile(sink, temporary, path, name, keys, writer.finish());
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    sink.close();
  }
}

function* sortedEntries(segments: readonly Segment[]): Generator<SortedEntry, void, void> {
  for (const { key, fields, segment } of mergeCursors(segments)) {
    yield { key, entry: fields, packName: segment.packName(fields) };
  }
}

/** The file as a segment; `undefined` when it is absent or not one that this repository's cache key has made. */
export function openIndexFile(
  path: string,
  name: string,
  keys: Pick<IndexFileKeys, "mac">,
): FileSegment | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    return decodeFile(fd, path, name, keys);
  } finally {
    closeSync(fd);
  }
}

function decodeFile(
  fd: number,
  path: string,
  name: string,
  keys: Pick<IndexFileKeys, "mac">,
): FileSegment | undefined {
  const size = fstatSync(fd).size;
  if (size < FOOTER_BYTES) return undefined;
  const footer = readAt(fd, size - FOOTER_BYTES, FOOTER_BYTES);
  const view = viewOf(footer);
  if (String.fromCharCode(...footer.subarray(0, 8)) !== MAGIC) return undefined;
  const lengthBytes = view.getFloat64(8);
  const [tagBytes, directoryBytes, groupCount] = [
    view.getUint32(20),
    view.getUint32(24),
    view.getUint32(28),
  ];
  if (
    tagBytes + directoryBytes > MAX_TABLE_BYTES ||
    lengthBytes + tagBytes + directoryBytes + FOOTER_BYTES !== size
  )
    return undefined;
  if (
    tagBytes !== Math.ceil(lengthBytes / BLOCK_BYTES) * TAG_BYTES ||
    groupCount * GROUP_BYTES > directoryBytes
  )
    return undefined;
  const tables = readAt(fd, lengthBytes, tagBytes + directoryBytes);
  const mac = keys.mac(
    concatBytes(utf8ToBytes(name), tables, footer.subarray(0, FOOTER_BYTES - MAC_BYTES)),
  );
  if (!equalBytes(mac, footer.subarray(FOOTER_BYTES - MAC_BYTES))) return undefined;
  return {
    path,
    lengthBytes,
    blockTags: shared(tables.subarray(0, tagBytes)),
    directory: decodeDirectory(tables.subarray(tagBytes), groupCount),
  };
}

function writeFile(
  path: string,
  name: string,
  keys: IndexFileKeys,
  fill: (sink: FileSink) => { readonly directory: RadixDirectory; readonly lengthBytes: number },
): FileSegment {
  const temporary = temporaryName(path, keys.random);
  const sink = new FileSink(temporary, keys.sha256);
  try {
    return finishFile(sink, temporary, path, name, keys, fill(sink));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    sink.close();
  }
}

function finishFile(
  sink: FileSink,
  temporary: string,
  path: string,
  name: string,
  keys: IndexFileKeys,
  index: { readonly directory: RadixDirectory; readonly lengthBytes: number },
): FileSegment {
  const blockTags = sink.endIndex();
  const directory = encodeDirectory(index.directory);
  const head = new Uint8Array(FOOTER_BYTES - MAC_BYTES);
  const view = viewOf(head);
  head.set(utf8ToBytes(MAGIC));
  view.setFloat64(8, index.lengthBytes);
  view.setUint32(20, blockTags.byteLength);
  view.setUint32(24, directory.byteLength);
  view.setUint32(28, index.directory.groups.length);
  const tables = concatBytes(new Uint8Array(blockTags), directory);
  sink.append(tables);
  sink.append(head);
  sink.append(keys.mac(concatBytes(utf8ToBytes(name), tables, head)));
  renameSync(temporary, path);
  return { path, lengthBytes: index.lengthBytes, blockTags, directory: index.directory };
}

/** Groups (u8 prefix, u8 bits, u32 place), then the starts. */
function encodeDirectory(directory: RadixDirectory): OwnedBytes {
  const groups = new Uint8Array(directory.groups.length * GROUP_BYTES);
  const view = viewOf(groups);
  directory.groups.forEach((group, i) => {
    view.setUint8(GROUP_BYTES * i, group.prefix);
    view.setUint8(GROUP_BYTES * i + 1, group.bits);
    view.setUint32(GROUP_BYTES * i + 2, group.at);
  });
  return concatBytes(groups, new Uint8Array(directory.starts));
}

/** SECURITY: the bytes were authenticated; they are this machine's byte order, as the file never leaves it. */
function decodeDirectory(bytes: Uint8Array, groupCount: number): RadixDirectory {
  const view = viewOf(bytes);
  const groups: RadixGroup[] = [];
  for (let i = 0; i < groupCount; i++) {
    groups.push({
      prefix: view.getUint8(GROUP_BYTES * i),
      bits: view.getUint8(GROUP_BYTES * i + 1),
      at: view.getUint32(GROUP_BYTES * i + 2),
    });
  }
  return { groups, starts: shared(bytes.subarray(groupCount * GROUP_BYTES)) };
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.byteLength);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

function readAt(fd: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, position + done);
    if (count === 0) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

function temporaryName(path: string, random: Random): string {
  return `${path}.tmp.${bytesToHex(random.bytes(8))}`;
}
