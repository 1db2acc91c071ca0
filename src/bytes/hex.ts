/** Lower-case hexadecimal text, two digits a byte. */
import { SejfError } from "../errors/index.ts";
import type { OwnedBytes } from "./bytes.ts";

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function bytesToHex(bytes: Uint8Array): string {
  // Newer engines have it, several times faster.
  const native = (bytes as { toHex?(): string }).toHex?.();
  if (native !== undefined) return native;
  let text = "";
  for (const byte of bytes) text += DIGITS[byte];
  return text;
}

const NO_DIGIT = 0xff;
/** Of lower- and upper-case digits, by character code below 128; 255 for what is none. */
export const HEX_VALUES: Uint8Array = new Uint8Array(128).fill(NO_DIGIT);
for (let value = 0; value < 16; value++) {
  const text = value.toString(16);
  HEX_VALUES[text.charCodeAt(0)] = value;
  HEX_VALUES[text.toUpperCase().charCodeAt(0)] = value;
}

/** @throws SEJF_CORRUPT for an odd number of digits or anything that is not a lower- or upper-case digit. */
export function hexToBytes(text: string): OwnedBytes {
  if (text.length % 2 !== 0)
    throw new SejfError(
      "SEJF_CORRUPT",
      `hexadecimal text has ${text.length} digits, expected an even number`,
    );
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = HEX_VALUES[text.charCodeAt(2 * i)] ?? NO_DIGIT;
    const low = HEX_VALUES[text.charCodeAt(2 * i + 1)] ?? NO_DIGIT;
    if ((high | low) > 15) throw badDigit(text, high > 15 ? 2 * i : 2 * i + 1);
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

function badDigit(text: string, at: number): SejfError {
  return new SejfError(
    "SEJF_CORRUPT",
    `hexadecimal text has the character ${JSON.stringify(text[at])} at position ${at}`,
  );
}
