/**
 * The local index of a stored pack, for rebuilding indexes that were lost. It revives contents that only an index
 * had deleted: a rescue, not a refresh. Spec: kopia-format 4.5.
 *
 * SECURITY: the postamble is unauthenticated, so every number in it is checked against the length of the pack, and
 * the index is taken only if it decrypts and its hash is the IV.
 */
import type { BlobId } from "../blob/index.ts";
import { equalBytes, type OwnedBytes } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { BlobCodec } from "./blob-codec.ts";
import { decodePostamble, type Postamble } from "./pack-postamble.ts";
import { openIndex, type PackedIndex } from "./packed-index.ts";

/** Read first: the end of most packs, with the whole index. */
export const PACK_TAIL_BYTES = 8192;

/**
 * Reads the end of the pack, and more where its index is longer. `getRange` gives exactly the bytes asked for.
 * @throws SEJF_CORRUPT naming the pack.
 */
export async function readPackIndex(
  packId: BlobId,
  getRange: (offset: number, length: number) => Promise<Uint8Array>,
  lengthBytes: number,
  codec: BlobCodec,
): Promise<PackedIndex> {
  const tailOffset = Math.max(0, lengthBytes - PACK_TAIL_BYTES);
  const tail = await getRange(tailOffset, lengthBytes - tailOffset);
  const postamble = naming(packId, () => decodePostamble(tail));
  const { indexOffset, indexLength } = postamble;
  if (indexOffset + indexLength > lengthBytes) {
    throw corrupt(
      packId,
      `is ${lengthBytes} bytes, its local index would end at ${indexOffset + indexLength}`,
    );
  }
  const sealed =
    indexOffset >= tailOffset
      ? tail.subarray(indexOffset - tailOffset, indexOffset - tailOffset + indexLength)
      : await getRange(indexOffset, indexLength);
  return naming(packId, () => openIndex(openLocalIndex(sealed, postamble, codec)));
}

function openLocalIndex(sealed: Uint8Array, postamble: Postamble, codec: BlobCodec): OwnedBytes {
  const index = codec.openContent(sealed, postamble.iv);
  if (!equalBytes(codec.hash.hash(index), postamble.iv))
    throw new SejfError("SEJF_CORRUPT", "the local index has another hash than its IV");
  return index;
}

function naming<T>(packId: BlobId, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw new SejfError("SEJF_CORRUPT", `pack ${packId}: ${error.message}`, { cause: error });
  }
}

function corrupt(packId: BlobId, finding: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `pack ${packId} ${finding}`);
}
