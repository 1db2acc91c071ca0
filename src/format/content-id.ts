/**
 * Content IDs: an optional letter `g`…`z` and the lower-case hex of the keyed hash; in indexes the binary key, one
 * prefix byte (0 for none) and the hash. Bytewise order of keys is string order of IDs. Spec: kopia-format 4.1.
 */
import { bytesToHex, hexToBytes, type OwnedBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

/** `4535fcbe…` or `k4535fcbe…`; made by `parseContentId` and `contentIdOf`. */
export type ContentId = string & { readonly __brand: "ContentId" };

/** One letter `g`…`z`, or nothing: `k` directories, `m` manifests, `x` seek tables, none for file data. */
export type ContentPrefix = string & { readonly __brand?: "ContentPrefix" };

const PATTERN = /^[g-z]?(?:[0-9a-f]{2}){1,32}$/;

export function isContentId(text: string): text is ContentId {
  return PATTERN.test(text);
}

/** @throws SEJF_INVALID_ID. */
export function parseContentId(text: string): ContentId {
  if (!isContentId(text))
    throw new SejfError(
      "SEJF_INVALID_ID",
      `${JSON.stringify(text.slice(0, 80))} is not a content ID`,
    );
  return text;
}

/** The ID of a content with this hash. */
export function contentIdOf(prefix: ContentPrefix, hash: Uint8Array): ContentId {
  return (prefix + bytesToHex(hash)) as ContentId;
}

/** Of the contents that manifests are packed in: those of all accounts together. */
export const MANIFEST_PREFIX = "m";

/** The letter, or an empty string. */
export function contentPrefix(id: ContentId): ContentPrefix {
  return id.length % 2 === 1 ? id.slice(0, 1) : "";
}

/** The keyed hash without the prefix. */
export function contentHashBytes(id: ContentId): OwnedBytes {
  return hexToBytes(id.length % 2 === 1 ? id.slice(1) : id);
}

/** Prefix byte and hash. */
export function contentIdToKey(id: ContentId): OwnedBytes {
  return contentKeyOf(contentPrefix(id), contentHashBytes(id));
}

/** As `contentIdToKey` of the content with this hash. */
export function contentKeyOf(prefix: ContentPrefix, hash: Uint8Array): OwnedBytes {
  const key = new Uint8Array(hash.length + 1);
  key[0] = prefix === "" ? 0 : prefix.charCodeAt(0);
  key.set(hash, 1);
  return key;
}

/** @throws SEJF_CORRUPT for a prefix byte that is no letter `g`…`z`. */
export function keyToContentId(key: Uint8Array): ContentId {
  const prefix = key[0] ?? 0;
  if (key.length < 2 || (prefix !== 0 && (prefix < 0x67 || prefix > 0x7a))) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `index key of ${key.length} bytes with the prefix byte ${prefix}`,
    );
  }
  return contentIdOf(prefix === 0 ? "" : String.fromCharCode(prefix), key.subarray(1));
}
