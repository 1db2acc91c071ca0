import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { isPlainName, joinLocal, localName, nameBytes, nameText } from "./names.ts";

test("isPlainName: refuses everything that leaves the directory", () => {
  for (const name of [
    "",
    ".",
    "..",
    "a/b",
    "/",
    "../x",
    "a\0b",
    "x".repeat(256),
    "ä".repeat(128),
  ]) {
    assert.equal(isPlainName(name, "linux"), false, JSON.stringify(name.slice(0, 20)));
  }
  for (const bytes of [[], [0x2e], [0x2e, 0x2e], [0xff, 0x2f], [0xff, 0]]) {
    assert.equal(isPlainName(Uint8Array.from(bytes), "linux"), false, String(bytes));
  }
});

test("isPlainName: takes what a Unix name may be", () => {
  for (const name of [
    "a",
    "...",
    ".x",
    "a b",
    "a\\b",
    "con",
    "x".repeat(255),
    "ä".repeat(127),
    "\n",
  ]) {
    assert.equal(isPlainName(name, "linux"), true, JSON.stringify(name.slice(0, 20)));
  }
  assert.equal(isPlainName(Uint8Array.of(0xff, 0xfe), "linux"), true);
});

test("isPlainName: on Windows also separators, streams, devices and what is cut off", () => {
  for (const name of ["a\\b", "a:b", "CON", "con.txt", "lpt1", "x.", "x ", "a*", "COM¹"]) {
    assert.equal(isPlainName(name, "win32"), false, name);
  }
  assert.equal(isPlainName("console.txt", "win32"), true);
  assert.equal(isPlainName(Uint8Array.of(0xff), "win32"), false);
});

test("isPlainName: bytes and text agree wherever both are possible", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 90 }), (name) => {
      const bytes = nameBytes(name);
      if (nameText(localName(bytes)) !== name) return;
      assert.equal(isPlainName(new Uint8Array(bytes), "linux"), isPlainName(name, "linux"));
    }),
    { numRuns: numRuns() },
  );
});

test("joinLocal: text stays text, bytes make bytes, one separator", () => {
  assert.equal(joinLocal("/a", "b"), "/a/b");
  assert.equal(joinLocal("/", "b"), "/b");
  assert.deepEqual(joinLocal("/a", Uint8Array.of(0xff)), Uint8Array.of(0x2f, 0x61, 0x2f, 0xff));
  assert.deepEqual(joinLocal(Uint8Array.of(0xff, 0x2f), "b"), Uint8Array.of(0xff, 0x2f, 0x62));
});
