/** Base32 (RFC 4648) in lower case without padding. */
import { base32nopad } from "@scure/base";
import type { OwnedBytes } from "../bytes/index.ts";

export function base32(bytes: Uint8Array): string {
  return base32nopad.encode(bytes).toLowerCase();
}

/** `undefined` for letters that are not base32, or padding bits that are not 0. */
export function fromBase32(text: string): OwnedBytes | undefined {
  try {
    return new Uint8Array(base32nopad.decode(text.toUpperCase()));
  } catch {
    return undefined;
  }
}
