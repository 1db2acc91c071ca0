/**
 * How many shards of what size: the arithmetic of Kopia's error correction, from the percentage and from lengths.
 * Single-precision roundings are part of the format. Spec: `docs/format.md`, "Error correction".
 */

/** The CRC in front of each shard. */
export const CRC_BYTES = 4;

/** The length of the data in front of the data. */
export const HEADER_BYTES = 4;

/** What follows from the percentage alone. */
export interface EccParameters {
  readonly maxShardBytes: number;
  readonly dataShards: number;
  readonly parityShards: number;
  /** Up to this many bytes, header included, six data and two parity shards are used; the limit when encoded. */
  readonly smallInputBytes: number;
  readonly smallOutputBytes: number;
  /** Up to this many bytes there is one block, with shards as short as can be; the limit when encoded. */
  readonly blockInputBytes: number;
  readonly blockOutputBytes: number;
}

/** How one piece of data is laid out: `blocks` times `dataShards` and `parityShards` of `shardBytes` each. */
export interface EccGeometry {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly shardBytes: number;
  readonly blocks: number;
  /** Whether the zeros behind the data are stored, up to the last shard. */
  readonly storesPadding: boolean;
}

const SMALL_DATA_SHARDS = 6;
const SMALL_PARITY_SHARDS = 2;
const DATA_SHARDS = 128;
const DATA_SHARDS_MAX = 254;
const PARITY_SHARDS_MAX = 128;

/** `percent` is an integer from 1 to 100. */
export function eccParameters(percent: number): EccParameters {
  const maxShardBytes = maxShardSize(percent);
  const { dataShards, parityShards } = shardCounts(percent, maxShardBytes);
  const totalShards = dataShards + parityShards;
  const smallInputBytes = 2 * CRC_BYTES * totalShards;
  return {
    maxShardBytes,
    dataShards,
    parityShards,
    smallInputBytes,
    smallOutputBytes:
      (SMALL_DATA_SHARDS + SMALL_PARITY_SHARDS) *
      (CRC_BYTES + Math.ceil(smallInputBytes / SMALL_DATA_SHARDS)),
    blockInputBytes: dataShards * maxShardBytes,
    blockOutputBytes: totalShards * (CRC_BYTES + maxShardBytes),
  };
}

/** The layout of `length` bytes of data. */
export function geometryOfData(parameters: EccParameters, length: number): EccGeometry {
  const bytes = length + HEADER_BYTES;
  const { dataShards, parityShards, maxShardBytes } = parameters;
  if (bytes <= parameters.smallInputBytes) return small(Math.ceil(bytes / SMALL_DATA_SHARDS));
  if (bytes <= parameters.blockInputBytes)
    return oneBlock(parameters, Math.ceil(bytes / dataShards));
  const blocks = Math.ceil(bytes / (dataShards * maxShardBytes));
  return { dataShards, parityShards, shardBytes: maxShardBytes, blocks, storesPadding: false };
}

/** The layout of `length` stored bytes; any length has one, real or not. */
export function geometryOfStored(parameters: EccParameters, length: number): EccGeometry {
  const { dataShards, parityShards, maxShardBytes } = parameters;
  const totalShards = dataShards + parityShards;
  if (length <= parameters.smallOutputBytes) {
    return small(shardOfStored(length, SMALL_DATA_SHARDS + SMALL_PARITY_SHARDS));
  }
  if (length <= parameters.blockOutputBytes)
    return oneBlock(parameters, shardOfStored(length, totalShards));
  const blocks = Math.ceil(length / (totalShards * (CRC_BYTES + maxShardBytes)));
  return { dataShards, parityShards, shardBytes: maxShardBytes, blocks, storesPadding: false };
}

/** What `length` bytes of data in that layout take when stored. */
export function storedLength(geometry: EccGeometry, length: number): number {
  const { dataShards, parityShards, shardBytes, blocks, storesPadding } = geometry;
  const stride = CRC_BYTES + shardBytes;
  if (storesPadding) return blocks * (dataShards + parityShards) * stride;
  const bytes = length + HEADER_BYTES;
  return blocks * parityShards * stride + bytes + CRC_BYTES * Math.ceil(bytes / shardBytes);
}

function small(shardBytes: number): EccGeometry {
  return {
    dataShards: SMALL_DATA_SHARDS,
    parityShards: SMALL_PARITY_SHARDS,
    shardBytes,
    blocks: 1,
    storesPadding: true,
  };
}

function oneBlock(parameters: EccParameters, shardBytes: number): EccGeometry {
  const { dataShards, parityShards } = parameters;
  return { dataShards, parityShards, shardBytes, blocks: 1, storesPadding: true };
}

function shardOfStored(length: number, shards: number): number {
  return Math.max(Math.ceil(length / shards), 1 + CRC_BYTES) - CRC_BYTES;
}

function maxShardSize(percent: number): number {
  if (percent === 1) return 1024;
  if (percent === 2) return 512;
  if (percent === 3) return 256;
  return percent <= 6 ? 128 : 64;
}

/** What the CRCs take is not available to parity. Factors are rounded to single precision, products are not. */
function shardCounts(
  percent: number,
  shardBytes: number,
): { readonly dataShards: number; readonly parityShards: number } {
  const crcPercent = Math.fround((100 * CRC_BYTES) / shardBytes);
  const overhead = Math.max(Math.fround(percent - crcPercent), Math.fround(0.01));
  const parityShards = clamp(
    Math.floor(DATA_SHARDS * Math.fround(overhead / 100)),
    1,
    PARITY_SHARDS_MAX,
  );
  if (parityShards > 1) return { dataShards: DATA_SHARDS, parityShards };
  const dataShards = clamp(
    Math.floor(2 * Math.fround(100 / overhead)),
    DATA_SHARDS,
    DATA_SHARDS_MAX,
  );
  return { dataShards, parityShards: 2 };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
