/**
 * The last bytes of a pack, from which its local index is found again. Unauthenticated: only what then decrypts is
 * to be trusted. Spec: kopia-format 4.5.
 *
 * uvarint 1 (version) · uvarint IV length · IV · uvarint offset of the local index · uvarint its length
 * u32 big-endian CRC-32 of all the above · u8 number of bytes above this one
 */
import {
  concatBytes,
  copyBytes,
  crc32,
  type OwnedBytes,
  readUvarint,
  uvarintBytes,
  viewOf,
} from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

export interface Postamble {
  /** The whole hash of the local index, whatever its length. */
  readonly iv: OwnedBytes;
  /** From the start of the pack. */
  readonly indexOffset: number;
  readonly indexLength: number;
}

const VERSION = 1;
const CRC_BYTES = 4;
const MIN_BYTES = 5;

/** No postamble is longer: its length is in one byte. */
export const MAX_POSTAMBLE_BYTES = 256;

export function encodePostamble(postamble: Postamble): OwnedBytes {
  const body = concatBytes(
    uvarintBytes(VERSION),
    uvarintBytes(postamble.iv.byteLength),
    postamble.iv,
    uvarintBytes(postamble.indexOffset),
    uvarintBytes(postamble.indexLength),
  );
  const end = new Uint8Array(CRC_BYTES + 1);
  viewOf(end).setUint32(0, crc32(body));
  end[CRC_BYTES] = body.byteLength + CRC_BYTES;
  return concatBytes(body, end);
}

/** From the last bytes of a pack, however many. @throws SEJF_CORRUPT. */
export function decodePostamble(tail: Uint8Array): Postamble {
  const length = tail[tail.byteLength - 1] ?? 0;
  if (length < MIN_BYTES || length >= tail.byteLength) {
    throw corrupt(
      `is ${length} bytes, expected ${MIN_BYTES} or more and less than the ${tail.byteLength} read`,
    );
  }
  const withCrc = tail.subarray(tail.byteLength - 1 - length, tail.byteLength - 1);
  const body = withCrc.subarray(0, length - CRC_BYTES);
  if (viewOf(withCrc).getUint32(body.byteLength) !== crc32(body))
    throw corrupt("has the wrong checksum");
  const version = readUvarint(body, 0);
  if (version.value !== VERSION)
    throw corrupt(`has the version ${version.value}, expected ${VERSION}`);
  const ivLength = readUvarint(body, version.next);
  const ivEnd = ivLength.next + ivLength.value;
  if (ivEnd > body.byteLength)
    throw corrupt(`has an IV of ${ivLength.value} bytes, more than there are`);
  const offset = readUvarint(body, ivEnd);
  const indexLength = readUvarint(body, offset.next);
  return {
    iv: copyBytes(body.subarray(ivLength.next, ivEnd)),
    indexOffset: offset.value,
    indexLength: indexLength.value,
  };
}

function corrupt(finding: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `postamble ${finding}`);
}
