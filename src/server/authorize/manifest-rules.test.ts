import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToBase64, formatTimestamp, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import type { Labels, ManifestStore } from "../../manifest/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { memoryRepository } from "../../testkit/memory-repository.ts";
import { numRuns } from "../../testkit/property.ts";
import { testAccount } from "../../testkit/server-parts.ts";
import type { CheckedManifest, ManifestRules } from "../sessions/index.ts";
import type { AccessRules, Account } from "../types.ts";
import { openAccessRules } from "./access-rules.ts";
import { enableAcl } from "./acl-entries.ts";
import { createManifestRules } from "./manifest-rules.ts";

const ALICE = testAccount("alice@laptop");
const CAREFUL = testAccount("alice@laptop", { appendOnly: true });
const OWN = { username: "alice", hostname: "laptop" };
const SNAPSHOT = { type: "snapshot", ...OWN, path: "/home" };
const OWN_POLICY = { type: "policy", policyType: "path", ...OWN, path: "/home" };
const MINUTE_MS = 60_000;

class Fixture {
  readonly clock = new FakeClock();
  readonly manifests: ManifestStore = memoryRepository({ clock: this.clock }).manifests;
  readonly rules: ManifestRules = createManifestRules(this);
  readonly access: AccessRules = openAccessRules(this);
  readonly root = {
    name: "home",
    type: "d",
    mode: "0755",
    mtime: time(0),
    obj: `k${"0".repeat(32)}`,
  };

  async check(labels: Labels, json: unknown, account: Account = ALICE): Promise<CheckedManifest> {
    const rights = await this.access.rightsOf(account);
    const bytes = typeof json === "string" ? utf8ToBytes(json) : utf8ToBytes(JSON.stringify(json));
    return await this.rules.checkNew({ account, rights, labels, json: bytes });
  }

  /** Ends now, unless told otherwise. */
  snapshot(fields: object = {}, endsInMs = 0, lastsMs = MINUTE_MS): Record<string, unknown> {
    const endMs = this.clock.nowMs() + endsInMs;
    return {
      id: "",
      source: { host: "laptop", userName: "alice", path: "/home" },
      description: "",
      startTime: time(endMs - lastsMs),
      endTime: time(endMs),
      rootEntry: this.root,
      ...fields,
    };
  }
}

function time(ms: number): string {
  return formatTimestamp(BigInt(ms) * 1_000_000n);
}

const DENIED = { code: "SEJF_ACCESS_DENIED" };
const WRONG = { code: "SEJF_INVALID_ARGUMENT" };

test("checkNew: the closed list: no entries, maintenance, notifications, nothing of ours, no other label", async () => {
  const at = new Fixture();
  for (const type of [
    "acl",
    "maintenance",
    "notificationProfile",
    "notificationTemplate",
    "sejfAccount",
    "content",
    "x",
  ]) {
    await assert.rejects(at.check({ type }, {}), DENIED);
    await assert.rejects(at.check({ type, ...OWN }, {}), DENIED);
  }
  await assert.rejects(at.check({}, {}), WRONG);
  await assert.rejects(at.check({ ...SNAPSHOT, other: "x" }, at.snapshot()), DENIED);
  await assert.rejects(at.check({ ...SNAPSHOT, policyType: "global" }, at.snapshot()), DENIED);
  await assert.rejects(at.check({ ...SNAPSHOT, username: "bob" }, at.snapshot()), DENIED);
  await assert.rejects(at.check({ type: "policy", policyType: "global" }, {}), DENIED);
  await assert.rejects(at.check({ type: "policy", policyType: "global", ...OWN }, {}), DENIED);
  await assert.rejects(at.check({ ...OWN_POLICY, policyType: "user" }, {}), DENIED);
  await enableAcl(at.manifests);
  at.access.refresh();
  await assert.rejects(at.check({ type: "acl" }, {}), DENIED);
  await assert.rejects(at.check({ type: "policy", policyType: "global", ...OWN }, {}), DENIED);
});

