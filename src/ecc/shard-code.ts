/**
 * The Reed-Solomon code of one shape (data shards, parity shards). One table look-up a byte of data gives its share
 * in four parity shards at once; the tables of a shape are made once and kept.
 */
import { extrapolationMatrix, invertMatrix, multiply } from "./galois.ts";

/** Parity shards that one 32-bit table entry holds, lowest byte first. */
const LANES = 4;

const codes = new Map<number, ShardCode>();

/** The code for that many shards; together at most 256. */
export function shardCode(dataShards: number, parityShards: number): ShardCode {
  const shape = dataShards * 256 + parityShards;
  const known = codes.get(shape);
  if (known !== undefined) return known;
  const made = new ShardCode(dataShards, parityShards);
  codes.set(shape, made);
  return made;
}

/** Where shards lie in a buffer: shard i begins at `offset + i * stride`. */
export interface ShardPlace {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly stride: number;
}

export class ShardCode {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly #matrix: readonly Uint8Array[];
  /** A table for each group of four parity rows: entry `column * 256 + byte`. */
  readonly #tables: readonly Int32Array[];

  constructor(dataShards: number, parityShards: number) {
    this.dataShards = dataShards;
    this.parityShards = parityShards;
    this.#matrix = extrapolationMatrix(dataShards, parityShards);
    this.#tables = laneTables(this.#matrix);
  }

  /**
   * Computes all parity shards of `shardBytes` each. Data end at `dataEnd` of their buffer; what would lie behind
   * counts as zeros.
   */
  encode(data: ShardPlace, dataEnd: number, parity: ShardPlace, shardBytes: number): void {
    const sums = new Int32Array(shardBytes);
    for (let group = 0; group < this.#tables.length; group++) {
      sums.fill(0);
      this.#sum(this.#tables[group]!, data, dataEnd, sums);
      const lanes = Math.min(LANES, this.parityShards - group * LANES);
      for (let lane = 0; lane < lanes; lane++) {
        const at = parity.offset + (group * LANES + lane) * parity.stride;
        for (let i = 0; i < shardBytes; i++) parity.bytes[at + i] = sums[i]! >>> (8 * lane);
      }
    }
  }

  /** Adds the share of every data shard to `sums`, four shards at a time while they are whole. */
  #sum(table: Int32Array, data: ShardPlace, dataEnd: number, sums: Int32Array): void {
    const { bytes, offset, stride } = data;
    const length = sums.length;
    let column = 0;
    while (column + 4 <= this.dataShards && offset + (column + 3) * stride + length <= dataEnd) {
      addFour(table, column * 256, bytes, offset + column * stride, stride, sums);
      column += 4;
    }
    for (; column < this.dataShards; column++) {
      const at = offset + column * stride;
      if (at >= dataEnd) return;
      const end = Math.min(length, dataEnd - at);
      for (let i = 0; i < end; i++) sums[i]! ^= table[column * 256 + bytes[at + i]!]!;
    }
  }

  /**
   * Recomputes the data shards `lost` in place from the others and as many intact parity shards (`parityRows`, one
   * for each lost shard). All shards are whole here.
   */
  reconstruct(
    data: ShardPlace,
    parity: ShardPlace,
    shardBytes: number,
    lost: readonly number[],
    parityRows: readonly number[],
  ): void {
    const solve = invertMatrix(
      parityRows.map((row) => Uint8Array.from(lost, (column) => this.#matrix[row]![column]!)),
    );
    const lostSet = new Set(lost);
    const remainders = parityRows.map((row) => {
      const rest = parity.bytes.slice(
        parity.offset + row * parity.stride,
        parity.offset + row * parity.stride + shardBytes,
      );
      for (let column = 0; column < this.dataShards; column++) {
        if (!lostSet.has(column)) addShard(rest, data, column, this.#matrix[row]![column]!);
      }
      return rest;
    });
    lost.forEach((column, i) => {
      const at = data.offset + column * data.stride;
      data.bytes.fill(0, at, at + shardBytes);
      remainders.forEach((rest, j) => {
        const from = { bytes: rest, offset: 0, stride: shardBytes };
        addShard(data.bytes.subarray(at, at + shardBytes), from, 0, solve[i]![j]!);
      });
    });
  }
}

/** The hot loop: kept small and monomorphic so that it compiles well. */
function addFour(
  table: Int32Array,
  row: number,
  bytes: Uint8Array,
  at: number,
  stride: number,
  sums: Int32Array,
): void {
  const at1 = at + stride;
  const at2 = at1 + stride;
  const at3 = at2 + stride;
  const row1 = row + 256;
  const row2 = row + 512;
  const row3 = row + 768;
  for (let i = 0; i < sums.length; i++) {
    sums[i]! ^=
      table[row + bytes[at + i]!]! ^
      table[row1 + bytes[at1 + i]!]! ^
      table[row2 + bytes[at2 + i]!]! ^
      table[row3 + bytes[at3 + i]!]!;
  }
}

/** `target ^= factor * shard`. */
function addShard(target: Uint8Array, from: ShardPlace, index: number, factor: number): void {
  const at = from.offset + index * from.stride;
  for (let i = 0; i < target.length; i++) target[i]! ^= multiply(factor, from.bytes[at + i]!);
}

function laneTables(matrix: readonly Uint8Array[]): readonly Int32Array[] {
  const columns = matrix[0]?.length ?? 0;
  return Array.from({ length: Math.ceil(matrix.length / LANES) }, (_, group) => {
    const table = new Int32Array(columns * 256);
    const rows = matrix.slice(group * LANES, group * LANES + LANES);
    rows.forEach((row, lane) => {
      for (let column = 0; column < columns; column++) {
        const factor = row[column]!;
        for (let byte = 0; byte < 256; byte++)
          table[column * 256 + byte]! |= multiply(factor, byte) << (8 * lane);
      }
    });
    return table;
  });
}
