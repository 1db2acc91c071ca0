/** References of sealed contents: the object ID, `~`, and the key as base64url. Spec: sealed 4, 5. */
import { base64UrlToBytes, bytesToBase64Url, type OwnedBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ContentId, type ContentRef, parseContentId } from "../format/index.ts";

/** 32 bytes: of the last character two bits are left over, which are 0. */
const KEY_TEXT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** A content and the key that opens it. */
export interface SealedReference {
  readonly id: ContentId;
  readonly key: OwnedBytes;
}

export function formatReference({ id, key }: SealedReference): ContentRef {
  return joinReference(id, bytesToBase64Url(key));
}

/** The same with the key as base64url. */
export function joinReference(id: ContentId, keyText: string): ContentRef {
  return `${id}~${keyText}` as ContentRef;
}

/** @throws SEJF_INVALID_ID; the message does not repeat the key. */
export function parseReference(ref: string): SealedReference {
  const { id, keyText } = splitReference(ref);
  return { id, key: base64UrlToBytes(keyText) };
}

/** The same with the key as text: for many at once. @throws SEJF_INVALID_ID. */
export function splitReference(ref: string): { readonly id: ContentId; readonly keyText: string } {
  const at = ref.indexOf("~");
  const id = parseContentId(at < 0 ? ref : ref.slice(0, at));
  const keyText = at < 0 ? "" : ref.slice(at + 1);
  if (KEY_TEXT.test(keyText)) return { id, keyText };
  throw new SejfError("SEJF_INVALID_ID", `the reference of content ${id} carries no key`);
}