test("checkNew: what is no JSON object, or too long, is refused", async () => {
  const at = new Fixture();
  for (const json of ["", "{", "[]", "5", "null", '"x"', `{"a":"${"x".repeat(1 << 20)}"}`])
    await assert.rejects(at.check(SNAPSHOT, json), WRONG);
});

test("checkNew: a snapshot says the same as its labels", async () => {
  const at = new Fixture();
  const tagged = { ...SNAPSHOT, "tag:a": "1" };
  const good = await at.check(
    tagged,
    at.snapshot({ tags: { "tag:a": "1" }, later: { kept: [1] } }),
  );
  assert.deepEqual(good.labels, tagged);
  assert.deepEqual((good.data as { later: unknown }).later, { kept: [1] });
  const wrong: readonly (readonly [Labels, object])[] = [
    [SNAPSHOT, { source: { host: "laptop", userName: "bob", path: "/home" } }],
    [SNAPSHOT, { source: { host: "pc", userName: "alice", path: "/home" } }],
    [SNAPSHOT, { source: { host: "laptop", userName: "alice", path: "/home/" } }],
    [SNAPSHOT, { source: undefined }],
    [SNAPSHOT, { tags: { "tag:a": "1" } }],
    [tagged, {}],
    [tagged, { tags: { "tag:a": "2" } }],
    [SNAPSHOT, { startTime: "yesterday" }],
    [SNAPSHOT, { stats: { fileCount: -1 } }],
    [SNAPSHOT, { rootEntry: "x" }],
    // A kopia reads these in place of `source`, `userName` and `pins`.
    [SNAPSHOT, { SOURCE: { host: "pc", userName: "bob", path: "/" } }],
    [SNAPSHOT, { "\u017fource": { host: "pc", userName: "bob", path: "/" } }],
    [SNAPSHOT, { source: { host: "laptop", userName: "alice", path: "/home", UserName: "bob" } }],
    [SNAPSHOT, { Pins: ["x"] }],
    [SNAPSHOT, { rootEntry: { ...at.root, Obj: `k${"1".repeat(32)}` } }],
  ];
  for (const [labels, fields] of wrong)
    await assert.rejects(at.check(labels, at.snapshot(fields)), WRONG, JSON.stringify(fields));
});

test("checkNew: ordinary accounts may write snapshots of any date, as migrations do", async () => {
  const at = new Fixture();
  for (const years of [-30, 30])
    await at.check(SNAPSHOT, at.snapshot({}, years * 365 * 86_400_000));
});

test("checkNew: append-only accounts write true dates only (attacks 1)", async () => {
  const at = new Fixture();
  const check = async (snapshot: object): Promise<CheckedManifest> =>
    await at.check(SNAPSHOT, snapshot, CAREFUL);
  await check(at.snapshot());
  await check(at.snapshot({}, 5 * MINUTE_MS));
  await check(at.snapshot({}, -5 * MINUTE_MS, 10 * 3_600_000));
  await assert.rejects(check(at.snapshot({}, 6 * MINUTE_MS)), /it is .* here/);
  await assert.rejects(check(at.snapshot({}, -6 * MINUTE_MS)), DENIED);
  await assert.rejects(check(at.snapshot({}, 100 * 365 * 86_400_000)), DENIED);
  await assert.rejects(check(at.snapshot({}, 0, -1000)), /begins after its end/);
  await assert.rejects(check(at.snapshot({ startTime: undefined, endTime: undefined })), DENIED);
});

test("checkNew: append-only accounts have so many snapshots and no more (attacks 1)", async () => {
  const fixture = new Fixture();
  const { manifests, clock } = fixture;
  const few = createManifestRules({ manifests, clock, maxAppendOnlySnapshots: 3 });
  const send = async (account: Account, rules: ManifestRules): Promise<void> => {
    fixture.clock.advance(2 * MINUTE_MS);
    const rights = await fixture.access.rightsOf(account);
    const json = utf8ToBytes(JSON.stringify(fixture.snapshot()));
    const { labels, data } = await rules.checkNew({ account, rights, labels: SNAPSHOT, json });
    await fixture.manifests.put(labels, data);
  };
  for (let i = 0; i < 3; i++) await send(CAREFUL, few);
  await assert.rejects(send(CAREFUL, few), { code: "SEJF_NO_SPACE", message: /has 3 snapshots/ });
  await send(ALICE, few);
  await send(CAREFUL, createManifestRules({ manifests, clock, maxAppendOnlySnapshots: 0 }));
});

