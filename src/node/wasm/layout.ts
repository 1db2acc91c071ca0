/** Where the kernels keep what they need, from the beginning of a thread's scratch region. In bytes. */

import { BLAKE3_ROOM_BYTES, JOB_WORDS } from "./blake3-kernel.ts";

/** Positions of one segment that the splitter hashes before it tests them. */
export const TILE_POSITIONS = 512;
/** Prefix hashes of a tile and of the 64 positions before it. */
export const TILE_BYTES: number = (TILE_POSITIONS + 64) * 4;

/** 256 words. */
export const BUZHASH_TABLE_AT = 0;
/** Two tiles. */
export const TILES_AT = 1024;

/** h (64 bytes) and the counter (8). */
export const BLAKE2B_STATE_AT: number = TILES_AT + 2 * TILE_BYTES;
/** A padded last block, or the key as a block. */
export const BLAKE2B_TAIL_AT: number = BLAKE2B_STATE_AT + 128;

/** 8 words. */
export const BLAKE3_KEY_AT: number = BLAKE2B_TAIL_AT + 128;
/** A chaining value that is being computed, 8 words. */
export const BLAKE3_STATE_AT: number = BLAKE3_KEY_AT + 32;
/** Of the kernel, `BLAKE3_ROOM_BYTES`. */
export const BLAKE3_ROOM_AT: number = BLAKE3_STATE_AT + 32;
/** Chunks that are hashed together: of one group, or of a few short inputs. */
export const BLAKE3_GROUP_CHUNKS = 64;
export const BLAKE3_MAX_CHUNKS: number = 2 * BLAKE3_GROUP_CHUNKS;
/** Their chaining values, 32 bytes each, and those of the nodes above them. */
export const BLAKE3_NODES_AT: number = BLAKE3_ROOM_AT + BLAKE3_ROOM_BYTES;
/** A job for each. */
export const BLAKE3_JOBS_AT: number = BLAKE3_NODES_AT + BLAKE3_MAX_CHUNKS * 32;
/** Hashes of short inputs, 32 bytes each. */
export const BLAKE3_HASHES_AT: number = BLAKE3_JOBS_AT + BLAKE3_MAX_CHUNKS * 4 * JOB_WORDS;
/** Chaining values of whole groups that wait for their right neighbour. */
export const BLAKE3_STACK_AT: number = BLAKE3_HASHES_AT + BLAKE3_MAX_CHUNKS * 32;
const BLAKE3_STACK_DEPTH = 40;

/** A splitter with a secret: its table of 256 words. */
export const KEYED_TABLE_AT: number = BLAKE3_STACK_AT + BLAKE3_STACK_DEPTH * 32;
/** Offsets of tiles that may hold a cut, a word each. */
export const KEYED_HITS_AT: number = KEYED_TABLE_AT + 1024;
export const KEYED_HITS = 16;
/** The key of its hash, 8 words, and the chaining value that is being computed. */
export const KEYED_KEY_AT: number = KEYED_HITS_AT + 4 * KEYED_HITS;
export const KEYED_STATE_AT: number = KEYED_KEY_AT + 32;

/** Where data from elsewhere are copied to, piece by piece; as long as a group of BLAKE3 chunks. */
export const STAGING_AT: number = KEYED_STATE_AT + 32;
export const STAGING_BYTES: number = BLAKE3_GROUP_CHUNKS * 1024;
/** They may begin a little later. */
const STAGING_ROOM: number = STAGING_BYTES + 16;

/** What a thread's region holds; a multiple of 16. */
export const SCRATCH_BYTES: number = STAGING_AT + STAGING_ROOM;
