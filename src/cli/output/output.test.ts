import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonText } from "./json.ts";
import { formatMode } from "./mode.ts";
import { checkTimeZone, formatTime, formatTimePrecise } from "./time.ts";
import { formatBytes, formatBytesPerSecond, formatCount } from "./units.ts";

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

test("formatTime: UTC is written without the zone database, and the same", () => {
  const years = ["0001", "0999", "1969", "1970", "2026", "9999"];
  const times = years.map((year) => BigInt(Date.parse(`${year}-03-01T00:00:59.999Z`)) * 1_000_000n);
  for (const time of [...times, -1n, 0n, times[5]! + 400n * 86_400_000_000_000n]) {
    assert.equal(formatTime(time, "utc"), formatTime(time, "Etc/UTC"));
    assert.equal(formatTimePrecise(time, "utc"), formatTimePrecise(time, "Etc/UTC"));
  }
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
