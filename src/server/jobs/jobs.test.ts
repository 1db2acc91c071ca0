/** The jobs as a whole, on a repository in memory, with a clock that the tests move. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { CallOptions } from "../../bytes/index.ts";
import {
  decodePolicy,
  listSnapshots,
  saveSnapshot,
  setPolicy,
  type SnapshotManifest,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { type MemoryRepository, memoryRepository } from "../../testkit/memory-repository.ts";
import { KeptAudit, KeptLog, until } from "../../testkit/server-log.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../testkit/temp.ts";
import { openJobs } from "./open-jobs.ts";
import { TaskRegistry } from "./task-registry.ts";
import type { JobsOptions, ServerJobs, SourceStatus } from "./types.ts";

const HOUR_MS = 3_600_000;

class Fixture implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock(Date.UTC(2026, 7, 1, 12, 0, 0));
  readonly repository: MemoryRepository = memoryRepository({ clock: this.clock });
  readonly tasks: TaskRegistry = new TaskRegistry({ clock: this.clock });
  readonly log: KeptLog = new KeptLog();
  readonly audit: KeptAudit = new KeptAudit();
  readonly accounts: Set<string> = new Set();
  readonly folder: TemporaryDirectory;
  #jobs: ServerJobs | undefined;

  constructor(folder: TemporaryDirectory) {
    this.folder = folder;
  }

  get jobs(): ServerJobs {
    assert.ok(this.#jobs !== undefined);
    return this.#jobs;
  }

  /** `name` below the folder, with one file. */
  async source(name: string): Promise<SnapshotSource> {
    const path = join(this.folder.path, name);
    await mkdir(path);
    await writeFile(join(path, "file"), name);
    return { ...this.repository.identity, path };
  }

  async policy(target: SnapshotSource, json: object): Promise<void> {
    await setPolicy(this.repository.manifests, target, decodePolicy(json, "test"));
    await this.repository.flush();
  }

  async open(options: Partial<JobsOptions> = {}): Promise<ServerJobs> {
    this.#jobs = await openJobs({
      repository: this.repository,
      tasks: this.tasks,
      log: this.log,
      audit: this.audit,
      sleep: this.clock.sleep,
      isAccount: (name) => Promise.resolve(this.accounts.has(name)),
      ...options,
    });
    return this.#jobs;
  }

  async snapshots(source: Partial<SnapshotSource> = {}): Promise<readonly SnapshotManifest[]> {
    return await listSnapshots(this.repository, { source });
  }

  async status(source: SnapshotSource): Promise<SourceStatus | undefined> {
    return (await this.jobs.sources.list(source))[0];
  }

  /** Moves the clock in steps until `done`. */
  async advanceUntil(done: () => boolean, what: string, stepMs = 60_000): Promise<void> {
    for (let step = 0; step < 200 && !done(); step++) {
      await until(() => done() || this.clock.sleeping > 0, `the scheduler sleeps: ${what}`);
      this.clock.advance(stepMs);
      for (let turn = 0; turn < 200 && !done(); turn++)
        await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(done(), what);
  }

  /** Snapshot tasks that ended. */
  ended(status: string): number {
    return this.tasks.list().filter((task) => task.kind === "Snapshot" && task.status === status)
      .length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs?.[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

async function fixture(): Promise<Fixture> {
  return new Fixture(await temporaryDirectory("jobs"));
}

test("jobs: a source is snapshotted by its interval, and again after it", async () => {
  await using f = await fixture();
  const source = await f.source("a");
  await f.policy(source, { scheduling: { intervalSeconds: 3600 } });
  await f.open();
  await until(() => f.ended("SUCCESS") === 1, "the first one is due at once");
  await until(() => f.audit.events.length === 1, "it is recorded");
  const status = await f.status(source);
  assert.equal(status?.state, "IDLE");
  assert.equal(status?.nextSnapshotMs, f.clock.nowMs() + HOUR_MS);
  assert.equal((await f.snapshots(source)).length, 1);
  await f.advanceUntil(() => f.ended("SUCCESS") === 2, "an hour later");
  assert.equal(f.clock.nowMs(), Date.UTC(2026, 7, 1, 13, 0, 0));
  assert.deepEqual(f.audit.events[0], {
    action: "snapshot.create",
    who: "user@host",
    from: "the server itself",
    result: "ok",
    target: `user@host:${source.path}`,
    detail: undefined,
  });
});

test("jobs: a manual source waits for somebody to ask, and the list tells what it is doing", async () => {
  await using f = await fixture();
  const source = await f.source("a");
  await f.policy(source, { scheduling: { manual: true } });
  const { sources } = await f.open();
  assert.equal((await f.status(source))?.nextSnapshotMs, undefined);
  const told = sources.trigger({ path: source.path });
  assert.deepEqual([...told.keys()], [`user@host:${source.path}`]);
  assert.equal((await f.status(source))?.state, "PENDING");
  await until(() => f.ended("SUCCESS") === 1, "it ran");
  await until(() => f.audit.events.length === 1, "and ended");
  f.clock.advance(6000);
  const status = await f.status(source);
  assert.equal(status?.lastSnapshot?.rootEntry?.type, "d");
  assert.equal(status?.upload, undefined);
  assert.equal(sources.trigger({ path: "/nowhere" }).size, 0);
});

test("jobs: a failed snapshot is tried again after five minutes, an unscheduled one is not", async () => {
  await using f = await fixture();
  const scheduled = { ...f.repository.identity, path: join(f.folder.path, "not there") };
  const manual = { ...f.repository.identity, path: join(f.folder.path, "neither") };
  await f.policy(scheduled, { scheduling: { intervalSeconds: 86_400 } });
  await f.policy(manual, { scheduling: { manual: true } });
  const { sources } = await f.open();
  await until(() => f.ended("FAILED") === 1, "the first try");
  sources.trigger(manual);
  await until(() => f.ended("FAILED") === 2, "the other one");
  await until(() => f.audit.events.length === 2, "both are recorded");
  const start = f.clock.nowMs();
  assert.equal((await f.status(scheduled))?.nextSnapshotMs, start + 300_000);
  assert.equal((await f.status(manual))?.nextSnapshotMs, undefined);
  await f.advanceUntil(() => f.ended("FAILED") === 3, "the second try");
  assert.equal(f.clock.nowMs(), start + 300_000);
  assert.equal(f.audit.events[2]?.result, "failed");
});

test("jobs: nobody's policies make the server read its disk: other users of its host, accounts with its name", async () => {
  await using f = await fixture();
  const own = await f.source("own");
  const other = { ...(await f.source("other")), username: "mallory" };
  const elsewhere = { ...(await f.source("elsewhere")), hostname: "laptop" };
  for (const target of [own, other, elsewhere])
    await f.policy(target, { scheduling: { intervalSeconds: 60 } });
  f.accounts.add("user@host");
  const { sources } = await f.open();
  for (const target of [own, other, elsewhere]) {
    assert.equal((await f.status(target))?.state, "REMOTE");
    assert.equal(sources.trigger(target).size, 0);
    await assert.rejects(sources.add(target), { code: "SEJF_ACCESS_DENIED" });
  }
  await f.advanceUntil(() => f.clock.nowMs() > Date.UTC(2026, 7, 1, 12, 10), "ten minutes");
  assert.equal((await f.snapshots()).length, 0);
  assert.deepEqual(f.repository.contents.filesRead, []);
  f.accounts.delete("user@host");
  await f.jobs.refresh();
  await until(() => f.ended("SUCCESS") >= 1, "without the account it is the server's own");
  assert.deepEqual(
    (await f.snapshots()).map(({ source }) => source.username),
    ["user"],
  );
});

test("jobs: an account that appears under the server's name stops the next snapshot", async () => {
  await using f = await fixture();
  const source = await f.source("a");
  await f.policy(source, { scheduling: { manual: true } });
  const { sources } = await f.open();
  f.accounts.add("user@host");
  sources.trigger(source);
  await until(() => f.audit.events.length === 1, "it is refused");
  assert.equal(f.audit.events[0]?.result, "denied");
  await f.advanceUntil(() => f.clock.nowMs() > Date.UTC(2026, 7, 1, 12, 3), "three minutes");
  assert.equal((await f.snapshots()).length, 0);
});

test("jobs: what the operator names is read, whoever's it is", async () => {
  await using f = await fixture();
  const source = { ...(await f.source("a")), username: "backup" };
  await f.policy(source, { scheduling: { manual: true } });
  f.accounts.add("user@host");
  const { sources } = await f.open({ enabledSources: [source] });
  assert.equal(sources.trigger(source).size, 1);
  await until(() => f.ended("SUCCESS") === 1, "it ran");
});

test("jobs: a global policy with more labels than a global policy has is not one", async () => {
  await using f = await fixture();
  const source = await f.source("a");
  await f.policy(source, { scheduling: { manual: true } });
  const poison = { type: "policy", policyType: "global", username: "mallory", hostname: "laptop" };
  await f.repository.manifests.put(poison, { files: { ignore: ["*"] } });
  const { sources } = await f.open();
  sources.trigger(source);
  await until(() => f.ended("SUCCESS") === 1, "it ran");
  const [snapshot] = await f.snapshots(source);
  assert.equal(snapshot?.rootEntry?.summary?.files, 1);
});

test("jobs: actions of a policy are never run", async () => {
  await using f = await fixture();
  const source = await f.source("a");
  const marker = join(f.folder.path, "ran");
  const script = { beforeSnapshotRoot: { script: `touch ${marker}`, mode: "essential" } };
  await f.policy(source, { scheduling: { manual: true }, actions: script });
  const { sources } = await f.open();
  sources.trigger(source);
  await until(() => f.ended("SUCCESS") === 1, "it ran");
  await assert.rejects(writeFile(marker, "", { flag: "r+" }), { code: "ENOENT" });
  const [task] = f.tasks.list();
  assert.match(JSON.stringify(f.tasks.logs(task?.id ?? "")), /is not run by a server/);
});

test("jobs: a paused source is not snapshotted until it is resumed", async () => {
  await using f = await fixture();
  const source = await f.source("a");
  await f.policy(source, { scheduling: { manual: true } });
  const { sources } = await f.open();
  await f.policy(source, { scheduling: { intervalSeconds: 600 } });
  sources.pause(source);
  await f.jobs.refresh();
  assert.equal((await f.status(source))?.state, "PAUSED");
  await f.advanceUntil(() => f.clock.nowMs() > Date.UTC(2026, 7, 1, 12, 30), "half an hour");
  assert.equal(f.ended("SUCCESS"), 0);
  sources.resume(source);
  assert.equal((await f.status(source))?.state === "PAUSED", false);
  await f.advanceUntil(() => f.ended("SUCCESS") === 1, "it runs again");
});

test("jobs: one that waits is not begun when it is cancelled, one that is being flushed is finished", async () => {
  await using f = await fixture();
  const first = await f.source("first");
  const second = await f.source("second");
  for (const source of [first, second]) await f.policy(source, { scheduling: { manual: true } });
  const reached = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const flush = async (options?: CallOptions): Promise<void> => {
    reached.resolve();
    await release.promise;
    await f.repository.manifests.flush(options);
  };
  const { sources } = await f.open({ flush });
  sources.trigger(first);
  await reached.promise;
  sources.trigger(second);
  assert.equal((await f.status(first))?.state, "UPLOADING");
  assert.equal((await f.status(second))?.state, "PENDING");
  sources.cancel(second);
  sources.cancel(first);
  release.resolve();
  await until(() => f.ended("SUCCESS") === 1, "the first one was past cancelling");
  await f.advanceUntil(() => f.clock.nowMs() > Date.UTC(2026, 7, 1, 12, 3), "three minutes");
  assert.equal((await f.snapshots(second)).length, 0);
  assert.equal((await f.status(second))?.state, "IDLE");
});

test("jobs: as many snapshots at once as the policy of the server's own user allows", async () => {
  await using f = await fixture();
  const all = [await f.source("a"), await f.source("b"), await f.source("c")];
  for (const source of all) await f.policy(source, { scheduling: { manual: true } });
  await f.policy({ ...f.repository.identity, path: "" }, { upload: { maxParallelSnapshots: 2 } });
  const release = Promise.withResolvers<void>();
  let flushing = 0;
  const flush = async (): Promise<void> => {
    flushing++;
    await release.promise;
  };
  const { sources } = await f.open({ flush });
  sources.trigger({});
  await until(() => flushing === 2, "two are under way");
  const states = (await sources.list()).map(({ state }) => state).toSorted();
  assert.deepEqual(states, ["PENDING", "UPLOADING", "UPLOADING"]);
  release.resolve();
  await until(() => f.ended("SUCCESS") === 3, "all three ended");
});

test("jobs: a snapshot that cannot be read is told of and hides no source", async () => {
  await using f = await fixture();
  const labels = { type: "snapshot", username: "x", hostname: "laptop", path: "/x" };
  await f.repository.manifests.put(labels, { source: 5 });
  const source = await f.source("a");
  await f.policy(source, { scheduling: { manual: true } });
  const { sources } = await f.open();
  assert.deepEqual(
    (await sources.list()).map(({ source: one }) => one.path),
    [source.path],
  );
  assert.equal(f.log.messages("warn").length, 1);
  await f.jobs.refresh();
  assert.equal(f.log.messages("warn").length, 1);
});

test("jobs: a client's snapshot is in the list without a refresh", async () => {
  await using f = await fixture();
  const source = await f.source("a");
  await f.policy(source, { scheduling: { manual: true } });
  const { sources } = await f.open();
  sources.trigger(source);
  await until(() => f.ended("SUCCESS") === 1, "one to copy");
  const [own] = await f.snapshots(source);
  assert.ok(own !== undefined);
  const remote = { username: "alice", hostname: "laptop", path: "/home/alice" };
  await saveSnapshot(f.repository, { ...own, source: remote });
  f.clock.advance(6000);
  const status = await f.status(remote);
  assert.equal(status?.state, "REMOTE");
  assert.equal(status?.lastSnapshot?.source.username, "alice");
  assert.equal(sources.has(remote), true);
  assert.equal(await sources.remove(remote), true);
});

test("jobs: refresh, retention and maintenance come at their times, and a failure stops none of them", async () => {
  await using f = await fixture();
  let retained = 0;
  let refreshed = 0;
  const maintained: number[] = [];
  let lastMs = 0;
  await f.open({
    refreshIntervalMs: 4 * HOUR_MS,
    retentionIntervalMs: HOUR_MS,
    onRefresh: () => {
      refreshed++;
      return Promise.resolve();
    },
    retention: () => {
      retained++;
      return retained === 1 ? Promise.reject(new Error("first fails")) : Promise.resolve(2);
    },
    maintenance: {
      nextMs: () => Promise.resolve(lastMs + 2 * HOUR_MS),
      run: ({ now }) => {
        lastMs = now;
        maintained.push(now);
        return Promise.resolve("done");
      },
    },
  });
  await f.advanceUntil(() => refreshed === 1, "four hours", 5 * 60_000);
  assert.equal(retained >= 3, true);
  assert.equal(maintained.length >= 2, true);
  assert.match(f.log.messages("error")[0] ?? "", /retention failed: .*first fails/);
  assert.ok(f.log.messages("info").includes("snapshots of accounts expired"));
  assert.ok(
    f.tasks.list().some(({ kind, status }) => kind === "Maintenance" && status === "SUCCESS"),
  );
});

test("jobs: a read-only connection snapshots nothing", async () => {
  await using folder = await temporaryDirectory("jobs");
  const clock = new FakeClock();
  const repository = memoryRepository({ clock, readOnly: true });
  const options = {
    tasks: new TaskRegistry({ clock }),
    log: new KeptLog(),
    audit: new KeptAudit(),
  };
  const isAccount = (): Promise<boolean> => Promise.resolve(false);
  await using jobs = await openJobs({ repository, sleep: clock.sleep, isAccount, ...options });
  const source = { ...repository.identity, path: folder.path };
  assert.equal(jobs.sources.isLocal(source), false);
  await assert.rejects(jobs.sources.add(source), { code: "SEJF_READ_ONLY" });
});
