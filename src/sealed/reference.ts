/** References of sealed contents: the object ID, `~`, and the key as base64url. Spec: sealed 4, 5. */
import { base64UrlToBytes, bytesToBase64Url, type OwnedBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ContentId, type ContentRef, parseContentId } from "../format/index.ts";

const KEY_BYTES = 32;

/** A content and the key that opens it. */
export interface SealedReference {
  readonly id: ContentId;
  readonly key: OwnedBytes;
}

export function formatReference({ id, key }: SealedReference): ContentRef {
  return `${id}~${bytesToBase64Url(key)}` as ContentRef;
}

/** @throws SEJF_INVALID_ID; the message does not repeat the key. */
export function parseReference(ref: string): SealedReference {
  const at = ref.indexOf("~");
  const id = parseContentId(at < 0 ? ref : ref.slice(0, at));
  if (at >= 0) {
    try {
      const text = ref.slice(at + 1);
      const key = base64UrlToBytes(text);
      if (key.length === KEY_BYTES && bytesToBase64Url(key) === text) return { id, key };
    } catch {
      // Told below, without the key.
    }
  }
  throw new SejfError("SEJF_INVALID_ID", `the reference of content ${id} carries no key`);
}
