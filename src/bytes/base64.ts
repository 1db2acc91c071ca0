/** Base64 (RFC 4648): with padding as Go writes `[]byte` in JSON, and the URL form without padding as in tokens. */
import { SejfError } from "../errors/index.ts";
import type { OwnedBytes } from "./bytes.ts";

const CHARS_AT_ONCE = 0x8000;

/** What newer engines have of their own, several times faster; Node 24 lacks it. */
interface NativeBase64 {
  toBase64?(options?: { readonly alphabet: "base64url"; readonly omitPadding: true }): string;
}

/** Standard alphabet, padded. */
export function bytesToBase64(bytes: Uint8Array): string {
  const native = (bytes as NativeBase64).toBase64?.();
  if (native !== undefined) return native;
  let binary = "";
  for (let i = 0; i < bytes.length; i += CHARS_AT_ONCE) {
    binary += String.fromCharCode(...bytes.subarray(i, i + CHARS_AT_ONCE));
  }
  return btoa(binary);
}

/** Standard alphabet; padding must be right. @throws SEJF_CORRUPT. */
export function base64ToBytes(text: string): OwnedBytes {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw malformed(text);
  return decode(text);
}

/** URL alphabet, no padding. */
export function bytesToBase64Url(bytes: Uint8Array): string {
  const native = (bytes as NativeBase64).toBase64?.({ alphabet: "base64url", omitPadding: true });
  return native ?? urlAlphabet(bytesToBase64(bytes));
}

function urlAlphabet(padded: string): string {
  return padded.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** URL alphabet, no padding. @throws SEJF_CORRUPT. */
export function base64UrlToBytes(text: string): OwnedBytes {
  if (text.length % 4 === 1 || !/^[A-Za-z0-9_-]*$/.test(text)) throw malformed(text);
  return decode(text.replaceAll("-", "+").replaceAll("_", "/"));
}

function decode(text: string): OwnedBytes {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function malformed(text: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `malformed base64 text of ${text.length} characters`);
}
