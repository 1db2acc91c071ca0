/**
 * The bytes of a sealed content, for all who make or open one: the client's portable code and the threads. Header (version,
 * compression ID), body, a mark, zeros up to a length that tells little. Spec: sealed 4.
 */
import { concatBytes, type OwnedBytes, utf8ToBytes, viewOf } from "../bytes/index.ts";
import { TAG_BYTES } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ContentId, type ContentPrefix, contentPrefix } from "./content-id.ts";

/** Version and compression ID, in front of the body. */
export const SEALED_HEADER_BYTES = 5;
/** No chunk of a splitter is longer; what says it is, is refused before memory is taken. */
export const MAX_SEALED_PLAIN_BYTES: number = 64 << 20;

/** The key of a content depends on all that is encrypted: no key ever meets a second message. */
export const SEALED_NONCE: OwnedBytes = new Uint8Array(12);
export const SEALED_VERSION = 1;

const PAD_MARK = 0x80;
const AAD = "sejf content v1";

/** The prefixes that sealed contents may have, as the byte that goes into key and authenticated data. */
const PREFIX_BYTES: ReadonlyMap<ContentPrefix, number> = new Map([
  ["", 0],
  ["k", 0x6b],
  ["x", 0x78],
]);

/** `undefined` for a prefix that sealed contents do not have. */
export function sealedPrefixByte(prefix: ContentPrefix): number | undefined {
  return PREFIX_BYTES.get(prefix);
}

/** The same for an ID. @throws SEJF_CORRUPT. */
export function sealedPrefixOf(id: ContentId): number {
  const byte = sealedPrefixByte(contentPrefix(id));
  if (byte === undefined) throw alteredContent(id, "has a prefix that no sealed content has");
  return byte;
}

/** What is authenticated beside the ciphertext. */
export function sealedAad(prefixByte: number): OwnedBytes {
  return concatBytes(utf8ToBytes(AAD), Uint8Array.of(prefixByte));
}

/**
 * The smallest allowed length that is not less than `length`, 1 or more: lengths rounded up so that few of their bits
 * tell anything, at a cost of at most 12 %. Source: Nikitin et al., PETS 2019 (Padmé).
 */
export function padme(length: number): number {
  const exponent = Math.floor(Math.log2(length));
  const bits = exponent === 0 ? 1 : Math.floor(Math.log2(exponent)) + 1;
  const unit = 2 ** Math.max(0, exponent - bits);
  return Math.ceil(length / unit) * unit;
}

/** Bytes of ciphertext of a chunk that is not compressed: no sealed content of as many bytes is longer. */
export function longestSealed(plainBytes: number): number {
  return padme(SEALED_HEADER_BYTES + plainBytes + 1) + TAG_BYTES;
}

/** Pads header and body, the first `length` bytes of `target`, in place; the padded length. */
export function padSealed(target: Uint8Array, length: number): number {
  const padded = padme(length + 1);
  target[length] = PAD_MARK;
  target.fill(0, length + 1, padded);
  return padded;
}

/** Header and body; a view. @throws SEJF_CORRUPT for any other padding than the one there is. */
export function unpadSealed<B extends Uint8Array>(id: string, padded: B): B {
  // The padding of a long content is long too: eight zeros at a time.
  const view = viewOf(padded);
  let length = padded.length;
  while (length >= 8 && view.getUint32(length - 4) === 0 && view.getUint32(length - 8) === 0)
    length -= 8;
  let end = length - 1;
  while (end >= 0 && padded[end] === 0) end--;
  if (end < SEALED_HEADER_BYTES || padded[end] !== PAD_MARK)
    throw alteredContent(id, "has no padding");
  if (padme(end + 1) !== padded.length)
    throw alteredContent(id, `is padded to ${padded.length} bytes instead of ${padme(end + 1)}`);
  if (padded[0] !== SEALED_VERSION)
    throw alteredContent(id, `has version ${padded[0]}, this program knows ${SEALED_VERSION}`);
  return padded.subarray(0, end) as B;
}

/** A sealed content is not what its reference says. */
export function alteredContent(id: string, what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `sealed content ${id} ${what}`, {
    hint: "the server or the storage gave altered data; `snapshot verify` shows what it hurts",
  });
}
