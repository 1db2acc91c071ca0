import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { numRuns } from "../testkit/property.ts";
import { extrapolationMatrix, invert, invertMatrix, multiply } from "./galois.ts";

/** Multiplication as the definition has it: shift, add, reduce. */
function multiplyBySteps(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= a << bit;
  }
  for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8);
  return product;
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = multiply(result, base);
  return result;
}

function matrixProduct(a: readonly Uint8Array[], b: readonly Uint8Array[]): number[][] {
  return a.map((row) =>
    Array.from(b[0]!, (_, column) =>
      row.reduce((sum, each, k) => sum ^ multiply(each, b[k]![column]!), 0),
    ),
  );
}

test("multiply: agrees with the definition for all pairs, and invert with multiply", () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) assert.equal(multiply(a, b), multiplyBySteps(a, b));
    if (a !== 0) assert.equal(multiply(a, invert(a)), 1);
  }
});

test("extrapolationMatrix: the lower rows of a Vandermonde matrix times the inverse of its top", () => {
  for (const [count, extra] of [
    [6, 2],
    [128, 4],
    [1, 3],
  ] as const) {
    const vandermonde = Array.from({ length: count + extra }, (_, r) =>
      Uint8Array.from({ length: count }, (__, c) => power(r, c)),
    );
    const expected = matrixProduct(
      vandermonde.slice(count),
      invertMatrix(vandermonde.slice(0, count)),
    );
    assert.deepEqual(
      extrapolationMatrix(count, extra).map((row) => [...row]),
      expected,
    );
  }
});

test("invertMatrix: a matrix times its inverse is the identity; a singular one is a RangeError", () => {
  const property = fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(100), (size, shift) => {
    const rows = extrapolationMatrix(100 + shift, size).map((row) =>
      row.slice(shift, shift + size),
    );
    const identity = rows.map((_, r) => rows.map((__, c) => Number(r === c)));
    assert.deepEqual(matrixProduct(rows, invertMatrix(rows)), identity);
  });
  fc.assert(property, { numRuns: numRuns() });
  assert.throws(() => invertMatrix([Uint8Array.of(1, 2), Uint8Array.of(1, 2)]), RangeError);
});
