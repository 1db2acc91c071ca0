/** UTF-8 text. Invalid sequences become U+FFFD as in Go, unless the caller asks first with `isUtf8`. */
import { SejfError } from "../errors/index.ts";
import type { OwnedBytes } from "./bytes.ts";

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Lone surrogates become U+FFFD. */
export function utf8ToBytes(text: string): OwnedBytes {
  return encoder.encode(text);
}

/** @throws SEJF_CORRUPT when the bytes are not UTF-8. */
export function bytesToUtf8(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", `text of ${bytes.byteLength} bytes is not UTF-8`, {
      cause: error,
    });
  }
}

export function isUtf8(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
