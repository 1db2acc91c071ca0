/** Keyed BLAKE2b-256 over the kernel: the key's block is compressed once, so small contents cost one call. */
import { type OwnedBytes, viewOf } from "../../bytes/index.ts";
import { hashEach } from "../../crypto/index.ts";
import { BLAKE2B_BLOCK_BYTES, BLAKE2B_COUNTER_AT, BLAKE2B_IV } from "./blake2b-kernel.ts";
import { BLAKE2B_STATE_AT, BLAKE2B_TAIL_AT, STAGING_AT, STAGING_BYTES } from "./layout.ts";
import type { Kernels } from "./module.ts";
import type { InPlaceHasher } from "./types.ts";

const DIGEST_BYTES = 32;
const STATE_BYTES = BLAKE2B_COUNTER_AT + 8;

/** `key` has at most 64 bytes; none means unkeyed. */
export function blake2bHasher(
  kernels: Kernels,
  memory: Uint8Array<SharedArrayBuffer>,
  scratchOffset: number,
  key: Uint8Array,
): InPlaceHasher {
  const state = scratchOffset + BLAKE2B_STATE_AT;
  const tail = scratchOffset + BLAKE2B_TAIL_AT;
  const staging = scratchOffset + STAGING_AT;
  const finish = (initial: Uint8Array, offset: number, length: number): OwnedBytes => {
    memory.set(initial, state);
    kernels.blake2bFinish(state, offset, length, tail);
    return memory.slice(state, state + DIGEST_BYTES);
  };

  const parameters = initialState(key.length);
  let keyed = parameters;
  // Of no data the hash is that of the key's block alone, as the last one.
  let ofNothing = finish(parameters, staging, 0);
  if (key.length > 0) {
    memory.fill(0, staging, staging + BLAKE2B_BLOCK_BYTES);
    memory.set(key, staging);
    memory.set(parameters, state);
    kernels.blake2bUpdate(state, staging, 1);
    keyed = memory.slice(state, state + STATE_BYTES);
    ofNothing = finish(parameters, staging, BLAKE2B_BLOCK_BYTES);
    memory.fill(0, staging, staging + BLAKE2B_BLOCK_BYTES);
    memory.fill(0, tail, tail + BLAKE2B_BLOCK_BYTES);
  }

  const hashAt = (offset: number, length: number): OwnedBytes =>
    length === 0 ? ofNothing.slice() : finish(keyed, offset, length);
  const hash = (data: Uint8Array): OwnedBytes => {
    if (data.buffer === memory.buffer) return hashAt(data.byteOffset, data.length);
    if (data.length <= STAGING_BYTES) {
      memory.set(data, staging);
      return hashAt(staging, data.length);
    }
    memory.set(keyed, state);
    let at = 0;
    for (; data.length - at > STAGING_BYTES; at += STAGING_BYTES) {
      memory.set(data.subarray(at, at + STAGING_BYTES), staging);
      kernels.blake2bUpdate(state, staging, STAGING_BYTES / BLAKE2B_BLOCK_BYTES);
    }
    memory.set(data.subarray(at), staging);
    kernels.blake2bFinish(state, staging, data.length - at, tail);
    return memory.slice(state, state + DIGEST_BYTES);
  };
  return {
    algorithm: "blake2b-256",
    hashAt,
    hash,
    hashMany: (data, lengths) => hashEach(hash, data, lengths, DIGEST_BYTES),
  };
}

/** h after the parameter block (digest length, key length, no tree), counter 0. Spec: RFC 7693 §2.5. */
function initialState(keyBytes: number): OwnedBytes {
  const bytes = new Uint8Array(STATE_BYTES);
  const view = viewOf(bytes);
  BLAKE2B_IV.forEach((word, i) => view.setBigUint64(8 * i, word, true));
  view.setUint32(0, view.getUint32(0, true) ^ (0x01010000 | (keyBytes << 8) | DIGEST_BYTES), true);
  return bytes;
}
