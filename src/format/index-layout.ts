/**
 * Where things are in index bytes of version 1 or 2, and how one entry is read. Every offset is checked against the
 * length of the index before anybody uses it. All integers are big-endian. Spec: kopia-format 4.6, 4.7.
 *
 * Version 1                                     Version 2
 *  0 u8  version                                 0 u8  version           8 u32 pack count
 *  1 u8  key length K, 0xff when empty           1 u8  key length K     12 u8  format count
 *  2 u16 value length, 20                        2 u16 value length E   13 u32 base time, seconds
 *  4 u32 count                                   4 u32 count
 *  8 count × (key, value), sorted               17 count × (key, value), sorted
 *    pack names                                    pack table, format table, pack names
 */
import { getUint24, getUint48, viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

/** All offsets lie within the index. */
export interface IndexLayout {
  readonly version: 1 | 2;
  /** Bytes of a key: the prefix byte and the hash. */
  readonly keyLength: number;
  /** Bytes of an entry behind its key. */
  readonly valueLength: number;
  /** Bytes from one entry to the next. */
  readonly stride: number;
  readonly count: number;
  readonly entriesOffset: number;
  /** Of the pack table; 0 in version 1, whose entries point at names themselves. */
  readonly packCount: number;
  readonly packTableOffset: number;
  readonly formatCount: number;
  readonly formatTableOffset: number;
  readonly baseTimeS: number;
}

/** One entry as it is stored. Mutable, so that a scan needs one object. */
export interface EntryValue {
  timestampS: number;
  deleted: boolean;
  packOffset: number;
  packedLength: number;
  /** Negative in version 1 for a packed length that cannot be. */
  originalLength: number;
  /** Row of the pack table; version 1: -1. */
  packNumber: number;
  /** Row of the format table; version 1: the format version itself. */
  formatNumber: number;
  /** Version 1 only: where the pack's name is. */
  nameOffset: number;
  nameLength: number;
}

/** Of the longer header: enough for `decodeIndexLayout`. */
export const INDEX_HEADER_BYTES = 17;

export const HEADER_BYTES_V1 = 8;
export const VALUE_BYTES_V1 = 20;
export const VALUE_BYTES_V2_MIN = 16;
export const VALUE_BYTES_V2_MAX = 19;
export const PACK_ROW_BYTES = 5;
export const FORMAT_ROW_BYTES = 6;
/** Version 1 knows no compression, so the lengths differ by what encryption adds. */
export const OVERHEAD_BYTES_V1 = 28;
export const EMPTY_KEY_LENGTH = 0xff;

const KEY_BYTES_MIN = 2;
const STRIDE_MAX = 256;
const DELETED = 0x8000_0000;
const OFFSET_MASK = 0x7fff_ffff;

export function emptyEntryValue(): EntryValue {
  return {
    timestampS: 0,
    deleted: false,
    packOffset: 0,
    packedLength: 0,
    originalLength: 0,
    packNumber: -1,
    formatNumber: 0,
    nameOffset: 0,
    nameLength: 0,
  };
}

/** From the first 17 bytes of an index (fewer where it is shorter) and its whole length. @throws SEJF_CORRUPT. */
export function decodeIndexLayout(head: Uint8Array, lengthBytes: number): IndexLayout {
  const version = head[0];
  if (version !== 1 && version !== 2)
    throw corrupt(
      `index of ${lengthBytes} bytes has the version ${version ?? "none"}, expected 1 or 2`,
    );
  const headerBytes = version === 1 ? HEADER_BYTES_V1 : INDEX_HEADER_BYTES;
  if (head.byteLength < headerBytes)
    throw corrupt(`index is ${head.byteLength} bytes, expected ${headerBytes} or more`);
  const view = viewOf(head);
  const layout = version === 1 ? layoutV1(view) : layoutV2(view);
  const end = layout.formatTableOffset + layout.formatCount * FORMAT_ROW_BYTES;
  if (end > lengthBytes) {
    throw corrupt(
      `index is ${lengthBytes} bytes, its ${layout.count} entries and tables need ${end}`,
    );
  }
  return layout;
}

function layoutV1(view: DataView): IndexLayout {
  const keyLength = view.getUint8(1);
  const valueLength = view.getUint16(2);
  const count = view.getUint32(4);
  if (keyLength < KEY_BYTES_MIN)
    throw corrupt(`index has keys of ${keyLength} bytes, expected ${KEY_BYTES_MIN} or more`);
  if (valueLength !== VALUE_BYTES_V1)
    throw corrupt(
      `index of version 1 has entries of ${valueLength} bytes, expected ${VALUE_BYTES_V1}`,
    );
  const stride = keyLength + valueLength;
  const tables = HEADER_BYTES_V1 + count * stride;
  return {
    version: 1,
    keyLength,
    valueLength,
    stride,
    count,
    entriesOffset: HEADER_BYTES_V1,
    packCount: 0,
    packTableOffset: tables,
    formatCount: 0,
    formatTableOffset: tables,
    baseTimeS: 0,
  };
}

function layoutV2(view: DataView): IndexLayout {
  const keyLength = view.getUint8(1);
  const valueLength = view.getUint16(2);
  const count = view.getUint32(4);
  const packCount = view.getUint32(8);
  if (keyLength < KEY_BYTES_MIN)
    throw corrupt(`index has keys of ${keyLength} bytes, expected ${KEY_BYTES_MIN} or more`);
  if (
    valueLength < VALUE_BYTES_V2_MIN ||
    valueLength > VALUE_BYTES_V2_MAX ||
    keyLength + valueLength > STRIDE_MAX
  ) {
    throw corrupt(
      `index of version 2 has entries of ${keyLength} + ${valueLength} bytes, expected 16 to 19 behind the key and ${STRIDE_MAX} at most`,
    );
  }
  const stride = keyLength + valueLength;
  const packTableOffset = INDEX_HEADER_BYTES + count * stride;
  return {
    version: 2,
    keyLength,
    valueLength,
    stride,
    count,
    entriesOffset: INDEX_HEADER_BYTES,
    packCount,
    packTableOffset,
    formatCount: view.getUint8(12),
    formatTableOffset: packTableOffset + packCount * PACK_ROW_BYTES,
    baseTimeS: view.getUint32(13),
  };
}

/** The value at `offset`, behind its key. */
export function readEntryValue(
  view: DataView,
  offset: number,
  layout: IndexLayout,
  into: EntryValue,
): void {
  if (layout.version === 1) readValueV1(view, offset, into);
  else readValueV2(view, offset, layout, into);
}

/**
 *  0 u48 time, seconds          8 u32 offset of the pack's name       16 u32 packed length
 *  6 u8  format version        12 u32 bit 31 deleted, rest offset
 *  7 u8  length of the name
 */
function readValueV1(view: DataView, offset: number, into: EntryValue): void {
  const offsetAndFlags = view.getUint32(offset + 12);
  into.timestampS = getUint48(view, offset);
  into.deleted = offsetAndFlags >= DELETED;
  into.packOffset = offsetAndFlags & OFFSET_MASK;
  into.packedLength = view.getUint32(offset + 16);
  into.originalLength = into.packedLength - OVERHEAD_BYTES_V1;
  into.packNumber = -1;
  into.formatNumber = view.getUint8(offset + 6);
  into.nameOffset = view.getUint32(offset + 8);
  into.nameLength = view.getUint8(offset + 7);
}

/**
 *  0 u32 seconds after base time         14 u16 pack number, low bits
 *  4 u32 bit 31 deleted, rest offset     16 u8  format number                   (optional)
 *  8 u24 original length, low bits       17 u8  pack number, high bits          (optional)
 * 11 u24 packed length, low bits         18 u8  bits 24..27 of both lengths     (optional)
 */
function readValueV2(view: DataView, offset: number, layout: IndexLayout, into: EntryValue): void {
  const { valueLength } = layout;
  const offsetAndFlags = view.getUint32(offset + 4);
  const high = valueLength > 18 ? view.getUint8(offset + 18) : 0;
  into.timestampS = layout.baseTimeS + view.getUint32(offset);
  into.deleted = offsetAndFlags >= DELETED;
  into.packOffset = offsetAndFlags & OFFSET_MASK;
  into.originalLength = getUint24(view, offset + 8) | ((high >>> 4) << 24);
  into.packedLength = getUint24(view, offset + 11) | ((high & 0xf) << 24);
  into.packNumber =
    view.getUint16(offset + 14) | (valueLength > 17 ? view.getUint8(offset + 17) << 16 : 0);
  into.formatNumber = valueLength > 16 ? view.getUint8(offset + 16) : 0;
}

/** A row of the pack table: where the name is. */
export function readPackRow(
  view: DataView,
  offset: number,
): { readonly nameOffset: number; readonly nameLength: number } {
  return { nameLength: view.getUint8(offset), nameOffset: view.getUint32(offset + 1) };
}

/** A row of the format table. An encryption key other than 0 is reserved: such entries cannot be used. */
export function readFormatRow(
  view: DataView,
  offset: number,
): {
  readonly compressionId: number;
  readonly formatVersion: number;
  readonly encryptionKeyId: number;
} {
  return {
    compressionId: view.getUint32(offset),
    formatVersion: view.getUint8(offset + 4),
    encryptionKeyId: view.getUint8(offset + 5),
  };
}

function corrupt(message: string): SejfError {
  return new SejfError("SEJF_CORRUPT", message);
}
