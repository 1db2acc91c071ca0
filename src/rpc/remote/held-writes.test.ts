import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContentId } from "../../format/index.ts";
import { HeldWrites } from "./held-writes.ts";
import { type Place, UnflushedContent } from "./unflushed-units.ts";

function unit(name: string, lengthBytes: number, place: Place): UnflushedContent {
  const manner = { prefix: "", compressor: undefined } as const;
  return new UnflushedContent(name as ContentId, manner, new Uint8Array(lengthBytes), place);
}

test("HeldWrites: what was answered is held up to a bound, beyond it nothing until the next flush", () => {
  const held = new HeldWrites(10);
  const units = ["a", "b", "c"].map((name) => unit(name, 4, "own"));
  const [a, b, c] = units as [UnflushedContent, UnflushedContent, UnflushedContent];
  held.hold(a);
  held.hold(b);
  assert.ok(!held.isPast && a.data !== undefined && b.data !== undefined);
  held.hold(c);
  assert.ok(held.isPast);
  for (const one of units) assert.equal(one.data, undefined);
  held.flushed(units, []);
  assert.ok(!held.isPast);
});

test("HeldWrites: borrowed bytes are let go with the answer, also when a flush came in between", () => {
  const held = new HeldWrites(10);
  held.flushed([], []);
  const own = unit("own", 1, "own");
  const borrowed = unit("borrowed", 1, "borrowed");
  held.hold(own);
  held.hold(borrowed);
  assert.equal(borrowed.data, undefined, "somebody else writes there by now");
  assert.ok(held.isPast, "a break loses it");
});
