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

/** @throws SEJF_CORRUPT for an odd number of digits or anything that is not a lower- or upper-case digit. */
export function hexToBytes(text: string): OwnedBytes {
  if (text.length % 2 !== 0)
    throw new SejfError(
      "SEJF_CORRUPT",
      `hexadecimal text has ${text.length} digits, expected an even number`,
    );
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (digit(text, 2 * i) << 4) | digit(text, 2 * i + 1);
  return bytes;
}

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  throw new SejfError(
    "SEJF_CORRUPT",
    `hexadecimal text has the character ${JSON.stringify(text[at])} at position ${at}`,
  );
}
