/**
 * The search for secret cuts over the kernels. One position in thousands is proposed by the rolling hash and most of them are
 * turned down, so tiles that hold one are listed by the way, and only these are searched byte by byte.
 * Reference: keyedScan of splitter/keyed-scan.ts.
 */
import type { SealedCuts } from "../../format/index.ts";
import { type CutScan, WINDOW_BYTES } from "../../splitter/index.ts";
import { CHUNK_END, CHUNK_START, KEYED_HASH, ROOT } from "./blake3-kernel.ts";
import { STRETCH_POSITIONS } from "./buzhash-kernel.ts";
import {
  KEYED_HITS,
  KEYED_HITS_AT,
  KEYED_KEY_AT,
  KEYED_STATE_AT,
  KEYED_TABLE_AT,
  TILE_POSITIONS,
  TILES_AT,
} from "./layout.ts";
import type { Kernels } from "./module.ts";

const KEY_BYTES = 32;
/** The window is one block, which is all there is. */
const WINDOW_FLAGS: number = KEYED_HASH | CHUNK_START | CHUNK_END | ROOT;

/** For views of `memory` alone. */
export function keyedScanIn(
  kernels: Kernels,
  memory: Uint8Array<SharedArrayBuffer>,
  scratchOffset: number,
  { table, cutKey }: SealedCuts,
): CutScan {
  const tableAt = scratchOffset + KEYED_TABLE_AT;
  const keyAt = scratchOffset + KEYED_KEY_AT;
  const stateAt = scratchOffset + KEYED_STATE_AT;
  const hitsAt = scratchOffset + KEYED_HITS_AT;
  new Uint32Array(memory.buffer, tableAt, table.length).set(table);
  memory.set(cutKey, keyAt);
  const tiles = new Uint32Array(memory.buffer, hitsAt, KEYED_HITS);

  const isCut = (position: number): boolean => {
    memory.copyWithin(stateAt, keyAt, keyAt + KEY_BYTES);
    const window = position - WINDOW_BYTES + 1;
    kernels.blake3Block(stateAt, window, 0, WINDOW_BYTES, WINDOW_FLAGS);
    return memory[stateAt] === 0;
  };
  /** Byte by byte. */
  const search = (from: number, end: number, mask: number): number => {
    for (let at = from; at < end; at++) {
      const hit = kernels.proposeKeyed(at, end, mask, tableAt);
      if (hit === -1) return -1;
      at = hit >>> 0;
      if (isCut(at)) return at;
    }
    return -1;
  };
  const searchTiles = (from: number, count: number, mask: number): number => {
    for (let i = 0; i < count; i++) {
      const at = from + tiles[i]!;
      const hit = search(at, at + TILE_POSITIONS, mask);
      if (hit >= 0) return hit;
    }
    return -1;
  };
  const searchAll = (from: number, end: number, mask: number): number => {
    let at = from;
    while (end - at >= 2 * TILE_POSITIONS) {
      const half = Math.floor((end - at) / 2 / TILE_POSITIONS) * TILE_POSITIONS;
      const stretch = Math.min(STRETCH_POSITIONS, half);
      const behind = kernels.listKeyed(
        at,
        stretch,
        mask,
        tableAt,
        scratchOffset + TILES_AT,
        hitsAt,
      );
      const count = ((behind >>> 0) - hitsAt) / 4;
      let hit = searchTiles(at, count, mask);
      if (hit < 0) hit = searchTiles(at + stretch, count, mask);
      if (hit >= 0) return hit;
      at += 2 * stretch;
    }
    return search(at, end, mask);
  };
  return (bytes, from, end, mask) => {
    const base = bytes.byteOffset;
    const hit = searchAll(base + from, base + end, mask);
    return hit < 0 ? -1 : hit - base;
  };
}
