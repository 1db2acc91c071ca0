import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import test from "node:test";
import fc from "fast-check";
import { bytesToHex, copyBytes, type OwnedBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import { eccParameters, geometryOfData, geometryOfStored, storedLength } from "./geometry.ts";
import { createEcc, ECC_ALGORITHMS, type ErrorCorrection } from "./index.ts";

interface EccVectors {
  readonly columns: readonly string[];
  readonly parameters: readonly (readonly number[])[];
  readonly cases: readonly {
    readonly overheadPercent: number;
    readonly inputLength: number;
    readonly outputLength: number;
    readonly outputSHA256: string;
    readonly outputHex?: string;
  }[];
}

const PERCENTS = [1, 2, 3, 5, 6, 7, 10, 37, 100];

function ecc(percent: number): ErrorCorrection {
  const made = createEcc("REED-SOLOMON-CRC32", percent);
  assert.ok(made !== undefined);
  return made;
}

/** The first bytes of AES-128-CTR with zero key and counter, the input of kopia's values. */
function keystream(length: number): OwnedBytes {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  return copyBytes(cipher.update(Buffer.alloc(length)));
}

/** Lengths on both sides of every border: none, small, one block, several. */
function borderLengths(percent: number): number[] {
  const { smallInputBytes, blockInputBytes, maxShardBytes } = eccParameters(percent);
  const borders = [
    smallInputBytes,
    blockInputBytes,
    2 * blockInputBytes,
    2 * blockInputBytes + maxShardBytes,
  ];
  return [0, 1, 2, 3, 20, ...borders.flatMap((border) => [border - 5, border - 4, border - 3])];
}

/** Where the shards of an encoding begin, parity first, and how many of them belong to data block 0. */
function shardsOf(
  percent: number,
  stored: Uint8Array,
): { starts: number[]; parity: number; data: number; stride: number } {
  const { parityShards, dataShards, shardBytes, blocks } = geometryOfStored(
    eccParameters(percent),
    stored.byteLength,
  );
  const stride = shardBytes + 4;
  const starts: number[] = [];
  for (let at = 0; at < stored.byteLength; at += stride) starts.push(at);
  return { starts, parity: blocks * parityShards, data: dataShards, stride };
}

test("eccParameters: every percentage has kopia's shard counts and limits", () => {
  const { columns, parameters } = goldenVectors<EccVectors>("ecc");
  assert.equal(columns[0], "percent");
  assert.equal(parameters.length, 100);
  for (const row of parameters) {
    const found = eccParameters(row[0]!);
    assert.deepEqual(
      [
        found.maxShardBytes,
        found.dataShards,
        found.parityShards,
        found.smallInputBytes,
        found.smallOutputBytes,
        found.blockInputBytes,
        found.blockOutputBytes,
      ],
      row.slice(1),
      `${row[0]} %`,
    );
  }
});

test("geometry: what the stored length tells is what the data's length told, for every percentage", () => {
  for (let percent = 1; percent <= 100; percent++) {
    const parameters = eccParameters(percent);
    for (const length of borderLengths(percent)) {
      const geometry = geometryOfData(parameters, length);
      assert.deepEqual(
        geometryOfStored(parameters, storedLength(geometry, length)),
        geometry,
        `${percent} %, ${length} bytes`,
      );
    }
  }
});

test("encode: kopia's bytes", () => {
  for (const each of goldenVectors<EccVectors>("ecc").cases) {
    const encoded = ecc(each.overheadPercent).encode(keystream(each.inputLength));
    const where = `${each.overheadPercent} %, ${each.inputLength} bytes`;
    assert.equal(encoded.byteLength, each.outputLength, where);
    if (each.outputHex !== undefined) assert.equal(bytesToHex(encoded), each.outputHex, where);
    assert.equal(createHash("sha256").update(encoded).digest("hex"), each.outputSHA256, where);
  }
});

test("decode: gives back what was encoded, at every border, in an array of its own", () => {
  for (const percent of PERCENTS) {
    for (const length of borderLengths(percent)) {
      const data = keystream(length);
      const encoded = ecc(percent).encode(data);
      assert.equal(encoded.byteLength, ecc(percent).encodedLength(length));
      const decoded = ecc(percent).decode(encoded);
      assert.deepEqual(decoded, data, `${percent} %, ${length} bytes`);
      assert.equal(decoded.buffer.byteLength, length);
    }
  }
});

test("encodeInto: the bytes of encode in a dirty view, and nothing behind them", () => {
  for (const length of [0, 100, 1000, 20_000]) {
    const data = keystream(length);
    const target = new Uint8Array(new SharedArrayBuffer(40_000)).subarray(7).fill(0xdd);
    const written = ecc(5).encodeInto(data, target);
    assert.deepEqual(Uint8Array.from(target.subarray(0, written)), ecc(5).encode(data));
    assert.ok(target.subarray(written).every((byte) => byte === 0xdd));
  }
  assert.throws(() => ecc(5).encodeInto(new Uint8Array(100), new Uint8Array(100)), RangeError);
});

test("decode: repairs as many damaged shards in a block as it has parity, wherever they are", () => {
  const cases = PERCENTS.flatMap((percent) =>
    borderLengths(percent).map((length) => ({ percent, length })),
  );
  const property = fc.property(
    fc.constantFrom(...cases),
    fc.array(fc.nat()),
    ({ percent, length }, picks) => {
      const data = keystream(length);
      const stored = ecc(percent).encode(data);
      const { starts, parity, data: dataShards, stride } = shardsOf(percent, stored);
      const { parityShards } = geometryOfStored(eccParameters(percent), stored.byteLength);
      const damaged = new Map<number, number>(); // shards damaged a block
      for (const shard of new Set(picks.map((pick) => pick % starts.length))) {
        const block =
          shard < parity
            ? Math.floor(shard / parityShards)
            : Math.floor((shard - parity) / dataShards);
        const before = damaged.get(block) ?? 0;
        if (before === parityShards) continue;
        damaged.set(block, before + 1);
        stored.fill(0xa5, starts[shard]!, starts[shard]! + stride); // CRC and shard
      }
      assert.deepEqual(ecc(percent).decode(stored), data);
    },
  );
  fc.assert(property, { numRuns: numRuns(100) });
});

test("decode: repairs the most that it can at once: every parity shard used, the first shards lost", () => {
  for (const percent of PERCENTS) {
    for (const length of borderLengths(percent)) {
      const data = keystream(length);
      const stored = ecc(percent).encode(data);
      const { starts, parity, stride } = shardsOf(percent, stored);
      const { parityShards } = geometryOfStored(eccParameters(percent), stored.byteLength);
      for (const start of starts.slice(parity, parity + parityShards))
        stored[Math.min(start + stride, stored.length) - 1]! ^= 0x10;
      assert.deepEqual(ecc(percent).decode(stored), data, `${percent} %, ${length} bytes`);
    }
  }
});

test("decode: one damaged shard more than there is parity is SEJF_CORRUPT", () => {
  for (const percent of PERCENTS) {
    const stored = ecc(percent).encode(keystream(3000));
    const { starts, parity, stride } = shardsOf(percent, stored);
    const { parityShards } = geometryOfStored(eccParameters(percent), stored.byteLength);
    for (const start of starts.slice(parity, parity + parityShards + 1))
      stored.fill(0xa5, start, start + stride);
    assert.throws(() => ecc(percent).decode(stored), { code: "SEJF_CORRUPT" }, `${percent} %`);
  }
});

test("decode: a stored piece that is cut or too long is SEJF_CORRUPT", () => {
  for (const length of [0, 50, 9000, 40_000]) {
    const stored = ecc(10).encode(keystream(length));
    const longer = new Uint8Array(stored.byteLength + 200);
    longer.set(stored);
    assert.throws(() => ecc(10).decode(longer), { code: "SEJF_CORRUPT" });
    assert.throws(() => ecc(10).decode(stored.subarray(0, stored.byteLength - 300)), {
      code: "SEJF_CORRUPT",
    });
  }
});

test("decode: any bytes, and any mutation of real ones, give data or SEJF_CORRUPT", () => {
  const check = (percent: number, bytes: Uint8Array): void => {
    try {
      assert.ok(ecc(percent).decode(bytes).byteLength <= bytes.byteLength);
    } catch (error) {
      assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
    }
  };
  const percents = fc.integer({ min: 1, max: 100 });
  const random = fc.property(percents, fc.uint8Array({ maxLength: 4000 }), check);
  const mutated = fc.property(
    percents,
    fc.nat(20_000),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 30 }),
    fc.nat(200),
    (percent, length, changes, cut) => {
      const stored = ecc(percent).encode(keystream(length));
      for (const [at, byte] of changes) stored[at % stored.length] = byte;
      check(percent, stored.subarray(0, Math.max(stored.length - cut, 0)));
    },
  );
  fc.assert(random, { numRuns: numRuns() });
  fc.assert(mutated, { numRuns: numRuns() });
});

test("createEcc: nothing for no algorithm or 0 %, errors for what is not known or cannot be", () => {
  assert.equal(createEcc("", 5), undefined);
  assert.equal(createEcc("REED-SOLOMON-CRC32", 0), undefined);
  assert.throws(() => createEcc("LDPC", 5), { code: "SEJF_UNSUPPORTED" });
  for (const percent of [-1, 101, 2.5, Number.NaN]) {
    assert.throws(() => createEcc("REED-SOLOMON-CRC32", percent), {
      code: "SEJF_INVALID_ARGUMENT",
    });
  }
  assert.deepEqual(ECC_ALGORITHMS, ["REED-SOLOMON-CRC32"]);
});
