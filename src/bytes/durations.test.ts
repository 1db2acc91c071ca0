import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../testkit/property.ts";
import { formatDuration, parseDuration } from "./durations.ts";

test("formatDuration: as Go prints it", () => {
  const expected: Readonly<Record<string, bigint>> = {
    "0s": 0n,
    "5ns": 5n,
    "1.5µs": 1_500n,
    "120ms": 120_000_000n,
    "1.5s": 1_500_000_000n,
    "15m0s": 900_000_000_000n,
    "24h0m0s": 86_400_000_000_000n,
    "1h0m0.000000001s": 3_600_000_000_001n,
    "-1m5s": -65_000_000_000n,
  };
  for (const [text, ns] of Object.entries(expected)) {
    assert.equal(formatDuration(ns), text);
    assert.equal(parseDuration(text), ns);
  }
});

test("parseDuration: what Go reads, and nothing else", () => {
  assert.equal(parseDuration("1.5h"), 5_400_000_000_000n);
  assert.equal(parseDuration("1h30m"), 5_400_000_000_000n);
  assert.equal(parseDuration(".5s"), 500_000_000n);
  assert.equal(parseDuration("+0"), 0n);
  for (const bad of ["", "5", "s", "1d", "1 h", "-", ".s", "1h-5m", "99999999999h"])
    assert.equal(parseDuration(bad), undefined, bad);
});

test("parseDuration undoes formatDuration", () => {
  const duration = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n });
  fc.assert(
    fc.property(duration, (ns) => parseDuration(formatDuration(ns)) === ns),
    { numRuns: numRuns() },
  );
});
