import assert from "node:assert/strict";
import { test } from "node:test";
import { isBlobId, toBlobId } from "./index.ts";

test("toBlobId: names that kopia makes pass unchanged", () => {
  const names = [
    "kopia.repository",
    "p273533a9a6eb8eef481dcfb84d1fede0-s0e9099296a9b76fa147",
    "_log_20261123",
    "xe12",
    "A.b-C_9",
    "a".repeat(255),
  ];
  for (const name of names) assert.equal(toBlobId(name), name);
});

test("toBlobId: what could name another file is SEJF_INVALID_ID", () => {
  const names = [
    "",
    ".",
    "..",
    ".shards",
    "a/b",
    "a\\b",
    "a..b",
    "..a",
    "a\0",
    "a b",
    "ą",
    "a\n",
    "a:b",
    "a%2f",
    "a".repeat(256),
  ];
  for (const name of names) {
    assert.equal(isBlobId(name), false, JSON.stringify(name));
    assert.throws(() => toBlobId(name), { code: "SEJF_INVALID_ID" });
  }
});