test("checkNew: append-only accounts begin after the last complete snapshot of the source", async () => {
  const at = new Fixture();
  const put = async (snapshot: object): Promise<void> => {
    await at.manifests.put({ ...SNAPSHOT, "tag:a": "1" }, snapshot);
  };
  const start = at.clock.nowMs();
  await put(at.snapshot({}, 0, 10 * MINUTE_MS));
  // A checkpoint has the start of the snapshot that is under way.
  await put(at.snapshot({ incomplete: "checkpoint" }, 0, 0));
  at.clock.set(start + 3 * MINUTE_MS);
  await at.check(SNAPSHOT, at.snapshot({}, 0, 3 * MINUTE_MS), CAREFUL);
  await at.check(SNAPSHOT, at.snapshot({ incomplete: "checkpoint" }, 0, 60 * MINUTE_MS), CAREFUL);
  for (const lastsMs of [13 * MINUTE_MS, 14 * MINUTE_MS])
    await assert.rejects(
      at.check(SNAPSHOT, at.snapshot({}, 0, lastsMs), CAREFUL),
      /not after the last one/,
    );
  // Of another path, or from the future of a time when dates were free: no matter.
  await at.manifests.put({ ...SNAPSHOT, path: "/other" }, at.snapshot());
  await put(at.snapshot({}, 86_400_000, 0));
  await at.check(SNAPSHOT, at.snapshot(), CAREFUL);
});

test("checkNew: the session's own view counts for what is there already", async () => {
  const at = new Fixture();
  const view = memoryRepository({ clock: at.clock }).manifests;
  await view.put(SNAPSHOT, at.snapshot({}, 0, 0));
  const rights = await at.access.rightsOf(CAREFUL);
  const json = utf8ToBytes(JSON.stringify(at.snapshot()));
  const manifest = { account: CAREFUL, rights, labels: SNAPSHOT, json };
  await at.rules.checkNew(manifest);
  await assert.rejects(
    async () => await at.rules.checkNew({ ...manifest, manifests: view }),
    DENIED,
  );
});

test("checkNew: whoever has APPEND by an entry is held to the same dates and policies", async () => {
  const at = new Fixture();
  for (const target of [{ type: "snapshot" }, { type: "policy" }])
    await at.manifests.put({ type: "acl" }, { user: "*@*", target, access: "APPEND" });
  await at.check(SNAPSHOT, at.snapshot());
  await assert.rejects(at.check(SNAPSHOT, at.snapshot({}, 86_400_000)), DENIED);
  await assert.rejects(at.check(OWN_POLICY, { retention: { keepLatest: 1 } }), DENIED);
});

test("checkNew: an own policy may say anything, unless the account may only add (Kopia 8.3)", async () => {
  const at = new Fixture();
  const short = { retention: { keepLatest: 1 } };
  assert.deepEqual((await at.check(OWN_POLICY, short)).data, short);
  await assert.rejects(at.check(OWN_POLICY, { retention: "x" }), WRONG);
  const harmful = [
    short,
    { retention: { ignoreIdenticalSnapshots: true } },
    { noParent: true },
    { scheduling: { cron: ["* * * * *"] } },
    { actions: { beforeFolder: { script: "rm" } } },
    { newer: { keep: 1 } },
  ];
  for (const json of harmful) await assert.rejects(at.check(OWN_POLICY, json, CAREFUL), DENIED);
  await assert.rejects(at.check(OWN_POLICY, { Retention: { keepLatest: 1 } }, CAREFUL), WRONG);
  await assert.rejects(at.check(OWN_POLICY, { NOPARENT: true }, CAREFUL), WRONG);
  // As clients write them: every group is there.
  const harmless = { retention: {}, files: { ignore: ["*.tmp"] }, scheduling: {}, actions: {} };
  await at.check(OWN_POLICY, harmless, CAREFUL);
  await at.manifests.put(OWN_POLICY, {});
  await assert.rejects(at.check(OWN_POLICY, harmless, CAREFUL), /may not replace it/);
  await at.check(OWN_POLICY, harmless);
});

