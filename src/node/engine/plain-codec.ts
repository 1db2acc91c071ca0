/** The stages of contents that leave this process in plain: named and re-hashed here, sealed by the server. */
import { equalBytes } from "../../bytes/index.ts";
import type { CompressorId } from "../../compress/index.ts";
import type { ContentHash } from "../../crypto/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type BlobCodec, type ContentId, contentHashBytes } from "../../format/index.ts";

/** What the stages need of a codec. */
export interface ContentCodec extends Pick<BlobCodec, "hash" | "indexVersion" | "sealedLength"> {
  /** The plain bytes, hashed again; may be a view of `stored`. @throws SEJF_CORRUPT naming the content. */
  decodeContent(
    stored: Uint8Array,
    contentId: ContentId,
    compressionId: CompressorId,
    originalLength: number,
  ): Uint8Array;
}

export function createPlainCodec(hash: ContentHash, indexVersion: number): ContentCodec {
  return {
    hash,
    indexVersion,
    sealedLength: (payloadLength) => payloadLength,
    decodeContent(stored, id, _compression, originalLength): Uint8Array {
      if (stored.byteLength !== originalLength)
        throw corrupt(id, `it is ${stored.byteLength} bytes, expected ${originalLength}`);
      if (!equalBytes(hash.hash(stored), contentHashBytes(id)))
        throw corrupt(id, "the bytes from the server have another hash");
      return stored;
    },
  };
}

function corrupt(id: ContentId, what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `content ${id}: ${what}`);
}
