/** Index bytes from sorted rows. Layouts: see `index-layout.ts`. */
import type { BlobId } from "../blob/index.ts";
import { type OwnedBytes, setUint24, setUint48, viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type EntryRows, emptyRowValue } from "./entry-rows.ts";
import {
  EMPTY_KEY_LENGTH,
  FORMAT_ROW_BYTES,
  HEADER_BYTES_V1,
  INDEX_HEADER_BYTES,
  OVERHEAD_BYTES_V1,
  PACK_ROW_BYTES,
  VALUE_BYTES_V1,
  VALUE_BYTES_V2_MIN,
} from "./index-layout.ts";

const DELETED = 0x8000_0000;
const MAX_LENGTH_V2 = 2 ** 28;
const MAX_SHORT_LENGTH = 2 ** 24;
const MAX_OFFSET_V2 = 2 ** 30;
const MAX_PACKS_V2 = 2 ** 24;
const MAX_SHORT_PACKS = 2 ** 16;
const MAX_FORMATS_V2 = 255;
const MAX_KEY_AND_VALUE = 256;
const MAX_INDEX_BYTES = 2 ** 32;

/** Packs and formats by the order in which sorted entries name them first. */
interface Numbering {
  readonly packs: readonly BlobId[];
  /** From the rows' own number, -1 for those not named. */
  readonly packNumber: Int32Array;
  readonly formats: readonly number[];
  readonly formatNumber: Int32Array;
  readonly maxLength: number;
}

/** @throws SEJF_UNSUPPORTED for compressed contents and what else version 1 has no room for. */
export function writeIndexV1(
  rows: EntryRows,
  order: Uint32Array,
  tail: Uint8Array = new Uint8Array(0),
): OwnedBytes {
  const numbering = numberInOrder(rows, order);
  const keyLength = order.length === 0 ? EMPTY_KEY_LENGTH : rows.keyLength;
  const stride = keyLength + VALUE_BYTES_V1;
  const namesOffset = HEADER_BYTES_V1 + order.length * stride;
  const index = allocate(namesOffset + namesLength(numbering.packs) + tail.byteLength);
  const view = viewOf(index);
  view.setUint8(0, 1);
  view.setUint8(1, keyLength);
  view.setUint16(2, VALUE_BYTES_V1);
  view.setUint32(4, order.length);
  const nameOffsets = writeNames(index, namesOffset, numbering.packs);
  const row = emptyRowValue();
  let at = HEADER_BYTES_V1;
  for (const number of order) {
    rows.read(number, row);
    const format = rows.formats[row.format]!;
    if (format >= 256 || row.originalLength !== row.packedLength - OVERHEAD_BYTES_V1) {
      throw unsupported("index version 1 holds neither compressed contents nor error correction");
    }
    const pack = numbering.packNumber[row.pack]!;
    rows.copyKey(number, index, at);
    at += keyLength;
    setUint48(view, at, row.timestampS);
    view.setUint8(at + 6, format);
    view.setUint8(at + 7, numbering.packs[pack]!.length);
    view.setUint32(at + 8, nameOffsets[pack]!);
    view.setUint32(at + 12, row.deleted ? row.packOffset + DELETED : row.packOffset);
    view.setUint32(at + 16, row.packedLength);
    at += VALUE_BYTES_V1;
  }
  index.set(tail, index.byteLength - tail.byteLength);
  return index;
}

/** @throws SEJF_UNSUPPORTED for what version 2 has no room for; RangeError without entries. */
export function writeIndexV2(
  rows: EntryRows,
  order: Uint32Array,
  tail: Uint8Array = new Uint8Array(0),
): OwnedBytes {
  if (order.length === 0) throw new RangeError("an index of version 2 cannot be empty");
  const numbering = numberInOrder(rows, order);
  const { packs, formats } = numbering;
  const valueLength = valueLengthFor(numbering);
  const keyLength = rows.keyLength;
  if (keyLength + valueLength > MAX_KEY_AND_VALUE)
    throw unsupported(`index keys of ${keyLength} bytes are too long`);
  const packTable = INDEX_HEADER_BYTES + order.length * (keyLength + valueLength);
  const formatTable = packTable + packs.length * PACK_ROW_BYTES;
  const namesOffset = formatTable + formats.length * FORMAT_ROW_BYTES;
  const index = allocate(namesOffset + namesLength(packs) + tail.byteLength);
  const view = viewOf(index);
  view.setUint8(0, 2);
  view.setUint8(1, keyLength);
  view.setUint16(2, valueLength);
  view.setUint32(4, order.length);
  view.setUint32(8, packs.length);
  view.setUint8(12, formats.length);
  writeValuesV2(rows, order, numbering, valueLength, index);
  const nameOffsets = writeNames(index, namesOffset, packs);
  packs.forEach((id, i) => {
    view.setUint8(packTable + i * PACK_ROW_BYTES, id.length);
    view.setUint32(packTable + i * PACK_ROW_BYTES + 1, nameOffsets[i]!);
  });
  formats.forEach((format, i) => {
    view.setUint32(formatTable + i * FORMAT_ROW_BYTES, Math.floor(format / 256));
    view.setUint8(formatTable + i * FORMAT_ROW_BYTES + 4, format % 256);
  });
  index.set(tail, index.byteLength - tail.byteLength);
  return index;
}

