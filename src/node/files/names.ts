/**
 * Names and paths as the system has them: text, or raw bytes where they are not UTF-8. SECURITY: names from a
 * snapshot are untrusted; only one that `isPlainName` accepts may be joined to a path.
 */
import { isUtf8 } from "node:buffer";
import { sep } from "node:path";
import type { OwnedBytes } from "../../bytes/index.ts";
import type { LocalName } from "../../format/index.ts";

/** Longest name in bytes that the usual file systems take. */
const MAX_NAME_BYTES = 255;

/** Device names of Windows, with or without an extension. */
const WINDOWS_RESERVED = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i;
/** Separators, streams, wildcards, and what Windows cuts off at the end. */
const WINDOWS_FORBIDDEN = /[\\/:*?"<>|]|[. ]$/;

/**
 * Whether a name stays inside its directory: not empty, not `.` or `..`, no separator, no NUL, at most 255 bytes; on
 * Windows also no backslash, stream, device name or trailing dot.
 */
export function isPlainName(
  name: LocalName,
  platform: NodeJS.Platform = process.platform,
): boolean {
  if (typeof name !== "string") return platform !== "win32" && isPlainBytes(name);
  if (name === "" || name === "." || name === "..") return false;
  if (name.includes("/") || name.includes("\0")) return false;
  if (name.length > MAX_NAME_BYTES / 3 && Buffer.byteLength(name) > MAX_NAME_BYTES) return false;
  return platform !== "win32" || isPlainOnWindows(name);
}

function isPlainOnWindows(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) < 0x20) return false;
  return !WINDOWS_FORBIDDEN.test(name) && !WINDOWS_RESERVED.test(name);
}

function isPlainBytes(name: Uint8Array): boolean {
  if (name.length === 0 || name.length > MAX_NAME_BYTES) return false;
  if (name.every((byte) => byte === 0x2e) && name.length <= 2) return false;
  return !name.includes(0x2f) && !name.includes(0);
}

/** `directory` and `name` as one path; bytes when one of them is bytes. The name is not checked. */
export function joinLocal(directory: LocalName, name: LocalName): LocalName {
  if (typeof directory === "string" && typeof name === "string") {
    return directory.endsWith("/") || directory.endsWith(sep)
      ? directory + name
      : directory + sep + name;
  }
  const head = nameBytes(directory);
  const tail = nameBytes(name);
  const separator = head[head.length - 1] === 0x2f ? 0 : 1;
  const path = new Uint8Array(head.length + separator + tail.length);
  path.set(head);
  if (separator === 1) path[head.length] = 0x2f;
  path.set(tail, head.length + separator);
  return path;
}

/** The bytes of a name or path. */
export function nameBytes(name: LocalName): Uint8Array {
  return typeof name === "string" ? Buffer.from(name) : name;
}

/** Text for people and for JSON: bytes that are not UTF-8 become U+FFFD, as Go writes them. */
export function nameText(name: LocalName): string {
  return typeof name === "string" ? name : bufferOf(name).toString("utf8");
}

/** Text where the bytes are UTF-8, else a copy of the bytes. */
export function localName(bytes: Uint8Array): LocalName {
  return isUtf8(bytes) ? bufferOf(bytes).toString("utf8") : copyOf(bytes);
}

/** What calls of node:fs take. */
export function pathLike(path: LocalName): string | Buffer {
  return typeof path === "string" ? path : bufferOf(path);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function copyOf(bytes: Uint8Array): OwnedBytes {
  return new Uint8Array(bytes);
}
