/** Integers that DataView has no method for: 24 and 48 bits big-endian, and unsigned LEB128 varints. */
import { SejfError } from "../errors/index.ts";
import type { OwnedBytes } from "./bytes.ts";

export function getUint24(view: DataView, offset: number): number {
  return (view.getUint8(offset) << 16) | view.getUint16(offset + 1);
}

export function setUint24(view: DataView, offset: number, value: number): void {
  view.setUint8(offset, value >>> 16);
  view.setUint16(offset + 1, value & 0xffff);
}

export function getUint48(view: DataView, offset: number): number {
  return view.getUint16(offset) * 0x1_0000_0000 + view.getUint32(offset + 2);
}

export function setUint48(view: DataView, offset: number, value: number): void {
  view.setUint16(offset, Math.floor(value / 0x1_0000_0000));
  view.setUint32(offset + 2, value % 0x1_0000_0000);
}

/** Low group of 7 bits first, the top bit says that more follow. `value` is a safe integer, 0 or more. */
export function uvarintBytes(value: number): OwnedBytes {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`varint of ${value}, expected a safe integer of 0 or more`);
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** The varint at `offset` and where the next field begins. @throws SEJF_CORRUPT when it is cut off or above 2^53. */
export function readUvarint(
  bytes: Uint8Array,
  offset: number,
): { readonly value: number; readonly next: number } {
  let value = 0;
  let scale = 1;
  for (let at = offset; at < bytes.byteLength; at++) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (!Number.isSafeInteger(value)) break;
    if (byte < 0x80) return { value, next: at + 1 };
    scale *= 0x80;
  }
  throw new SejfError("SEJF_CORRUPT", `varint at offset ${offset} is cut off or too large`);
}