function writeValuesV2(
  rows: EntryRows,
  order: Uint32Array,
  numbering: Numbering,
  valueLength: number,
  index: OwnedBytes,
): void {
  const view = viewOf(index);
  const row = emptyRowValue();
  let at = INDEX_HEADER_BYTES;
  for (const number of order) {
    rows.read(number, row);
    if (row.timestampS >= 2 ** 32)
      throw unsupported(`time ${row.timestampS} is too late for index version 2`);
    if (row.packOffset >= MAX_OFFSET_V2)
      throw unsupported(`pack offset ${row.packOffset} is too high for index version 2`);
    const pack = numbering.packNumber[row.pack]!;
    rows.copyKey(number, index, at);
    at += rows.keyLength;
    view.setUint32(at, row.timestampS);
    view.setUint32(at + 4, row.deleted ? row.packOffset + DELETED : row.packOffset);
    setUint24(view, at + 8, row.originalLength & 0xff_ffff);
    setUint24(view, at + 11, row.packedLength & 0xff_ffff);
    view.setUint16(at + 14, pack & 0xffff);
    if (valueLength > 16) view.setUint8(at + 16, numbering.formatNumber[row.format]!);
    if (valueLength > 17) view.setUint8(at + 17, pack >>> 16);
    if (valueLength > 18)
      view.setUint8(at + 18, ((row.originalLength >>> 24) << 4) | (row.packedLength >>> 24));
    at += valueLength;
  }
}

function numberInOrder(rows: EntryRows, order: Uint32Array): Numbering {
  const packs: BlobId[] = [];
  const formats: number[] = [];
  const packNumber = new Int32Array(rows.packIds.length).fill(-1);
  const formatNumber = new Int32Array(rows.formats.length).fill(-1);
  const row = emptyRowValue();
  let maxLength = 0;
  for (const number of order) {
    rows.read(number, row);
    if (packNumber[row.pack]! < 0) packNumber[row.pack] = packs.push(rows.packIds[row.pack]!) - 1;
    if (formatNumber[row.format]! < 0)
      formatNumber[row.format] = formats.push(rows.formats[row.format]!) - 1;
    maxLength = Math.max(maxLength, row.packedLength, row.originalLength);
  }
  return { packs, packNumber, formats, formatNumber, maxLength };
}

/** The smallest that holds everything. */
function valueLengthFor({ packs, formats, maxLength }: Numbering): number {
  if (formats.length > MAX_FORMATS_V2)
    throw unsupported(
      `an index names ${formats.length} formats, expected ${MAX_FORMATS_V2} at most`,
    );
  if (packs.length > MAX_PACKS_V2)
    throw unsupported(`an index names ${packs.length} packs, expected ${MAX_PACKS_V2} at most`);
  if (maxLength >= MAX_LENGTH_V2)
    throw unsupported(
      `a content is ${maxLength} bytes, index version 2 holds less than ${MAX_LENGTH_V2}`,
    );
  if (maxLength >= MAX_SHORT_LENGTH) return VALUE_BYTES_V2_MIN + 3;
  if (packs.length > MAX_SHORT_PACKS) return VALUE_BYTES_V2_MIN + 2;
  return formats.length > 1 ? VALUE_BYTES_V2_MIN + 1 : VALUE_BYTES_V2_MIN;
}

function namesLength(packs: readonly BlobId[]): number {
  return packs.reduce((sum, id) => sum + id.length, 0);
}

/** Where each name begins. Blob IDs are ASCII and at most 255 characters. */
function writeNames(
  index: OwnedBytes,
  offset: number,
  packs: readonly BlobId[],
): readonly number[] {
  let at = offset;
  return packs.map((id) => {
    const begins = at;
    for (let i = 0; i < id.length; i++) index[at++] = id.charCodeAt(i);
    return begins;
  });
}

function allocate(lengthBytes: number): OwnedBytes {
  if (lengthBytes >= MAX_INDEX_BYTES)
    throw unsupported(`an index of ${lengthBytes} bytes, expected less than ${MAX_INDEX_BYTES}`);
  return new Uint8Array(lengthBytes);
}

function unsupported(message: string): SejfError {
  return new SejfError("SEJF_UNSUPPORTED", message);
}
