import assert from "node:assert/strict";
import { test } from "node:test";
import { goJson, goJsonString } from "./index.ts";

test("goJsonString: escapes what Go escapes and nothing else", () => {
  assert.equal(goJsonString("plain ünï 🎈 \u007f"), '"plain ünï 🎈 \u007f"');
  assert.equal(goJsonString('h<t>m&l "q" \\'), '"h\\u003ct\\u003em\\u0026l \\"q\\" \\\\"');
  assert.equal(goJsonString("\b\f\n\r\t\u0001\u001f"), '"\\b\\f\\n\\r\\t\\u0001\\u001f"');
  assert.equal(goJsonString("a\u2028b\u2029"), '"a\\u2028b\\u2029"');
});

test("goJsonString: a lone surrogate is the escape, a real U+FFFD is not", () => {
  assert.equal(goJsonString("a\udcffb\ufffd<"), '"a\\ufffdb\ufffd\\u003c"');
  assert.equal(goJsonString("\udcff\udcfe\\ud800"), '"\\ufffd\\ufffd\\\\ud800"');
});

test("goJson: keeps the order of keys and escapes inside", () => {
  assert.equal(
    goJson({ b: "<", a: [1, null, undefined], c: undefined }),
    '{"b":"\\u003c","a":[1,null,null]}',
  );
});
