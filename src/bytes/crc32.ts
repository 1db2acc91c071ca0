/** CRC-32 (IEEE 802.3, reflected, as in zlib), by eight tables. */

const TABLES = makeTables();

function makeTables(): readonly Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  const first = tables[0] as Uint32Array;
  for (let n = 0; n < 256; n++) {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    first[n] = value >>> 0;
  }
  for (let k = 1; k < 8; k++) {
    const table = tables[k] as Uint32Array;
    const before = tables[k - 1] as Uint32Array;
    for (let n = 0; n < 256; n++)
      table[n] = ((before[n] as number) >>> 8) ^ (first[(before[n] as number) & 0xff] as number);
  }
  return tables;
}

/** The checksum of `bytes` from `start` up to `end`, unsigned. */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
  let crc = 0xffffffff;
  let at = start;
  const end8 = end - 7;
  while (at < end8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      t7![crc & 0xff]! ^
      t6![(crc >>> 8) & 0xff]! ^
      t5![(crc >>> 16) & 0xff]! ^
      t4![crc >>> 24]! ^
      t3![bytes[at + 4]!]! ^
      t2![bytes[at + 5]!]! ^
      t1![bytes[at + 6]!]! ^
      t0![bytes[at + 7]!]!;
    at += 8;
  }
  while (at < end) crc = (crc >>> 8) ^ t0![(crc ^ bytes[at++]!) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}
