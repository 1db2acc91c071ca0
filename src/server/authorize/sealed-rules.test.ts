import assert from "node:assert/strict";
import { test } from "node:test";
import type { Labels } from "../../manifest/index.ts";
import { testAccount } from "../../testkit/server-parts.ts";
import { kindOfLabels } from "./label-sets.ts";
import { assertSide } from "./sealed-rules.ts";

const SEALED = testAccount("alice@laptop", { encryption: "client" });
const MANAGED = testAccount("alice@laptop");
const PLACE = { username: "alice", hostname: "laptop" };
const PATH = "/sealed/abcdefghijklmnopqrst";
const TIME = "2026-01-01T00:00:00Z";
const SNAPSHOT = { type: "snapshot", ...PLACE, path: PATH };
const ROOT = { name: "sealed", type: "d", mode: "0700", mtime: TIME, obj: "k1", summ: {} };
const MANIFEST = {
  id: "",
  source: { host: "laptop", userName: "alice", path: PATH },
  description: "",
  startTime: TIME,
  endTime: TIME,
  rootEntry: ROOT,
};

function check(account: typeof SEALED, labels: Labels, json: object): () => void {
  return () => {
    const kind = kindOfLabels(labels);
    assert.ok(kind !== undefined, "legal labels");
    assertSide(account, kind, labels, json);
  };
}

test("assertSide: a sealed account's snapshots and policies as they should be", () => {
  check(SEALED, SNAPSHOT, MANIFEST)();
  check(SEALED, SNAPSHOT, { ...MANIFEST, incomplete: "checkpoint", pins: ["keep"] })();
  const policy = { retention: { keepLatest: 3 }, scheduling: { intervalSeconds: 60 } };
  check(SEALED, { type: "policy", policyType: "user", ...PLACE }, policy)();
  check(SEALED, { type: "policy", policyType: "path", ...PLACE, path: PATH }, policy)();
  check(MANAGED, { ...SNAPSHOT, path: "/sealed-things" }, {})();
  check(MANAGED, { type: "user", username: "alice@laptop" }, {})();
});

test("assertSide: names, texts and figures of a sealed account never get in", () => {
  for (const change of [
    { description: "taxes" },
    { stats: { fileCount: 1 } },
    { tags: { a: "b" } },
    { rootEntry: { ...ROOT, name: "home" } },
    { rootEntry: { ...ROOT, mtime: "2026-01-02T00:00:00Z" } },
    { rootEntry: { ...ROOT, uid: 1000 } },
    { rootEntry: { ...ROOT, type: "f" } },
    { rootEntry: undefined },
  ])
    assert.throws(check(SEALED, SNAPSHOT, { ...MANIFEST, ...change }), JSON.stringify(change));
  for (const labels of [
    { ...SNAPSHOT, path: "/home/alice" },
    { ...SNAPSHOT, path: "/sealed/keyring" },
    { ...SNAPSHOT, path: `${PATH}/x` },
    { ...SNAPSHOT, "tag:name": "taxes" },
  ])
    assert.throws(check(SEALED, labels, MANIFEST), { code: "SEJF_ACCESS_DENIED" }, labels.path);
  for (const [labels, json] of [
    [{ type: "policy", policyType: "global" }, {}],
    [{ type: "policy", policyType: "host", hostname: "laptop" }, {}],
    [{ type: "policy", policyType: "path", ...PLACE, path: "/home/alice" }, {}],
    [{ type: "policy", policyType: "user", username: "bob", hostname: "laptop" }, {}],
    [{ type: "policy", policyType: "user", ...PLACE }, { files: {} }],
    [{ type: "user", username: "alice@laptop" }, {}],
  ] as const)
    assert.throws(
      check(SEALED, labels, json),
      { code: "SEJF_ACCESS_DENIED" },
      JSON.stringify(labels),
    );
  for (const path of ["/sealed", "/sealed/x", PATH])
    assert.throws(check(MANAGED, { ...SNAPSHOT, path }, {}), /belongs to sealed accounts/, path);
});
