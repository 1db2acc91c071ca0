import assert from "node:assert/strict";
import { test } from "node:test";
import { GLOBAL_TARGET, setPolicy, decodePolicy, type PolicyTarget } from "../../snapshot/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { accountOf } from "../../testkit/held-repository.ts";
import { memoryRepository } from "../../testkit/memory-repository.ts";
import { storeSnapshot, storeTree, type StoredSnapshotOptions } from "../../testkit/stored-tree.ts";
import type { Account, AuditEvent } from "../types.ts";
import { type AccountRetention, createAccountRetention } from "./index.ts";
import { operatorRetention } from "./operator-policy.ts";

const MINUTE = 60_000;
const DAY: number = 1440 * MINUTE;
const ordinary = accountOf("alice@laptop");
const appendOnly = accountOf("mallory@laptop", { appendOnly: true });

class Scene {
  readonly clock = new FakeClock();
  readonly repository = memoryRepository({ clock: this.clock });
  readonly events: AuditEvent[] = [];
  readonly lines: string[] = [];
  readonly accounts = new Map<string, Account>(
    [ordinary, appendOnly].map((one) => [one.name, one]),
  );
  /** Of the process, which runs all the time. */
  readonly #startMs = this.clock.nowMs();

  retention(minimumAgeDays?: number, mayDelete?: boolean): AccountRetention {
    const { manifests } = this.repository;
    const line = (_: object, text: string): void => void this.lines.push(text);
    const log = { debug: line, info: line, warn: line, error: line };
    return createAccountRetention({
      repository: {
        manifests,
        contents: { indexBlobs: async () => await Promise.resolve([]) },
        flush: async () => await this.repository.flush(),
      },
      // oxlint-disable-next-line require-await
      findAccount: async (name) => this.accounts.get(name),
      clock: this.clock,
      monotonicMs: () => this.clock.nowMs() - this.#startMs,
      audit: { record: (event) => void this.events.push(event) },
      log,
      minimumAgeDays,
      mayDelete: mayDelete === undefined ? undefined : async () => await Promise.resolve(mayDelete),
    });
  }

  async snapshot(account: Account, options: StoredSnapshotOptions = {}): Promise<void> {
    const root = await storeTree(this.repository, { a: "1" });
    const { username, hostname } = account;
    const startTimeNs = this.clock.nowNs() - 1_000_000_000n;
    const source = { username, hostname, path: "/data", ...options.source };
    await storeSnapshot(this.repository, root, { startTimeNs, ...options, source });
  }

  /** One a day, the last of them now. */
  async daily(account: Account, days: number): Promise<void> {
    for (let day = 0; day < days; day++) {
      if (day > 0) this.clock.advance(DAY);
      await this.snapshot(account);
    }
  }

  async count(account: Account): Promise<number> {
    const { username, hostname } = account;
    return (await this.repository.manifests.find({ type: "snapshot", username, hostname })).length;
  }

  async policy(target: PolicyTarget, retention: object): Promise<void> {
    await setPolicy(this.repository.manifests, target, decodePolicy({ retention }, "policy"));
  }
}

test("apply: an ordinary account gets Kopia's result, through the session's own view", async () => {
  const scene = new Scene();
  await scene.policy(GLOBAL_TARGET, {
    keepLatest: 3,
    keepHourly: 0,
    keepDaily: 0,
    keepWeekly: 0,
    keepMonthly: 0,
    keepAnnual: 0,
  });
  await scene.daily(ordinary, 10);
  const retention = scene.retention();
  const deleted: string[] = [];
  const manifests = new Proxy(scene.repository.manifests, {
    get: (store, name) => {
      if (name === "delete")
        return async (id: string) => await Promise.resolve(void deleted.push(id));
      const member: unknown = Reflect.get(store, name, store);
      return typeof member === "function" ? (member.bind(store) as unknown) : member;
    },
  });
  const would = await retention.apply(ordinary, "/data", { reallyDelete: false });
  assert.equal(would.length, 7);
  assert.deepEqual(
    await retention.apply(ordinary, "/data", { reallyDelete: true, manifests }),
    would,
  );
  assert.deepEqual(deleted, would);
  assert.equal(await scene.count(ordinary), 10, "the repository's own were not touched");
  await retention.apply(ordinary, "/data", { reallyDelete: true });
  assert.equal(await scene.count(ordinary), 3);
  assert.deepEqual(await retention.apply(ordinary, "/elsewhere", { reallyDelete: true }), []);
});

test("apply: an append-only account deletes nothing, whatever it wrote; a look tells what the schedule would delete", async () => {
  const scene = new Scene();
  await scene.daily(appendOnly, 60);
  await scene.policy({ username: "mallory", hostname: "laptop", path: "/data" }, { keepLatest: 1 });
  const retention = scene.retention();
  assert.deepEqual(await retention.apply(appendOnly, "/data", { reallyDelete: true }), []);
  assert.equal(await scene.count(appendOnly), 60);
  const would = await retention.apply(appendOnly, "/data", { reallyDelete: false });
  const { expired } = await retention.run();
  assert.deepEqual(
    expired.map(({ id }) => id),
    would,
  );
  assert.ok(would.length > 0);
});

