import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSejfError } from "../errors/index.ts";
import { numRuns } from "../testkit/property.ts";
import { formatTimestamp, parseTimestamp } from "./index.ts";

test("formatTimestamp: cuts the zeros of the fraction, also before 1970", () => {
  assert.equal(formatTimestamp(0n), "1970-01-01T00:00:00Z");
  assert.equal(formatTimestamp(1_767_323_045_123_456_789n), "2026-01-02T03:04:05.123456789Z");
  assert.equal(formatTimestamp(1_767_323_045_100_000_000n), "2026-01-02T03:04:05.1Z");
  assert.equal(formatTimestamp(-1n), "1969-12-31T23:59:59.999999999Z");
  assert.equal(formatTimestamp(-6_795_364_578_871_345_152n), "1754-08-30T22:43:41.128654848Z");
  assert.throws(() => formatTimestamp(-(10n ** 20n)), RangeError);
});

test("parseTimestamp: accepts offsets and refuses days that are not", () => {
  assert.equal(parseTimestamp("2026-01-02T05:04:05.5+02:00"), 1_767_323_045_500_000_000n);
  assert.equal(parseTimestamp("2026-01-02T03:04:05.1234567891Z"), 1_767_323_045_123_456_789n);
  for (const bad of [
    "2026-02-30T00:00:00Z",
    "2026-01-02",
    "2026-01-02T24:00:00Z",
    "2026-01-02T00:00:00",
    "",
    "2026-1-2T00:00:00Z",
  ]) {
    assert.throws(() => parseTimestamp(bad), { code: "SEJF_CORRUPT" }, bad);
  }
});

test("parseTimestamp undoes formatTimestamp", () => {
  const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(time, (value) => parseTimestamp(formatTimestamp(value)) === value),
    { numRuns: numRuns() },
  );
});

test("parseTimestamp: any text is a time or SEJF_CORRUPT", () => {
  const digits = fc.stringMatching(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)$/,
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), digits), (text) => {
      try {
        assert.equal(typeof parseTimestamp(text), "bigint");
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
      }
    }),
    { numRuns: numRuns() },
  );
});
