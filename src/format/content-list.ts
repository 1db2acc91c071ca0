/**
 * The list of contents that lie back to back, without prefixes, as they leave a thread and go to a server of ours in one
 * message. Records, little-endian: u32 length, u32 compressor wanted (0: none), hash.
 */
import { bytesToHex, type OwnedBytes, viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

/** In front of the hash in each record. */
export const CONTENT_LIST_HEAD_BYTES = 8;

/** A list, column by column; all have as many items. */
export interface ContentList {
  readonly lengths: Uint32Array<ArrayBuffer>;
  /** Compressor IDs that are wanted, 0 for none. */
  readonly compressors: Uint32Array<ArrayBuffer>;
  /** One behind the other. */
  readonly hashes: OwnedBytes;
}

/** One content of a list. */
export interface ListedContent {
  /** In hexadecimal: the ID of a content without prefix. */
  readonly hash: string;
  /** Where it lies in the data. */
  readonly offset: number;
  readonly lengthBytes: number;
  /** 0: none. */
  readonly compressor: number;
}

/** @throws SEJF_CORRUPT for a list that is not one of contents of so many bytes together. */
export function decodeContentList(
  list: Uint8Array,
  hashBytes: number,
  dataBytes: number,
): ContentList {
  const recordBytes = CONTENT_LIST_HEAD_BYTES + hashBytes;
  const count = list.byteLength / recordBytes;
  if (!Number.isInteger(count))
    throw new SejfError(
      "SEJF_CORRUPT",
      `a list of contents is ${list.byteLength} bytes, expected a multiple of ${recordBytes}`,
    );
  const lengths = new Uint32Array(count);
  const compressors = new Uint32Array(count);
  const hashes = new Uint8Array(count * hashBytes);
  const view = viewOf(list);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const at = i * recordBytes;
    const length = view.getUint32(at, true);
    lengths[i] = length;
    total += length;
    compressors[i] = view.getUint32(at + 4, true);
    for (let j = 0; j < hashBytes; j++)
      hashes[i * hashBytes + j] = list[at + CONTENT_LIST_HEAD_BYTES + j]!;
  }
  if (total !== dataBytes)
    throw new SejfError(
      "SEJF_CORRUPT",
      `a list has contents of ${total} bytes, with it are ${dataBytes} bytes`,
    );
  return { lengths, compressors, hashes };
}

/** The contents of a list in order, an object for each. @throws as `decodeContentList`. */
export function listedContents(
  list: Uint8Array,
  hashBytes: number,
  dataBytes: number,
): readonly ListedContent[] {
  const { lengths, compressors, hashes } = decodeContentList(list, hashBytes, dataBytes);
  const hex = bytesToHex(hashes);
  const contents: ListedContent[] = [];
  let offset = 0;
  for (const [i, lengthBytes] of lengths.entries()) {
    const hash = hex.slice(2 * i * hashBytes, 2 * (i + 1) * hashBytes);
    contents.push({ hash, offset, lengthBytes, compressor: compressors[i] ?? 0 });
    offset += lengthBytes;
  }
  return contents;
}
