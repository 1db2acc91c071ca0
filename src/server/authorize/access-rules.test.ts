import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Labels, ManifestStore } from "../../manifest/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { kopiaAclLevel, kopiaLegacyLevel } from "../../testkit/kopia-access.ts";
import { memoryRepository } from "../../testkit/memory-repository.ts";
import { numRuns } from "../../testkit/property.ts";
import { testAccount } from "../../testkit/server-parts.ts";
import type { AccessRights, Account } from "../types.ts";
import { openAccessRules } from "./access-rules.ts";
import { addAclEntry, enableAcl } from "./acl-entries.ts";
import { ACCESS_LEVELS, type AclEntry, DEFAULT_ENTRIES, levelRank } from "./acl-entry.ts";
import { kindOfLabels } from "./label-sets.ts";

const ALICE = testAccount("alice@laptop");
const OWN_SNAPSHOT = { type: "snapshot", username: "alice", hostname: "laptop", path: "/home" };

async function rightsWith(
  entries: readonly AclEntry[],
  account: Account = ALICE,
): Promise<AccessRights> {
  const { manifests, clock } = memoryRepository();
  for (const entry of entries) await manifests.put({ type: "acl" }, entry);
  return await openAccessRules({ manifests, clock }).rightsOf(account);
}

/** Label sets near the legal ones. */
const LABELS: fc.Arbitrary<Labels> = fc
  .record(
    {
      type: fc.constantFrom(
        "snapshot",
        "policy",
        "user",
        "acl",
        "maintenance",
        "sejfAccount",
        "content",
      ),
      policyType: fc.constantFrom("global", "host", "user", "path", "other"),
      username: fc.constantFrom("alice", "bob", "alice@laptop", "bob@pc", ""),
      hostname: fc.constantFrom("laptop", "pc", ""),
      path: fc.constantFrom("/home", "/", ""),
      "tag:x": fc.constantFrom("1", ""),
      other: fc.constant("1"),
    },
    { requiredKeys: ["type"] },
  )
  .map((labels) => labels as Labels);

const ENTRY: fc.Arbitrary<AclEntry> = fc.record({
  user: fc.constantFrom("*@*", "alice@*", "*@laptop", "alice@laptop", "bob@pc"),
  access: fc.constantFrom(...ACCESS_LEVELS),
  target: fc.constantFrom<Labels>(
    { type: "snapshot" },
    { type: "snapshot", username: "OWN_USER", hostname: "OWN_HOST" },
    { type: "snapshot", path: "/home" },
    { type: "policy" },
    { type: "policy", policyType: "path", hostname: "OWN_HOST" },
    { type: "policy", username: "OWN_USER" },
    { type: "user" },
    { type: "user", username: "OWN_USER@OWN_HOST" },
    { type: "acl" },
    { type: "content" },
  ),
});

test("rightsOf: never more than Kopia grants; the same for snapshots and policies with exact labels", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(ENTRY, { maxLength: 5 }), LABELS, async (entries, labels) => {
      const rights = await rightsWith(entries);
      const theirs =
        entries.length === 0
          ? kopiaLegacyLevel(ALICE, labels)
          : kopiaAclLevel(entries, ALICE, labels);
      const ours = rights.manifest(labels);
      assert.ok(levelRank(ours) <= levelRank(theirs));
      const kind = kindOfLabels(labels);
      if (kind === undefined) assert.equal(ours, "NONE");
      else if (kind !== "acl" && kind !== "user") assert.equal(ours, theirs);
      const content = kopiaAclLevel(entries, ALICE, { type: "content" });
      assert.equal(rights.content, entries.length === 0 ? "FULL" : content);
    }),
    { numRuns: numRuns(200) },
  );
});

test("rightsOf: an append-only account never gets more than APPEND", async () => {
  const account = testAccount("alice@laptop", { appendOnly: true });
  await fc.assert(
    fc.asyncProperty(fc.array(ENTRY, { maxLength: 5 }), LABELS, async (entries, labels) => {
      const rights = await rightsWith(entries, account);
      assert.notEqual(rights.manifest(labels), "FULL");
      assert.notEqual(rights.content, "FULL");
    }),
    { numRuns: numRuns(100) },
  );
  const legacy = await rightsWith([], account);
  assert.deepEqual([legacy.content, legacy.manifest(OWN_SNAPSHOT)], ["APPEND", "APPEND"]);
});

