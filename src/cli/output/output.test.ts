import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { jsonText } from "./json.ts";
import { formatMode } from "./mode.ts";
import { checkTimeZone, formatTime, formatTimePrecise } from "./time.ts";
import { formatBytes, formatBytesPerSecond, formatCount } from "./units.ts";

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

test("formatBytes: kopia's rounding and units", () => {
  const expected: readonly (readonly [number, string])[] = [
    [0, "0 B"],
    [6, "6 B"],
    [899, "899 B"],
    [900, "0.9 KB"],
    [1138, "1.1 KB"],
    [300_006, "300 KB"],
    [31_457_280, "31.5 MB"],
    [10_485_760, "10.5 MB"],
    [20_971_520, "21 MB"],
    [270_553_174_016, "270.6 GB"],
    [1e21, "1000 EB"],
  ];
  for (const [bytes, text] of expected) assert.equal(formatBytes(bytes), text);
  assert.equal(formatBytesPerSecond(1e6), "1 MB/s");
  assert.equal(formatCount(12_345), "12.3 K");
});

test("formatMode: Go's letters", () => {
  assert.equal(formatMode("d", 0o755), "drwxr-xr-x");
  assert.equal(formatMode("f", 0o644), "-rw-r--r--");
  assert.equal(formatMode("s", 0o777), "Lrwxrwxrwx");
  assert.equal(formatMode("f", 0o4755), "urwxr-xr-x");
  assert.equal(formatMode("d", 0o3775), "dgtrwxrwxr-x");
});

test("formatTime: the zone's own abbreviation, as Go has it", () => {
  const time = 1_795_613_744_344_404_512n;
  assert.equal(formatTime(time, "utc"), "2026-11-25 13:35:44 UTC");
  assert.equal(formatTime(time, "Europe/Warsaw"), "2026-11-25 14:35:44 CET");
  assert.equal(formatTime(time, "America/New_York"), "2026-11-25 08:35:44 EST");
  assert.equal(formatTime(time, "Asia/Tokyo"), "2026-11-25 22:35:44 JST");
  assert.equal(formatTime(time, "America/Sao_Paulo"), "2026-11-25 10:35:44 -03");
  assert.equal(formatTimePrecise(time, "original"), "2026-11-25 13:35:44.344 UTC");
  assert.equal(formatTimePrecise(-1n, "utc"), "1969-12-31 23:59:59.999 UTC");
  assert.throws(() => checkTimeZone("Mars/Phobos"), { code: "SEJF_INVALID_ARGUMENT" });
});

test("jsonText: indented, everything that Go escapes is escaped", () => {
  const value = { a: "<&>", list: [], n: 1 };
  assert.equal(
    jsonText(value, { json: true, jsonIndent: false }),
    '{"a":"\\u003c\\u0026\\u003e","list":[],"n":1}',
  );
  assert.equal(
    jsonText(value, { json: true, jsonIndent: true }, "  "),
    '{\n    "a": "\\u003c\\u0026\\u003e",\n    "list": [],\n    "n": 1\n  }',
  );
});
