import assert from "node:assert/strict";
import { test } from "node:test";
import { compactPins, compactReasons } from "./compact-reasons.ts";

test("compactReasons: runs of numbers join, classes in kopia's order", () => {
  assert.deepEqual(
    compactReasons([
      "latest-2",
      "latest-1",
      "hourly-1",
      "daily-1",
      "weekly-3",
      "latest-4",
      "incomplete",
    ]),
    ["incomplete", "latest-1..2", "latest-4", "hourly-1", "daily-1", "weekly-3"],
  );
  assert.deepEqual(compactPins(["b", "a", "b"]), ["a", "b"]);
});
