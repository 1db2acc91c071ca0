import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../testkit/property.ts";
import { IdLengths } from "./id-lengths.ts";

test("IdLengths: behaves as a map of texts while it grows, with and without lengths", () => {
  const id = fc
    .tuple(fc.constantFrom("", "k", "Ix"), fc.nat(2000))
    .map(([marks, value]) => marks + value.toString(16).padStart(32, "0"));
  const length = fc.option(fc.oneof(fc.nat(3), fc.nat(2 ** 28)), { nil: undefined });
  const step = fc.oneof(
    { weight: 200, arbitrary: fc.tuple(id, length) },
    { weight: 1, arbitrary: fc.constant("forget" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 5000 }), (steps) => {
      const lengths = new IdLengths();
      const model = new Map<string, number | undefined>();
      for (const one of steps) {
        if (one === "forget") {
          lengths.forgetLengths();
          for (const known of model.keys()) model.set(known, undefined);
          continue;
        }
        const [text, lengthBytes] = one;
        assert.equal(lengths.has(text), model.has(text));
        assert.equal(lengths.lengthOf(text), model.get(text));
        assert.equal(lengths.add(text, lengthBytes), !model.has(text));
        model.set(text, lengthBytes);
        assert.equal(lengths.lengthOf(text), lengthBytes);
      }
      assert.equal(lengths.size, model.size);
      for (const [text, lengthBytes] of model) assert.equal(lengths.lengthOf(text), lengthBytes);
    }),
    { numRuns: numRuns() },
  );
});

test("IdLengths: a length that has no place is none", () => {
  const lengths = new IdLengths();
  const [a, b, c] = ["a", "b", "c"].map((digit) => digit.repeat(32)) as [string, string, string];
  lengths.add(a, 2 ** 31 - 2);
  lengths.add(b, 2 ** 31 - 1);
  lengths.add(c, 2 ** 32);
  assert.equal(lengths.lengthOf(a), 2 ** 31 - 2);
  assert.equal(lengths.lengthOf(b), undefined);
  assert.equal(lengths.lengthOf(c), undefined);
  assert.ok(lengths.has(b) && lengths.has(c));
});

test("IdLengths: a large one needs about 28 bytes an ID", () => {
  const lengths = new IdLengths();
  for (let at = 0; at < 300_000; at++) lengths.add(at.toString(16).padStart(32, "0"), at);
  assert.equal(lengths.size, 300_000);
  assert.ok(
    lengths.memoryBytes / lengths.size <= 33,
    `${lengths.memoryBytes / lengths.size} bytes`,
  );
  assert.equal(lengths.lengthOf((299_999).toString(16).padStart(32, "0")), 299_999);
});