test("checkNew: a profile is one's own, with one's own name, under FULL (finding 12.5)", async () => {
  const at = new Fixture();
  const passwordHash = bytesToBase64(new Uint8Array(64).fill(3));
  const labels = { type: "user", username: "alice@laptop" };
  const profile = { username: "alice@laptop", passwordHashVersion: 1, passwordHash };
  await assert.rejects(at.check(labels, profile), DENIED);
  await enableAcl(at.manifests);
  at.access.refresh();
  const { data } = await at.check(labels, { ...profile, passwordHashVersion: undefined });
  assert.deepEqual(data, profile);
  // Kopia stores all of these as they are.
  for (const wrong of [
    { ...profile, username: "bob@pc" },
    { ...profile, username: undefined },
    { ...profile, Username: "bob@pc" },
    { ...profile, extra: 1 },
    { ...profile, passwordHash: "AAAA" },
    { ...profile, passwordHashVersion: 3 },
    { ...profile, passwordHash: undefined },
  ])
    await assert.rejects(at.check(labels, wrong), WRONG, JSON.stringify(wrong));
  await assert.rejects(
    at.check({ type: "user", username: "bob@pc" }, { ...profile, username: "bob@pc" }),
    DENIED,
  );
  await assert.rejects(at.check({ ...labels, hostname: "laptop" }, profile), DENIED);
  await assert.rejects(at.check(labels, profile, CAREFUL), DENIED);
});

test("exactPolicyLabels: the four sets, and nothing near them", () => {
  const { rules } = new Fixture();
  const sets: readonly Labels[] = [
    { type: "policy", policyType: "global" },
    { type: "policy", policyType: "host", hostname: "h" },
    { type: "policy", policyType: "user", hostname: "h", username: "u" },
    { type: "policy", policyType: "path", hostname: "h", username: "u", path: "/" },
  ];
  for (const labels of sets) {
    assert.equal(rules.exactPolicyLabels(labels), true);
    assert.equal(rules.exactPolicyLabels({ ...labels, other: "" }), false);
    for (const key of Object.keys(labels)) {
      const { [key]: left, ...rest } = labels;
      assert.equal(rules.exactPolicyLabels(rest), false, `without ${key}=${left}`);
      assert.equal(rules.exactPolicyLabels({ ...labels, [key]: "" }), false);
    }
  }
});

test("checkNew: any labels and any JSON are taken in as they are or refused, never another error", async () => {
  const at = new Fixture();
  const labels = fc.oneof(
    fc.constantFrom<Labels>(SNAPSHOT, OWN_POLICY),
    fc.dictionary(
      fc.constantFrom("type", "policyType", "username", "hostname", "path", "x"),
      fc.constantFrom("snapshot", "policy", "user", "path", "alice", "laptop", "/"),
    ),
  );
  const json = fc.oneof(
    fc.jsonValue(),
    fc
      .tuple(fc.constantFrom(...Object.keys(at.snapshot())), fc.jsonValue())
      .map(([key, value]) => at.snapshot({ [key]: value })),
  );
  await fc.assert(
    fc.asyncProperty(labels, json, fc.boolean(), async (given, value, appendOnly) => {
      try {
        const checked = await at.check(given, value, appendOnly ? CAREFUL : ALICE);
        assert.deepEqual(checked.labels, given);
        assert.deepEqual(checked.data, JSON.parse(JSON.stringify(value)));
      } catch (error) {
        assert.ok(
          isSejfError(error, "SEJF_ACCESS_DENIED") || isSejfError(error, "SEJF_INVALID_ARGUMENT"),
          String(error),
        );
      }
    }),
    { numRuns: numRuns(300) },
  );
});
