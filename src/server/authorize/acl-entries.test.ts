import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ManifestId } from "../../manifest/index.ts";
import { memoryRepository } from "../../testkit/memory-repository.ts";
import { numRuns } from "../../testkit/property.ts";
import { addAclEntry, deleteAclEntry, enableAcl, listAclEntries } from "./acl-entries.ts";
import { type AclEntry, formatAclTarget, parseAclTarget } from "./acl-entry.ts";

const ENTRY: AclEntry = {
  user: "a@b",
  target: { type: "snapshot", path: "/x" },
  access: "APPEND",
};

test("addAclEntry: a higher level replaces, a lower one only with overwrite", async () => {
  const { manifests } = memoryRepository();
  const first = await addAclEntry(manifests, ENTRY);
  const second = await addAclEntry(manifests, { ...ENTRY, access: "FULL" });
  assert.notEqual(first, second);
  await assert.rejects(addAclEntry(manifests, ENTRY), { code: "SEJF_ALREADY_EXISTS" });
  const third = await addAclEntry(manifests, ENTRY, { overwrite: true });
  const other = { ...ENTRY, target: { type: "snapshot" } };
  await addAclEntry(manifests, other);
  assert.deepEqual(
    (await listAclEntries(manifests)).map(({ id, entry }) => [id === third, entry?.access]),
    [
      [true, "APPEND"],
      [false, "APPEND"],
    ],
  );
});

test("addAclEntry: stored as Kopia has it", async () => {
  const { manifests } = memoryRepository();
  const id = await addAclEntry(manifests, ENTRY);
  const { labels, text } = await manifests.get(id);
  assert.deepEqual(labels, { type: "acl" });
  assert.equal(text, '{"user":"a@b","target":{"path":"/x","type":"snapshot"},"access":"APPEND"}');
});

test("addAclEntry: what could never be meant is refused", async () => {
  const { manifests } = memoryRepository();
  const wrong: readonly Partial<AclEntry>[] = [
    { user: "a" },
    { user: "a@b@c" },
    { user: "@b" },
    { target: {} },
    { target: { type: "maintenance" } },
    { target: { type: "__proto__" } },
    { target: { type: "snapshot", other: "x" } },
    { target: { type: "snapshot", path: "" } },
    { target: { type: "policy", policyType: "all" } },
    { target: { type: "content", path: "/" } },
  ];
  for (const part of wrong)
    await assert.rejects(addAclEntry(manifests, { ...ENTRY, ...part }), {
      code: "SEJF_INVALID_ARGUMENT",
    });
  assert.deepEqual(await manifests.find({}), []);
});

test("enableAcl: defaults once, anew with reset; planted entries go too", async () => {
  const { manifests } = memoryRepository();
  assert.deepEqual(await enableAcl(manifests), []);
  await assert.rejects(enableAcl(manifests), { code: "SEJF_ALREADY_EXISTS" });
  await manifests.put({ type: "acl", username: "a", hostname: "b" }, ENTRY);
  assert.deepEqual(
    (await listAclEntries(manifests)).map(({ counts }) => counts),
    [true, true, true, true, true, true, false],
  );
  assert.equal((await enableAcl(manifests, { reset: true })).length, 7);
  assert.equal((await listAclEntries(manifests)).length, 6);
});

test("deleteAclEntry: entries only", async () => {
  const { manifests } = memoryRepository();
  const id = await addAclEntry(manifests, ENTRY);
  const snapshot = await manifests.put({ type: "snapshot" }, {});
  for (const wrong of [snapshot, "x" as ManifestId])
    await assert.rejects(deleteAclEntry(manifests, wrong), { code: "SEJF_MANIFEST_NOT_FOUND" });
  await deleteAclEntry(manifests, id);
  assert.deepEqual(await listAclEntries(manifests), []);
});

test("parseAclTarget: the opposite of formatAclTarget", () => {
  assert.deepEqual(parseAclTarget("type=policy,path=/a=b"), { type: "policy", path: "/a=b" });
  for (const text of ["", "type", "=x", "type=a,,b=c"])
    assert.throws(() => parseAclTarget(text), { code: "SEJF_INVALID_ARGUMENT" });
  const key = fc.stringMatching(/^[a-z]{1,5}$/);
  const value = fc.stringMatching(/^[^,]{0,8}$/);
  fc.assert(
    fc.property(fc.dictionary(key, value, { noNullPrototype: true }), (labels) => {
      const target = { ...labels, type: "snapshot" };
      assert.deepEqual(parseAclTarget(formatAclTarget(target)), target);
    }),
    { numRuns: numRuns(100) },
  );
});

test("listAclEntries: any JSON is an entry or none, never an error", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (data) => {
      const { manifests } = memoryRepository();
      await manifests.put({ type: "acl" }, data);
      const [stored] = await listAclEntries(manifests);
      assert.equal(stored?.entry, undefined);
    }),
    { numRuns: numRuns(100) },
  );
});