test("run: only append-only accounts, flushed and in the audit log; a dry run changes nothing", async () => {
  const scene = new Scene();
  await scene.daily(ordinary, 60);
  await scene.daily(appendOnly, 60);
  const retention = scene.retention();
  const dry = await retention.run({ dryRun: true });
  assert.equal(await scene.count(appendOnly), 60);
  const flushes = scene.repository.contents.flushes;
  const { expired, refused } = await retention.run();
  assert.equal(refused, undefined);
  assert.deepEqual(expired, dry.expired);
  assert.equal(await scene.count(appendOnly), 60 - expired.length);
  assert.equal(await scene.count(ordinary), 60);
  assert.equal(scene.repository.contents.flushes, flushes + 1);
  assert.deepEqual(
    scene.events.map(({ action, target }) => [action, target]),
    expired.map(({ id }) => ["snapshot.expire", id]),
  );
  assert.deepEqual((await retention.run()).expired, [], "and nothing more the next time");
});

test("run: the minimum age is the operator's to choose", async () => {
  const scene = new Scene();
  await scene.daily(appendOnly, 60);
  const [short, long] = [scene.retention(1), scene.retention(59)];
  assert.ok(
    (await short.run({ dryRun: true })).expired.length >
      (await scene.retention().run({ dryRun: true })).expired.length,
  );
  assert.deepEqual((await long.run({ dryRun: true })).expired, []);
});

test("run: a clock that jumped deletes nothing", async () => {
  const scene = new Scene();
  await scene.daily(appendOnly, 60);
  const frozen = scene.clock.nowMs();
  const retention = createAccountRetention({
    repository: {
      manifests: scene.repository.manifests,
      contents: { indexBlobs: async () => await Promise.resolve([]) },
      flush: async () => await scene.repository.flush(),
    },
    findAccount: async (name) => await Promise.resolve(scene.accounts.get(name)),
    clock: scene.clock,
    monotonicMs: () => frozen,
    audit: { record: () => undefined },
    log: {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    },
  });
  scene.clock.advance(366 * DAY);
  const run = await retention.run();
  assert.match(run.refused ?? "", /clock/);
  assert.deepEqual(run.expired, []);
  assert.equal(await scene.count(appendOnly), 60);
});

test("run: a snapshot that cannot be read stays, a policy that cannot stops its own source alone", async () => {
  const scene = new Scene();
  const other = accountOf("other@desktop", { appendOnly: true });
  scene.accounts.set(other.name, other);
  await scene.daily(appendOnly, 60);
  await scene.daily(other, 60);
  const { manifests } = scene.repository;
  const labels = { type: "snapshot", username: "other", hostname: "desktop", path: "/data" };
  const broken = await manifests.put(labels, { nonsense: true });
  await manifests.put({ type: "policy", policyType: "host", hostname: "laptop" }, { retention: 5 });
  const { expired } = await scene.retention().run();
  assert.ok(expired.length > 0 && expired.every(({ source }) => source.username === "other"));
  assert.ok(expired.every(({ id }) => id !== broken));
  assert.equal(await scene.count(appendOnly), 60);
  assert.ok(scene.lines.some((line) => line.includes("mallory@laptop do not expire")));
});

test("the operator's policies count, those of user and path only where they keep more", async () => {
  const scene = new Scene();
  const { manifests } = scene.repository;
  const source = { username: "mallory", hostname: "laptop", path: "/data" };
  const read = async (): Promise<object> => await operatorRetention(manifests, source);
  await scene.policy(GLOBAL_TARGET, { keepLatest: 5, keepDaily: 10 });
  await scene.policy({ ...source, username: "", path: "" }, { keepDaily: 20 });
  await scene.policy({ ...source, path: "" }, { keepLatest: 1, keepMonthly: 30 });
  await scene.policy(source, { keepDaily: 0, keepAnnual: 9 });
  const found = (await read()) as Record<string, number>;
  assert.deepEqual(
    ["keepLatest", "keepDaily", "keepMonthly", "keepAnnual"].map((name) => found[name]),
    [5, 20, 30, 9],
  );
  const none = {
    keepLatest: 0,
    keepHourly: 0,
    keepDaily: 0,
    keepWeekly: 0,
    keepMonthly: 0,
    keepAnnual: 0,
  };
  await scene.policy({ ...source, username: "", path: "" }, none);
  const all = (await read()) as Record<string, number>;
  assert.ok(
    Object.keys(none).every((name) => (all[name] ?? 0) === 0),
    "everything is kept",
  );
});

test("an account that may not delete its snapshots by the access rules is treated as append-only", async () => {
  const scene = new Scene();
  await scene.daily(ordinary, 60);
  await scene.policy(GLOBAL_TARGET, { keepLatest: 1 });
  const retention = scene.retention(30, false);
  assert.deepEqual(await retention.apply(ordinary, "/data", { reallyDelete: true }), []);
  const { expired } = await retention.run();
  assert.ok(expired.length > 0 && (await scene.count(ordinary)) >= 30);
  assert.deepEqual((await scene.retention(30, true).run()).expired, []);
});

test("while manifests cannot be read nothing expires: a policy may be among them", async () => {
  const scene = new Scene();
  await scene.daily(ordinary, 60);
  await scene.daily(appendOnly, 60);
  const damaged = [{ content: "m00", code: "SEJF_CORRUPT", message: "rotten" }] as never;
  scene.repository.manifests.damage = async () => await Promise.resolve(damaged);
  const retention = scene.retention();
  assert.match((await retention.run()).refused ?? "", /cannot be read/);
  assert.deepEqual(await retention.apply(ordinary, "/data", { reallyDelete: true }), []);
  assert.equal((await scene.count(ordinary)) + (await scene.count(appendOnly)), 120);
});
