/**
 * What a device's token may read: the plain parts of sealed snapshots, which say nothing that the server does not know.
 * Ciphertexts cannot begin so: their bytes follow from a key that covers all of their plaintext. Spec: sealed 3.
 */
import { utf8ToBytes } from "../../bytes/index.ts";
import type { ContentId } from "../../format/index.ts";

const DIRECTORY = utf8ToBytes('{"stream":"kopia:directory"');
const HEAD = utf8ToBytes('{"payload":"');
const BODY = utf8ToBytes("age-encryption.org/v1\n");

export function isOuterPart(id: ContentId, bytes: Uint8Array): boolean {
  if (id.startsWith("k")) return beginsWith(bytes, DIRECTORY);
  return /^[0-9a-f]/.test(id) && (beginsWith(bytes, HEAD) || beginsWith(bytes, BODY));
}

function beginsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, at) => byte === bytes[at]);
}