test("without ACL: nobody takes over the repository by labels of its own (finding 12.2)", async () => {
  const rights = await rightsWith([]);
  for (const type of [
    "acl",
    "maintenance",
    "notificationProfile",
    "notificationTemplate",
    "user",
    "sejfAccount",
  ]) {
    const labels = { type, username: "alice", hostname: "laptop" };
    assert.equal(kopiaLegacyLevel(ALICE, labels), "FULL", "the attack works with Kopia's rule");
    assert.equal(rights.manifest(labels), "NONE");
  }
});

test("an entry that was planted by labels of its own does not count (finding 12.2)", async () => {
  const { manifests, clock } = memoryRepository();
  await manifests.put(
    { type: "acl", username: "alice", hostname: "laptop" },
    { user: "alice@laptop", target: { type: "snapshot" }, access: "FULL" },
  );
  const bobs = { type: "snapshot", username: "bob", hostname: "pc", path: "/" };
  const planted = await manifests.find({ type: "acl" });
  assert.equal(planted.length, 1, "the attack works with Kopia's rule: it finds the entry");
  const rights = await openAccessRules({ manifests, clock }).rightsOf(ALICE);
  assert.equal(rights.manifest(bobs), "NONE");
  assert.equal(rights.manifest(OWN_SNAPSHOT), "FULL");
  const bob = await openAccessRules({ manifests, clock }).rightsOf(testAccount("bob@pc"));
  assert.equal(bob.manifest(bobs), "FULL", "the others are not locked out");
});

test("with the default entries: labels too many make no global policy of an own one (finding 12.4)", async () => {
  const rights = await rightsWith(DEFAULT_ENTRIES);
  for (const policyType of ["global", "host"]) {
    const labels = { type: "policy", policyType, username: "alice", hostname: "laptop" };
    assert.equal(
      kopiaAclLevel(DEFAULT_ENTRIES, ALICE, labels),
      "FULL",
      "the attack works with Kopia's rule",
    );
    assert.equal(rights.manifest(labels), "NONE");
  }
  assert.equal(rights.manifest({ type: "policy", policyType: "global" }), "READ");
});

test("entries never let an account write entries or other accounts", async () => {
  const rights = await rightsWith([
    { user: "*@*", target: { type: "acl" }, access: "FULL" },
    { user: "*@*", target: { type: "user" }, access: "FULL" },
  ]);
  assert.equal(rights.manifest({ type: "acl" }), "READ");
  assert.equal(rights.manifest({ type: "user", username: "bob@pc" }), "READ");
  assert.equal(rights.manifest({ type: "user", username: "alice@laptop" }), "FULL");
});

test("an entry that cannot be read grants nothing, and does not bring back the rules without ACL", async () => {
  for (const data of [
    [],
    { user: "alice@laptop" },
    { user: 5, target: {}, access: "FULL" },
    "x",
    { user: "*@*", target: {}, access: "FULL" },
  ]) {
    const rights = await rightsWith([data as unknown as AclEntry]);
    assert.deepEqual([rights.content, rights.manifest(OWN_SNAPSHOT)], ["NONE", "NONE"]);
  }
  const rights = await rightsWith([
    { user: "*@*", target: { type: "content" }, access: "EVERYTHING" as "FULL" },
  ]);
  assert.equal(rights.content, "NONE");
});

test("rightsOf: newer entries count after 10 s at most, at once after refresh", async () => {
  const clock = new FakeClock();
  const { manifests } = memoryRepository({ clock });
  const rules = openAccessRules({ manifests, clock, refreshMs: 60_000 });
  const level = async (): Promise<string> => (await rules.rightsOf(ALICE)).content;
  assert.equal(await level(), "FULL");
  await enableAcl(manifests);
  assert.equal(await level(), "FULL");
  clock.advance(10_000);
  assert.equal(await level(), "APPEND");
  await addAclEntry(manifests, { user: "alice@*", target: { type: "content" }, access: "FULL" });
  assert.equal(await level(), "APPEND");
  rules.refresh();
  assert.equal(await level(), "FULL");
});

test("rightsOf: a failure to read is a failure, not a grant", async () => {
  const failing = {
    find: async () => await Promise.reject(new Error("disk")),
  } as unknown as ManifestStore;
  const rules = openAccessRules({ manifests: failing, clock: new FakeClock() });
  await assert.rejects(rules.rightsOf(ALICE), /disk/);
});
