import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { indentJson } from "./json-indent.ts";

test("indentJson: lines as JSON.stringify breaks them, for any value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const compact = JSON.stringify(value);
      assert.equal(indentJson(compact, "it"), JSON.stringify(value, null, 2));
      assert.equal(
        indentJson(JSON.stringify(value, null, 7), "it"),
        JSON.stringify(value, null, 2),
      );
    }),
    { numRuns: numRuns() },
  );
});

test("indentJson: numbers, escapes and the order of members stay as they are", () => {
  assert.equal(
    indentJson('{"2":12345678901234567890,"1":1.50,"s":"\\u003c{[:,\\"","e":[ ],"o":{ }}', "it"),
    '{\n  "2": 12345678901234567890,\n  "1": 1.50,\n  "s": "\\u003c{[:,\\"",\n  "e": [],\n  "o": {}\n}',
  );
});

test("indentJson: white space behind the value stays", () => {
  assert.equal(indentJson('{"a":1}\n', "it"), '{\n  "a": 1\n}\n');
});

test("indentJson: what is no JSON is told", () => {
  assert.throws(() => indentJson("{", "blob x"), {
    code: "SEJF_CORRUPT",
    message: "blob x is not JSON",
  });
});
