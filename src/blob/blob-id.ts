/**
 * Names of blobs. They become file names and object keys, so what could name anything else is refused here, once:
 * separators, `..`, hidden names, control characters.
 */
import { SejfError } from "../errors/index.ts";
import type { BlobId } from "./storage.ts";

/** The longest name: what a directory entry can hold. */
export const MAX_BLOB_ID_LENGTH = 255;

const PATTERN = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** ASCII letters, digits, `.`, `-`, `_`; not empty, no leading dot, no `..`, at most 255 characters. */
export function isBlobId(text: string): text is BlobId {
  return text.length <= MAX_BLOB_ID_LENGTH && PATTERN.test(text) && !text.includes("..");
}

/** @throws SEJF_INVALID_ID for anything that `isBlobId` refuses. */
export function toBlobId(text: string): BlobId {
  if (isBlobId(text)) return text;
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  throw new SejfError(
    "SEJF_INVALID_ID",
    `blob ID ${shown} of ${text.length} characters, expected 1 to ${MAX_BLOB_ID_LENGTH} of letters, digits, ".", "-", "_"`,
  );
}
