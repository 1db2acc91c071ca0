import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToHex, concatBytes } from "../bytes/index.ts";
import { numRuns } from "../testkit/property.ts";
import { IdSet } from "./id-set.ts";

test("IdSet: behaves as a set of texts while it grows, prefixes and marks told apart", () => {
  const hex = fc.array(fc.constantFrom(...Array.from("0123456789abcdef")), {
    minLength: 32,
    maxLength: 32,
  });
  const id = fc
    .tuple(fc.constantFrom("", "k", "x", "I", "Ix", "Z", "IIk"), hex)
    .map(([marks, digits]) => marks + digits.join(""));
  fc.assert(
    fc.property(fc.array(id, { maxLength: 3000 }), (ids) => {
      const set = new IdSet();
      const model = new Set<string>();
      for (const one of ids) {
        assert.equal(set.has(one), model.has(one));
        assert.equal(set.add(one), !model.has(one));
        model.add(one);
      }
      assert.equal(set.size, model.size);
      const joined = new IdSet();
      for (const one of ids.slice(ids.length / 2)) joined.add(one);
      joined.addAll(set);
      assert.equal(joined.size, model.size);
      assert.ok(ids.every((one) => joined.has(one)));
    }),
    { numRuns: numRuns() },
  );
});

test("IdSet: the ID of zeros is one like any other, at whatever size it begins", () => {
  for (const expected of [0, 5, 100_000]) {
    const set = new IdSet(expected);
    assert.ok(!set.has("0".repeat(32)));
    assert.ok(set.add("0".repeat(32)));
    assert.ok(set.has("0".repeat(32)) && !set.add("0".repeat(32)));
    for (let at = 1; at <= 5000; at++) assert.ok(set.add(at.toString(16).padStart(32, "0")));
    assert.equal(set.size, 5001);
  }
});

test("IdSet: a large one needs about 20 bytes an ID", () => {
  const set = new IdSet();
  for (let at = 0; at < 300_000; at++) set.add(sha256Hex(at));
  assert.equal(set.size, 300_000);
  assert.ok(set.memoryBytes / set.size <= 26, `${set.memoryBytes / set.size} bytes`);
  assert.ok(set.has(sha256Hex(299_999)) && !set.has(sha256Hex(300_000)));
});

test("IdSet: neither alike IDs nor one set poured into another make it slow", () => {
  const alike = new IdSet();
  const id = (at: number): string => at.toString(16).padStart(32, "0");
  for (let at = 0; at < 200_000; at++) alike.add(id(at));
  const joined = new IdSet();
  joined.addAll(alike);
  assert.equal(joined.size, 200_000);
  assert.ok(joined.has(id(199_999)) && !joined.has(id(200_000)));
});

function sha256Hex(value: number): string {
  return createHash("sha256").update(String(value)).digest("hex");
}

test("IdSet: an ID is not taken for one that is longer, shorter or has another prefix", () => {
  const id = "0123456789abcdef0123456789abcd00";
  const set = new IdSet();
  set.add(id);
  const others = [
    `${id}00`,
    id.slice(0, -2),
    `${id}~AA`,
    `k${id}`,
    `I${id}`,
    id + id,
    `${id}${id}~A`,
  ];
  for (const other of others) assert.ok(!set.has(other), other);
  for (const other of others) assert.ok(set.add(other), other);
  assert.ok(!set.has(`${id}~AB`) && !set.has(`II${id}`) && !set.has(`kI${id}`));
  assert.equal(set.size, 1 + others.length);
});

test("IdSet: nobody can compute an ID with another prefix that is taken for a given one", () => {
  const first = 0x01234567;
  const rest = "89abcdef0123456789abcdef";
  const set = new IdSet();
  set.add(`${first.toString(16).padStart(8, "0")}${rest}`);
  for (const prefix of ["g", "k", "m", "x", "z", "I", "Ix"]) {
    let tag = 0;
    for (const letter of prefix) tag = (Math.imul(tag, 31) + letter.charCodeAt(0)) | 0;
    const alike = (first ^ Math.imul(tag, 0x9e3779b1)) >>> 0;
    assert.ok(!set.has(`${prefix}${alike.toString(16).padStart(8, "0")}${rest}`), prefix);
  }
});

test("IdSet: the hash of a content without prefix is its ID, of any length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (hash) => {
      const byHash = new IdSet();
      assert.ok(byHash.add(hash));
      assert.ok(byHash.has(bytesToHex(hash)) && byHash.has(hash));
      assert.ok(!byHash.add(bytesToHex(hash)));
      const byText = new IdSet();
      byText.add(bytesToHex(hash));
      assert.ok(byText.has(hash) && !byText.has(hash.subarray(1)));
      assert.ok(!byText.has(concatBytes(hash, Uint8Array.of(0))));
    }),
    { numRuns: numRuns() },
  );
});
