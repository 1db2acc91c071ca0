/**
 * Copies of the format blob in packs, for the day it is lost. Only repositories whose password cannot change have
 * them; a copy is as old as its pack, so prefer the newest. Spec: kopia-format 2.9.
 *
 *  0 u16 little-endian L       2 format blob (L - 32 bytes)       L - 30 HMAC-SHA-256 (32)       L + 2 u16 L again
 */
import {
  concatBytes,
  copyBytes,
  equalBytes,
  type OwnedBytes,
  utf8ToBytes,
  viewOf,
} from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";

/** How much of a pack's beginning, or end, is enough to find a copy. */
export const FORMAT_COPY_SEARCH_BYTES = 65536;

const HMAC_KEY = utf8ToBytes("kopia-repository");
const HMAC_BYTES = 32;
const MAX_PAYLOAD_BYTES = 65000;
const LENGTH_BYTES = 2;

/** What goes in front of the preamble. @throws SEJF_INVALID_ARGUMENT when the format blob is too long for it. */
export function formatBlobCopy(engine: CryptoEngine, formatBlob: Uint8Array): OwnedBytes {
  const payloadBytes = formatBlob.byteLength + HMAC_BYTES;
  if (payloadBytes > MAX_PAYLOAD_BYTES) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `format blob is ${formatBlob.byteLength} bytes, expected ${MAX_PAYLOAD_BYTES - HMAC_BYTES} at most for its copy in packs`,
    );
  }
  const length = Uint8Array.of(payloadBytes & 0xff, payloadBytes >>> 8);
  return concatBytes(length, formatBlob, engine.hmacSha256(HMAC_KEY, formatBlob), length);
}

/** The format blob in the first bytes of a pack, else in the last ones; `undefined` when neither holds a copy. */
export function findFormatBlobCopy(
  engine: CryptoEngine,
  head: Uint8Array,
  tail: Uint8Array,
): OwnedBytes | undefined {
  return copyAt(engine, head, "head") ?? copyAt(engine, tail, "tail");
}

function copyAt(
  engine: CryptoEngine,
  bytes: Uint8Array,
  end: "head" | "tail",
): OwnedBytes | undefined {
  if (bytes.byteLength < 2 * LENGTH_BYTES + HMAC_BYTES) return undefined;
  const payloadBytes = viewOf(bytes).getUint16(
    end === "head" ? 0 : bytes.byteLength - LENGTH_BYTES,
    true,
  );
  if (
    payloadBytes < HMAC_BYTES ||
    payloadBytes > MAX_PAYLOAD_BYTES ||
    payloadBytes + LENGTH_BYTES >= bytes.byteLength
  )
    return undefined;
  const from = end === "head" ? LENGTH_BYTES : bytes.byteLength - LENGTH_BYTES - payloadBytes;
  const formatBlob = bytes.subarray(from, from + payloadBytes - HMAC_BYTES);
  const hmac = bytes.subarray(from + payloadBytes - HMAC_BYTES, from + payloadBytes);
  return equalBytes(engine.hmacSha256(HMAC_KEY, formatBlob), hmac)
    ? copyBytes(formatBlob)
    : undefined;
}
