/**
 * Hashes, ciphers and error correction on one core, at 4 MiB (a large content) and 4 KiB (a small file).
 * Run: `node bench/crypto.bench.ts`. Compare with `kopia benchmark hashing` and `kopia benchmark encryption`.
 */
import { bench, do_not_optimize, group, run } from "mitata";
import {
  ENCRYPTION_ALGORITHMS,
  HASH_ALGORITHMS,
  portableCryptoEngine,
} from "../src/crypto/index.ts";
import { createEcc } from "../src/ecc/index.ts";
import {
  createNodeContentCipher,
  loadOpenSsl,
  nodeCryptoEngine,
  nodeRandom,
} from "../src/node/crypto/index.ts";

loadOpenSsl();

const SIZES = { "4 MiB": 4 * 1024 * 1024, "4 KiB": 4096 };
const SECRET = nodeRandom.bytes(32);
const IV = nodeRandom.bytes(16);
const ECC_PERCENTS = [1, 5, 10, 20];

interface Measured {
  readonly name: string;
  readonly bytes: number;
}

const measured: Measured[] = [];

function measure(name: string, bytes: number, run: () => unknown): void {
  measured.push({ name, bytes });
  bench(name, () => do_not_optimize(run()));
}

for (const [size, bytes] of Object.entries(SIZES)) {
  const data = nodeRandom.bytes(bytes);
  const target = new Uint8Array(new SharedArrayBuffer(2 * bytes + 1024));
  group(`content hash, ${size}`, () => {
    for (const { name } of HASH_ALGORITHMS) {
      const hash = nodeCryptoEngine.contentHash(name, SECRET);
      measure(`${name}, ${size}`, bytes, () => hash.hash(data));
    }
  });
  group(`encrypt and decrypt into shared memory, ${size}`, () => {
    for (const { name } of ENCRYPTION_ALGORITHMS) {
      const cipher = createNodeContentCipher(name, SECRET);
      const encrypted = cipher.encrypt(data, IV);
      measure(`encrypt ${name}, ${size}`, bytes, () => cipher.encryptInto(data, IV, target));
      measure(`decrypt ${name}, ${size}`, bytes, () => cipher.decryptInto(encrypted, IV, target));
    }
  });
  group(`error correction, ${size}`, () => {
    for (const percent of ECC_PERCENTS) {
      const ecc = createEcc("REED-SOLOMON-CRC32", percent);
      if (ecc === undefined) continue;
      const encoded = ecc.encode(data);
      measure(`encode ${percent} %, ${size}`, bytes, () => ecc.encodeInto(data, target));
      measure(`decode ${percent} %, ${size}`, bytes, () => ecc.decode(encoded));
    }
  });
}

group("portable engine, 4 KiB", () => {
  const data = nodeRandom.bytes(SIZES["4 KiB"]);
  for (const { name } of HASH_ALGORITHMS) {
    const hash = portableCryptoEngine.contentHash(name, SECRET);
    measure(`portable ${name}, 4 KiB`, data.byteLength, () => hash.hash(data));
  }
});

const { benchmarks } = await run({ format: "quiet" });
const rows = benchmarks.map((each, i) => {
  const stats = each.runs[0]?.stats;
  const { name, bytes } = measured[i] as Measured;
  const nanoseconds = stats?.p50 ?? Number.NaN;
  return {
    name,
    "GB/s (median)": round(bytes / nanoseconds),
    "GB/s (best)": round(bytes / (stats?.min ?? Number.NaN)),
    "µs (median)": round(nanoseconds / 1000),
  };
});
console.table(rows);

function round(value: number): number {
  return Number(value.toPrecision(3));
}
