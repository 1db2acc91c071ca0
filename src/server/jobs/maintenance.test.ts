import assert from "node:assert/strict";
import { test } from "node:test";
import type { DirectRepository } from "../../repository/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { memoryRepository } from "../../testkit/memory-repository.ts";
import { KeptLog } from "../../testkit/server-log.ts";
import { ownMaintenance } from "./maintenance.ts";
import type { MaintenanceRunner } from "./types.ts";

const HOUR_NS = 3_600_000_000_000;
const HOUR_MS = 3_600_000;

interface Counted {
  readonly runner: MaintenanceRunner;
  readonly repository: DirectRepository;
  readonly log: KeptLog;
  readonly calls: string[];
}

/** A repository in memory whose administrative calls are counted. */
function counted(full?: () => Promise<string>): Counted {
  const clock = new FakeClock();
  const memory = memoryRepository({ clock });
  const calls: string[] = [];
  const contents = {
    maintainIndexes: (options: { readonly cleanup?: boolean | undefined }) => {
      calls.push(`indexes ${options.cleanup}`);
      return Promise.resolve({ compactedEpochs: [1], deletedBlobs: [] });
    },
  };
  const repository = { ...memory, contents } as unknown as DirectRepository;
  const log = new KeptLog();
  const exclusively = async <T>(work: () => Promise<T>): Promise<T> => {
    calls.push("exclusive");
    return await work();
  };
  return { runner: ownMaintenance({ repository, log, exclusively, full }), repository, log, calls };
}

async function put(repository: DirectRepository, owner: string, labels = {}): Promise<void> {
  const quick = { enabled: true, interval: HOUR_NS };
  const full = { enabled: true, interval: 24 * HOUR_NS };
  await repository.manifests.put({ type: "maintenance", ...labels }, { owner, quick, full });
}

test("ownMaintenance: only the owner's, by the newest parameters", async () => {
  const { runner, repository, calls } = counted();
  const { clock } = repository;
  assert.equal(await runner.nextMs(), undefined);
  await put(repository, "other@host");
  assert.equal(await runner.nextMs(), undefined);
  assert.equal(await runner.run({ now: clock.nowMs() }), undefined);
  assert.deepEqual(calls, []);
  await put(repository, "user@host");
  assert.equal(await runner.nextMs(), 0);
  await put(repository, "other@host");
  assert.equal(await runner.nextMs(), undefined);
});

test("ownMaintenance: a manifest with more labels is not the repository's", async () => {
  const { runner, repository } = counted();
  await put(repository, "user@host", { username: "mallory", hostname: "laptop" });
  assert.equal(await runner.nextMs(), undefined);
});

test("ownMaintenance: quick every hour, full every day, and the log says that full is not done", async () => {
  const { runner, repository, log, calls } = counted();
  const now = repository.clock.nowMs();
  await put(repository, "user@host");
  assert.match((await runner.run({ now })) ?? "", /1 epochs compacted/);
  assert.deepEqual(calls, ["exclusive", "indexes true", "exclusive"]);
  assert.equal(await runner.nextMs(), now + HOUR_MS);
  assert.equal(await runner.run({ now: now + HOUR_MS - 1 }), undefined);
  assert.equal((await runner.run({ now: now + HOUR_MS }))?.includes("full"), false);
  assert.deepEqual(log.messages("warn"), []);
  const day = await runner.run({ now: now + 24 * HOUR_MS });
  assert.match(day ?? "", /full maintenance left out$/);
  assert.match(log.messages("warn")[0] ?? "", /full maintenance is due/);
  assert.equal((await runner.run({ now: now + 25 * HOUR_MS }))?.includes("full"), false);
  assert.equal(log.messages("warn").length, 1);
});

test("ownMaintenance: the full cycle goes to whoever offers it", async () => {
  const { runner, repository } = counted(() => Promise.resolve("3 packs removed"));
  await put(repository, "user@host");
  assert.match((await runner.run({ now: repository.clock.nowMs() })) ?? "", /; 3 packs removed$/);
});

test("ownMaintenance: cycles that are off or make no sense do not run", async () => {
  const { runner, repository } = counted();
  const off = { enabled: false, interval: HOUR_NS };
  await repository.manifests.put(
    { type: "maintenance" },
    { owner: "user@host", quick: off, full: { enabled: true, interval: -5 } },
  );
  assert.equal(await runner.nextMs(), undefined);
  assert.equal(await runner.run({ now: repository.clock.nowMs() }), undefined);
});
