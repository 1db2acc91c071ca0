import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { openStorage } from "../index.ts";

const { cache } = createRequire(import.meta.url);

function isSdkLoaded(): boolean {
  return Object.keys(cache).some((path) => path.includes("@aws-sdk"));
}

test("the SDK is loaded for a bucket, and for nothing else", async () => {
  await assert.rejects(openStorage({ type: "filesystem", config: { path: "/nowhere/at/all" } }));
  assert.equal(isSdkLoaded(), false);
  await assert.rejects(openStorage({ type: "s3", config: { bucket: "" } }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  assert.equal(isSdkLoaded(), true);
});
