import assert from "node:assert/strict";
import { test } from "node:test";
import { shortensRetention } from "./policy-parts.ts";

const keep = (retention: object): { readonly retention: object } => ({ retention });

test("shortensRetention: fewer of anything, or what nobody understands", () => {
  const before = keep({ keepLatest: 10, keepDaily: 7 });
  for (const after of [
    null,
    {},
    keep({ keepLatest: 10 }),
    keep({ keepLatest: 9, keepDaily: 700 }),
    keep({ keepLatest: 10, keepDaily: null }),
    keep({ keepLatest: 10, keepDaily: "7" }),
    keep({ keepLatest: 10, keepDaily: 7, ignoreIdenticalSnapshots: true }),
    keep({ keepLatest: 10, keepDaily: 7, keepDecades: {} }),
  ])
    assert.equal(shortensRetention(before, after), true, JSON.stringify(after));
  for (const after of [
    before,
    keep({ keepLatest: 11, keepDaily: 7, keepAnnual: 1 }),
    { ...before, scheduling: { manual: true } },
    keep({ keepLatest: 10, keepDaily: 7, ignoreIdenticalSnapshots: false }),
  ])
    assert.equal(shortensRetention(before, after), false, JSON.stringify(after));
  assert.equal(shortensRetention(null, before), false);
  assert.equal(shortensRetention(null, null), false);
  assert.equal(shortensRetention(keep({ keepLatest: "x" }), keep({ keepLatest: "x" })), false);
});
