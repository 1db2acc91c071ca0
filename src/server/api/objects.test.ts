import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { disposition, parseRange } from "./objects.ts";

test("parseRange: the forms of the standard", () => {
  assert.deepEqual(parseRange("bytes=0-3", 10), { offset: 0, length: 4 });
  assert.deepEqual(parseRange("bytes=4-", 10), { offset: 4, length: 6 });
  assert.deepEqual(parseRange("bytes=4-99", 10), { offset: 4, length: 6 });
  assert.deepEqual(parseRange("bytes=-3", 10), { offset: 7, length: 3 });
  assert.deepEqual(parseRange("bytes=-30", 10), { offset: 0, length: 10 });
  assert.equal(parseRange("bytes=10-", 10), "impossible");
  assert.equal(parseRange("bytes=-0", 10), "impossible");
  assert.equal(parseRange("bytes=0-", 0), "impossible");
});

test("parseRange: what is not one range is the whole", () => {
  for (const header of [
    undefined,
    "",
    "bytes=-",
    "bytes=5-4",
    "bytes=0-1,3-4",
    "lines=0-1",
    "bytes=1e3-",
  ])
    assert.equal(parseRange(header, 10), "whole", String(header));
});

test("parseRange: any range lies inside of the object", () => {
  const property = fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(), (junk, a, b, size) => {
    for (const header of [junk, `bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`]) {
      const range = parseRange(header, size);
      if (typeof range === "string") continue;
      assert.ok(range.offset >= 0 && range.length > 0 && range.offset + range.length <= size);
    }
  });
  fc.assert(property, { numRuns: numRuns() });
});

test("disposition: a name is quoted, in both forms", () => {
  assert.equal(disposition(""), "attachment");
  assert.equal(
    disposition('a"b; filename=x.exe'),
    `attachment; filename="a_b_ filename=x.exe"; filename*=UTF-8''a%22b%3B%20filename%3Dx.exe`,
  );
  assert.equal(
    disposition("żółw.txt"),
    `attachment; filename="___w.txt"; filename*=UTF-8''%C5%BC%C3%B3%C5%82w.txt`,
  );
  assert.equal(disposition("../../etc/passwd").includes("/"), false);
});

test("disposition: no name can end the header, its quotes, or add a line", () => {
  // Any code units, lone surrogates among them.
  const units = fc.array(fc.oneof(fc.nat(0xffff), fc.nat(0x7f)), { maxLength: 300 });
  const property = fc.property(units, (codes) => {
    const text = String.fromCharCode(...codes);
    const header = disposition(text);
    assert.match(header, /^attachment(?:; filename="[ -~]*"; filename\*=UTF-8''[!-~]*)?$/);
    assert.ok((header.match(/"/g) ?? []).length <= 2);
    assert.ok(new Headers({ "content-disposition": header }).has("content-disposition"));
  });
  fc.assert(property, { numRuns: numRuns() });
});
