/** The stages of contents that leave this process in plain: named and re-hashed here, sealed by the server. */
import { copyBytes, equalBytes, type OwnedBytes } from "../../bytes/index.ts";
import type { ContentHash } from "../../crypto/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type BlobCodec, type ContentId, contentHashBytes } from "../../format/index.ts";

/** What the stages need of a codec. */
export type ContentCodec = Pick<
  BlobCodec,
  "hash" | "indexVersion" | "sealedLength" | "decodeContent"
>;

export function createPlainCodec(hash: ContentHash, indexVersion: number): ContentCodec {
  return {
    hash,
    indexVersion,
    sealedLength: (payloadLength) => payloadLength,
    decodeContent(stored, id, _compression, originalLength): OwnedBytes {
      if (stored.byteLength !== originalLength)
        throw corrupt(id, `it is ${stored.byteLength} bytes, expected ${originalLength}`);
      if (!equalBytes(hash.hash(stored), contentHashBytes(id)))
        throw corrupt(id, "the bytes from the server have another hash");
      return owned(stored);
    },
  };
}

function owned(bytes: Uint8Array): OwnedBytes {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as OwnedBytes) : copyBytes(bytes);
}

function corrupt(id: ContentId, what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `content ${id}: ${what}`);
}
