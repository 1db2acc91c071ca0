import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSejfError } from "../errors/index.ts";
import { numRuns } from "../testkit/property.ts";
import { longestSealed, padme, padSealed, SEALED_HEADER_BYTES, unpadSealed } from "./index.ts";

/** Header and body of this length, padded. */
function padded(length: number, fill: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(padme(length + 1));
  bytes.fill(fill, 0, length);
  bytes[0] = 1;
  // What lay there before.
  bytes.fill(0xee, length);
  assert.equal(padSealed(bytes, length), bytes.length);
  return bytes;
}

test("unpadSealed: undoes padSealed, whatever the length and the last bytes", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: SEALED_HEADER_BYTES, max: 300 }), fc.nat({ max: 200_000 })),
      fc.constantFrom(0, 0x80, 7),
      (wanted, fill) => {
        const length = Math.max(wanted, SEALED_HEADER_BYTES);
        const plain = unpadSealed("id", padded(length, fill));
        assert.equal(plain.length, length);
        assert.equal(plain.at(-1), length === 1 ? 1 : fill);
        assert.ok(length + 17 <= longestSealed(length - SEALED_HEADER_BYTES));
      },
    ),
    { numRuns: 10 * numRuns() },
  );
});

test("unpadSealed: any bytes give header and body or SEJF_CORRUPT", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        assert.ok(unpadSealed("id", bytes).length < bytes.length);
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
      }
    }),
    { numRuns: 10 * numRuns() },
  );
});

test("unpadSealed: one byte in the padding, a longer or a shorter one, or another version is refused", () => {
  const good = padded(5000, 9);
  for (const at of [5001, 5010, good.length - 1]) {
    const bad = good.slice();
    bad[at] = 1;
    assert.throws(() => unpadSealed("id", bad), { code: "SEJF_CORRUPT" });
  }
  const longer = new Uint8Array(good.length + 64);
  longer.set(good);
  assert.throws(() => unpadSealed("id", longer), { code: "SEJF_CORRUPT" });
  assert.throws(() => unpadSealed("id", good.subarray(0, -1)), { code: "SEJF_CORRUPT" });
  const other = good.slice();
  other[0] = 2;
  assert.throws(() => unpadSealed("id", other), { code: "SEJF_CORRUPT" });
});
