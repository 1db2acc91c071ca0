import assert from "node:assert/strict";
import { test } from "node:test";
import { SejfError } from "../../errors/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { TaskRegistry } from "./task-registry.ts";

test("TaskRegistry: a task is listed while it runs and after it has ended", async () => {
  const clock = new FakeClock();
  const tasks = new TaskRegistry({ clock });
  const gate = Promise.withResolvers<number>();
  const { id, done } = tasks.start("Restore", "somewhere", async (control) => {
    control.progress("half");
    control.counters({ Files: { value: 3, level: "" } });
    control.log("warn", "careful", { path: "a" });
    return await gate.promise;
  });
  assert.deepEqual(tasks.get(id), {
    id: "1",
    startTime: "2026-08-01T12:00:00.000Z",
    kind: "Restore",
    description: "somewhere",
    status: "RUNNING",
    progressInfo: "half",
    counters: { Files: { value: 3, level: "" } },
  });
  assert.deepEqual(tasks.summary(), { RUNNING: 1 });
  clock.advance(1500);
  gate.resolve(7);
  assert.equal(await done, 7);
  const after = tasks.get(id);
  assert.equal(after?.status, "SUCCESS");
  assert.equal(after?.endTime, "2026-08-01T12:00:01.500Z");
  assert.equal(after?.progressInfo, "");
  assert.deepEqual(tasks.summary(), { RUNNING: 0, SUCCESS: 1 });
  assert.deepEqual(tasks.logs(id), [
    { level: 2, ts: clock.nowMs() / 1000 - 1.5, mod: "sejf/server", msg: "careful", path: "a" },
  ]);
});

test("TaskRegistry: a failure is kept with its message, and rejects only for who waits", async () => {
  const tasks = new TaskRegistry({ clock: new FakeClock() });
  const failing = (): Promise<void> => Promise.reject(new SejfError("SEJF_IO", "disk\n  gone"));
  const { id, done } = tasks.start("Snapshot", "x", failing);
  await assert.rejects(done, { code: "SEJF_IO" });
  assert.equal(tasks.get(id)?.status, "FAILED");
  assert.equal(tasks.get(id)?.errorMessage, "disk gone");
  await assert.rejects(tasks.run("Snapshot", "y", failing), { code: "SEJF_IO" });
  assert.deepEqual(tasks.summary(), { RUNNING: 0, FAILED: 2 });
});

test("TaskRegistry: cancelling aborts the work's signal, and what the work does then is CANCELED", async () => {
  const tasks = new TaskRegistry({ clock: new FakeClock() });
  const stopped = tasks.start("Restore", "stops", async ({ signal }) => {
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
  });
  const saves = tasks.start("Snapshot", "saves what it has", async ({ signal }) => {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  });
  tasks.cancel(stopped.id);
  tasks.cancel(saves.id);
  tasks.cancel("ffff");
  assert.equal(tasks.get(stopped.id)?.status, "CANCELING");
  assert.equal(tasks.summary().RUNNING, 2);
  await assert.rejects(stopped.done, { code: "SEJF_CANCELLED" });
  await saves.done;
  assert.equal(tasks.get(stopped.id)?.status, "CANCELED");
  assert.equal(tasks.get(saves.id)?.status, "CANCELED");
  tasks.cancel(saves.id);
  assert.equal(tasks.get(saves.id)?.status, "CANCELED");
});

test("TaskRegistry: old tasks and old lines of log are dropped, running tasks never", async () => {
  const tasks = new TaskRegistry({ clock: new FakeClock(), maxFinished: 2, maxLogLines: 3 });
  const gate = Promise.withResolvers<void>();
  const running = tasks.start("Estimate", "long", () => gate.promise);
  for (let index = 0; index < 4; index++)
    await tasks.run("Estimate", String(index), async (control) => {
      for (let line = 0; line < 5; line++) control.log("info", `line ${line}`);
      await Promise.resolve();
    });
  assert.deepEqual(
    tasks.list().map(({ description }) => description),
    ["3", "2", "long"],
  );
  const [newest] = tasks.list();
  assert.deepEqual(
    tasks.logs(newest?.id ?? "")?.map(({ msg }) => msg),
    ["line 2", "line 3", "line 4"],
  );
  assert.equal(tasks.logs("1234"), undefined);
  gate.resolve();
  await running.done;
});

test("TaskRegistry: finished tells whether a task ended before the time was over", async () => {
  const tasks = new TaskRegistry({ clock: new FakeClock() });
  const gate = Promise.withResolvers<void>();
  const { id } = tasks.start("Repository", "Connect", () => gate.promise);
  assert.equal(await tasks.finished(id, Promise.resolve()), false);
  const waiting = tasks.finished(id, new Promise(() => undefined));
  gate.resolve();
  assert.equal(await waiting, true);
  assert.equal(await tasks.finished("99", Promise.resolve()), false);
});
