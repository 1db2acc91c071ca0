/** Which shard of a very large index a content belongs to: FNV-1a (32 bits) of its ID. Spec: kopia-format 4.9. */
import { type ContentId, contentIdToKey } from "./content-id.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** 0 to `shards` - 1. */
export function shardIndex(contentId: ContentId, shards: number): number {
  return shardOfKey(contentIdToKey(contentId), shards);
}

/** As `shardIndex`, from the key: the characters of the ID are hashed without making a string of them. */
export function shardOfKey(key: Uint8Array, shards: number): number {
  let hash = FNV_OFFSET;
  if (key[0] !== 0) hash = Math.imul(hash ^ key[0]!, FNV_PRIME);
  for (let i = 1; i < key.byteLength; i++) {
    hash = Math.imul(hash ^ hexDigit(key[i]! >>> 4), FNV_PRIME);
    hash = Math.imul(hash ^ hexDigit(key[i]! & 0xf), FNV_PRIME);
  }
  return (hash >>> 0) % shards;
}

function hexDigit(value: number): number {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
