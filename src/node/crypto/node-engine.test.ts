import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import {
  createContentCipher,
  ENCRYPTION_ALGORITHMS,
  HASH_ALGORITHMS,
  portableCryptoEngine,
} from "../../crypto/index.ts";
import { cryptoEngineContract } from "../../testkit/crypto-engine-contract.ts";
import { numRuns } from "../../testkit/property.ts";
import {
  createNodeContentCipher,
  nodeCryptoEngine,
  nodeRandom,
  openInto,
  sealInto,
} from "./index.ts";

cryptoEngineContract(nodeCryptoEngine);

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i);
const IV = Uint8Array.from({ length: 16 }, (_, i) => 0x20 + i);
const NONCE = new Uint8Array(12).fill(1);

/** Around blocks, BLAKE3 chunks, the border between small and large, and pieces of 64 KiB. */
const LENGTHS = [
  0, 1, 127, 128, 129, 1024, 1025, 16383, 16384, 16385, 65535, 65536, 65537, 200_001,
];

test("node and portable: every hash agrees at every length, from shared memory too", () => {
  for (const { name } of HASH_ALGORITHMS) {
    const fast = nodeCryptoEngine.contentHash(name, SECRET);
    const portable = portableCryptoEngine.contentHash(name, SECRET);
    for (const length of LENGTHS) {
      const data = Uint8Array.from({ length }, (_, i) => i ^ (i >>> 8));
      const shared = new Uint8Array(new SharedArrayBuffer(length + 5)).subarray(5);
      shared.set(data);
      const expected = portable.hash(data);
      assert.deepEqual(fast.hash(data), expected, `${name}, ${length} bytes`);
      assert.deepEqual(fast.hash(shared), expected, `${name}, ${length} shared bytes`);
    }
  }
});

test("sealInto and openInto: write exactly their bytes into a view of shared memory", () => {
  const pieces = fc.constantFrom(0, 1, 4096, 65535, 65536, 65537, 131072, 150_000);
  const property = fc.property(
    pieces,
    fc.nat(9),
    fc.constantFrom(...ENCRYPTION_ALGORITHMS),
    (length, gap, { aead }) => {
      const slot = new Uint8Array(new SharedArrayBuffer(length + gap)).subarray(gap).fill(0xab);
      const pack = new Uint8Array(new SharedArrayBuffer(gap + length + 16 + 8)).fill(0xee);
      const target = pack.subarray(gap);
      assert.equal(sealInto(aead, SECRET, NONCE, slot, IV, target), length + 16);
      assert.deepEqual(
        Uint8Array.from(target.subarray(0, length + 16)),
        portableCryptoEngine.seal(aead, SECRET, NONCE, Uint8Array.from(slot), IV),
      );
      assert.ok(pack.subarray(0, gap).every((byte) => byte === 0xee));
      assert.ok(pack.subarray(gap + length + 16).every((byte) => byte === 0xee));
      const back = new Uint8Array(new SharedArrayBuffer(length + 3)).fill(1);
      assert.equal(
        openInto(aead, SECRET, NONCE, target.subarray(0, length + 16), IV, back),
        length,
      );
      assert.deepEqual(Uint8Array.from(back.subarray(0, length)), Uint8Array.from(slot));
      assert.deepEqual([...back.subarray(length)], [1, 1, 1]);
    },
  );
  fc.assert(property, { numRuns: numRuns() });
});

test("openInto: leaves nothing of a plaintext that does not authenticate", () => {
  const sealed = nodeCryptoEngine.seal(
    "aes-256-gcm",
    SECRET,
    NONCE,
    new Uint8Array(70_000).fill(9),
    IV,
  );
  sealed[69_999]! ^= 1;
  const target = new Uint8Array(70_000).fill(5);
  assert.throws(() => openInto("aes-256-gcm", SECRET, NONCE, sealed, IV, target), {
    code: "SEJF_CORRUPT",
  });
  assert.ok(target.every((byte) => byte === 0));
});

test("sealInto and openInto: a target that is too short is a RangeError, before anything is written", () => {
  const target = new Uint8Array(19);
  assert.throws(
    () => sealInto("aes-256-gcm", SECRET, NONCE, new Uint8Array(4).fill(1), IV, target),
    RangeError,
  );
  assert.throws(
    () => openInto("aes-256-gcm", SECRET, NONCE, new Uint8Array(36), IV, target),
    RangeError,
  );
  assert.ok(target.every((byte) => byte === 0));
});

test("createNodeContentCipher: interchangeable with the portable cipher, and its secrets do not show", () => {
  for (const { name } of ENCRYPTION_ALGORITHMS) {
    const threads = createNodeContentCipher(name, SECRET);
    const portable = createContentCipher(portableCryptoEngine, name, SECRET, nodeRandom);
    for (const length of [0, 1, 5000, 70_000]) {
      const data = new Uint8Array(length).fill(0x5a);
      const target = new Uint8Array(length + 30);
      assert.equal(threads.encryptInto(data, IV, target), length + threads.overheadBytes);
      assert.deepEqual(portable.decrypt(target.subarray(0, length + 28), IV), data);
      const encrypted = portable.encrypt(data, IV);
      assert.deepEqual(threads.decrypt(encrypted, IV), data);
      assert.deepEqual(portable.decrypt(threads.encrypt(data, IV), IV), data);
      const back = new Uint8Array(length);
      assert.equal(threads.decryptInto(encrypted, IV, back), length);
      assert.deepEqual(back, data);
    }
    assert.throws(() => threads.encryptInto(new Uint8Array(3), IV, new Uint8Array(30)), RangeError);
    assert.throws(() => threads.decrypt(new Uint8Array(27), IV), { code: "SEJF_CORRUPT" });
    assert.doesNotMatch(inspect(threads, { depth: Infinity }), /KeyObject|Uint8Array|Buffer/);
  }
});

test("createNodeContentCipher: the same data twice give different bytes, since each call has its own nonce", () => {
  const cipher = createNodeContentCipher("AES256-GCM-HMAC-SHA256", SECRET);
  assert.notDeepEqual(cipher.encrypt(IV, IV), cipher.encrypt(IV, IV));
});

test("nodeRandom: any length, each array its own, and no nonce twice over several pools", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 3000; i++) {
    const bytes = nodeRandom.bytes(12);
    assert.equal(bytes.buffer.byteLength, 12);
    seen.add(bytes.join());
  }
  assert.equal(seen.size, 3000);
  for (const length of [0, 1, 64, 65, 100_000])
    assert.equal(nodeRandom.bytes(length).length, length);
  assert.ok(nodeRandom.bytes(100_000).some((byte, i) => i > 90_000 && byte !== 0));
});
