/**
 * REED-SOLOMON-CRC32, Kopia's error correction. Spec: `docs/format.md`, "Error correction".
 *
 * Layout: the parity shards of all blocks, then the data shards of all blocks, each shard behind its CRC-32 (u32,
 * big-endian, over the shard with its zero padding). The data shards hold the length (u32, big-endian), the data and
 * zeros; of several blocks the zeros at the end are left out, with the CRCs of whole shards of zeros.
 */
import { crc32, type OwnedBytes, viewOf } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  CRC_BYTES,
  type EccGeometry,
  type EccParameters,
  eccParameters,
  geometryOfData,
  geometryOfStored,
  HEADER_BYTES,
  storedLength,
} from "./geometry.ts";
import { type ShardPlace, shardCode } from "./shard-code.ts";
import type { ErrorCorrection } from "./types.ts";

const LENGTH_MAX = 0xffff_ffff;

export class ReedSolomonCrc32 implements ErrorCorrection {
  readonly algorithm: string;
  readonly overheadPercent: number;
  readonly #parameters: EccParameters;

  constructor(algorithm: string, overheadPercent: number) {
    this.algorithm = algorithm;
    this.overheadPercent = overheadPercent;
    this.#parameters = eccParameters(overheadPercent);
  }

  encodedLength(length: number): number {
    return storedLength(geometryOfData(this.#parameters, length), length);
  }

  encode(data: Uint8Array): OwnedBytes {
    const encoded = new Uint8Array(this.encodedLength(data.byteLength));
    this.encodeInto(data, encoded);
    return encoded;
  }

  encodeInto(data: Uint8Array, target: Uint8Array): number {
    const length = data.byteLength;
    if (length > LENGTH_MAX)
      throw new RangeError(`data of ${length} bytes, expected ${LENGTH_MAX} or less`);
    const geometry = geometryOfData(this.#parameters, length);
    const end = storedLength(geometry, length);
    if (target.byteLength < end)
      throw new RangeError(`target of ${target.byteLength} bytes, expected ${end} or more`);
    const out = target.subarray(0, end);
    layData(geometry, data, out);
    addParity(geometry, out);
    return end;
  }

  decode(stored: Uint8Array): OwnedBytes {
    const geometry = geometryOfStored(this.#parameters, stored.byteLength);
    const lost = lostDataShards(geometry, stored);
    const bytes = lost.length === 0 ? stored : repaired(geometry, stored, lost);
    const length = readLength(geometry, bytes);
    if (this.encodedLength(length) !== stored.byteLength) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `error-corrected data of ${stored.byteLength} bytes names a length of ${length}, expected one that fits`,
      );
    }
    const data = new Uint8Array(length);
    copyOut(geometry, bytes, data);
    return data;
  }
}

/** Where the data shards begin. */
function dataOffset(geometry: EccGeometry): number {
  return geometry.blocks * geometry.parityShards * (CRC_BYTES + geometry.shardBytes);
}

/** Writes length, data, padding and the CRCs of the data shards; the rest of `out` is left as it was. */
function layData(geometry: EccGeometry, data: Uint8Array, out: Uint8Array): void {
  const { shardBytes } = geometry;
  const view = viewOf(out);
  const header = new Uint8Array(HEADER_BYTES);
  viewOf(header).setUint32(0, data.byteLength);
  const zeros = new Uint8Array(shardBytes);
  let position = -HEADER_BYTES;
  for (let at = dataOffset(geometry); at < out.byteLength; at += CRC_BYTES + shardBytes) {
    const start = at + CRC_BYTES;
    const whole = Math.min(start + shardBytes, out.byteLength);
    let fill = start;
    for (; position < 0 && fill < whole; position++) out[fill++] = header[position + HEADER_BYTES]!;
    const take = Math.max(Math.min(whole - fill, data.byteLength - position), 0);
    if (take > 0) out.set(data.subarray(position, position + take), fill);
    position += take;
    out.fill(0, fill + take, whole);
    view.setUint32(
      at,
      whole === start + shardBytes ? crc32(out, start, whole) : paddedCrc(out, start, zeros),
    );
  }
}

/** The CRC of the shard that the end of `bytes` cuts, as if zeros followed. */
function paddedCrc(bytes: Uint8Array, start: number, zeros: Uint8Array): number {
  const shard = zeros.slice();
  if (start < bytes.byteLength) shard.set(bytes.subarray(start, start + shard.byteLength));
  return crc32(shard);
}

function dataPlace(geometry: EccGeometry, bytes: Uint8Array, block: number): ShardPlace {
  const stride = CRC_BYTES + geometry.shardBytes;
  return {
    bytes,
    offset: dataOffset(geometry) + block * geometry.dataShards * stride + CRC_BYTES,
    stride,
  };
}

function parityPlace(geometry: EccGeometry, bytes: Uint8Array, block: number): ShardPlace {
  const stride = CRC_BYTES + geometry.shardBytes;
  return { bytes, offset: block * geometry.parityShards * stride + CRC_BYTES, stride };
}

function addParity(geometry: EccGeometry, out: Uint8Array): void {
  const { dataShards, parityShards, shardBytes, blocks } = geometry;
  const code = shardCode(dataShards, parityShards);
  const view = viewOf(out);
  for (let block = 0; block < blocks; block++) {
    const parity = parityPlace(geometry, out, block);
    code.encode(dataPlace(geometry, out, block), out.byteLength, parity, shardBytes);
    for (let i = 0; i < parityShards; i++) {
      const start = parity.offset + i * parity.stride;
      view.setUint32(start - CRC_BYTES, crc32(out, start, start + shardBytes));
    }
  }
}

/** Numbers of the data shards whose CRC does not fit, over all blocks. Shards that were not stored are zeros, unchecked. */
function lostDataShards(geometry: EccGeometry, stored: Uint8Array): number[] {
  const { shardBytes } = geometry;
  const view = viewOf(stored);
  const zeros = new Uint8Array(shardBytes);
  const lost: number[] = [];
  let shard = 0;
  for (let at = dataOffset(geometry); at < stored.byteLength; at += CRC_BYTES + shardBytes) {
    const start = at + CRC_BYTES;
    const whole = start + shardBytes <= stored.byteLength;
    const cut = start > stored.byteLength;
    const found = whole
      ? crc32(stored, start, start + shardBytes)
      : paddedCrc(stored, start, zeros);
    if (cut || found !== view.getUint32(at)) lost.push(shard);
    shard++;
  }
  return lost;
}

/** A copy with zeros up to the full layout in which the lost data shards are computed anew. */
function repaired(geometry: EccGeometry, stored: Uint8Array, lost: readonly number[]): OwnedBytes {
  const { dataShards, parityShards, shardBytes, blocks } = geometry;
  const full = new Uint8Array(blocks * (dataShards + parityShards) * (CRC_BYTES + shardBytes));
  full.set(stored);
  const byBlock = Map.groupBy(lost, (shard) => Math.floor(shard / dataShards));
  for (const [block, shards] of byBlock) {
    const parity = parityPlace(geometry, full, block);
    const rows = intactParity(geometry, full, parity, shards.length);
    if (rows.length < shards.length) {
      throw new SejfError(
        "SEJF_CORRUPT",
        `block ${block} of error-corrected data has ${shards.length} damaged shards and only ${rows.length} to repair them with`,
      );
    }
    const columns = shards.map((shard) => shard - block * dataShards);
    const code = shardCode(dataShards, parityShards);
    code.reconstruct(dataPlace(geometry, full, block), parity, shardBytes, columns, rows);
  }
  return full;
}

/** The first parity shards of a block whose CRC fits, at most `wanted`. */
function intactParity(
  geometry: EccGeometry,
  full: Uint8Array,
  parity: ShardPlace,
  wanted: number,
): number[] {
  const view = viewOf(full);
  const rows: number[] = [];
  for (let row = 0; row < geometry.parityShards && rows.length < wanted; row++) {
    const start = parity.offset + row * parity.stride;
    if (view.getUint32(start - CRC_BYTES) === crc32(full, start, start + geometry.shardBytes))
      rows.push(row);
  }
  return rows;
}

/** The length field; it goes over several shards when these are very short. */
function readLength(geometry: EccGeometry, bytes: Uint8Array): number {
  const header = new Uint8Array(HEADER_BYTES);
  for (let i = 0; i < HEADER_BYTES; i++) header[i] = bytes[positionOf(geometry, i)] ?? 0;
  return viewOf(header).getUint32(0);
}

/** Where byte `index` of length and data lies. */
function positionOf(geometry: EccGeometry, index: number): number {
  const { shardBytes } = geometry;
  const shard = Math.floor(index / shardBytes);
  return dataOffset(geometry) + shard * (CRC_BYTES + shardBytes) + CRC_BYTES + (index % shardBytes);
}

/** Copies the data out of their shards. Every shard it reads is there: the stored length was checked. */
function copyOut(geometry: EccGeometry, bytes: Uint8Array, data: Uint8Array): void {
  const { shardBytes } = geometry;
  let position = 0;
  while (position < data.byteLength) {
    const at = positionOf(geometry, position + HEADER_BYTES);
    const rest = shardBytes - ((position + HEADER_BYTES) % shardBytes);
    const take = Math.min(rest, data.byteLength - position);
    data.set(bytes.subarray(at, at + take), position);
    position += take;
  }
}
