import assert from "node:assert/strict";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { FakeClock } from "../../testkit/clock.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { sweepLogs } from "../log/sweep.ts";
import { filesystemConnection } from "./filesystem-flags.ts";
import { withoutSecrets } from "./secrets.ts";
import { parseExactTime, parseSnapshotTime } from "./snapshot-time.ts";
import { parseTags } from "./tags.ts";

test("parseSnapshotTime: what is given counts as a whole", () => {
  const clock = new FakeClock(new Date(2026, 7, 15, 12).getTime());
  const at = (spec: string): number | undefined => {
    const { notAfterNs: ns, order } = parseSnapshotTime(spec, clock);
    assert.equal(order, undefined);
    return ns === undefined ? undefined : Number((ns + 1n) / 1_000_000n);
  };
  assert.equal(at("latest"), undefined);
  assert.deepEqual(parseSnapshotTime("oldest", clock), { order: "oldest" });
  assert.equal(at("2026"), new Date(2027, 0, 1).getTime());
  assert.equal(at("2026-12"), new Date(2027, 0, 1).getTime());
  assert.equal(at("2026-2-28"), new Date(2026, 2, 1).getTime());
  assert.equal(at("2026-03-04 5"), new Date(2026, 2, 4, 6).getTime());
  assert.equal(at("2026-03-04T05:06"), new Date(2026, 2, 4, 5, 7).getTime());
  assert.equal(at("2026-03-04T05:06:07Z"), Date.UTC(2026, 2, 4, 5, 6, 8));
  assert.equal(at("2026-03-04T05:06:07+0230"), Date.UTC(2026, 2, 4, 2, 36, 8));
  assert.equal(at("2026-03-04 05:06:07.250 UTC"), Date.UTC(2026, 2, 4, 5, 6, 7, 251));
  assert.equal(at("yesterday"), new Date(2026, 7, 15).getTime());
  assert.equal(at("3d-ago"), new Date(2026, 7, 13).getTime());
  assert.equal(at("1y-2mo-ago"), new Date(2025, 5, 16).getTime());
  assert.equal(at("last-month"), new Date(2026, 7, 1).getTime());
  for (const bad of [
    "2026-02-30",
    "2026-13",
    "ago",
    "tomorrow",
    "2026-13-45T99:99",
    "26",
    "2026-03-04 05:06:07 XYZ",
  ]) {
    assert.throws(() => at(bad), { code: "SEJF_INVALID_ARGUMENT" }, bad);
  }
});

test("parseExactTime: kopia's one form", () => {
  assert.equal(
    parseExactTime("--start-time", "2025-06-15 10:20:30 UTC"),
    1_749_982_830_000_000_000n,
  );
  assert.equal(parseExactTime("--start-time", undefined), undefined);
  assert.throws(() => parseExactTime("--start-time", "2025-06-15"), {
    code: "SEJF_INVALID_ARGUMENT",
    message: /--start-time/,
  });
});

test("parseTags: split at the first colon, no key twice", () => {
  assert.deepEqual(parseTags(["a:b:c", "d:"]), { a: "b:c", d: "" });
  assert.throws(() => parseTags(["a"]), { code: "SEJF_INVALID_ARGUMENT" });
  assert.throws(() => parseTags(["a:1", "a:2"]), { code: "SEJF_INVALID_ARGUMENT" });
});

test("filesystemConnection: kopia's members in its order", () => {
  const flags = {
    path: "~/repo",
    ownerUid: undefined,
    ownerGid: undefined,
    fileMode: undefined,
    dirMode: undefined,
    flat: false,
    listParallelism: undefined,
    maxDownloadSpeed: undefined,
    maxUploadSpeed: undefined,
  };
  const env = { HOME: "/home/me" };
  const json = (value: object, version?: number): string =>
    JSON.stringify(filesystemConnection({ ...flags, ...value }, env, version).config);
  assert.equal(json({}), '{"path":"/home/me/repo","fileMode":384,"dirMode":448,"dirShards":null}');
  assert.equal(
    json({}, 1),
    '{"path":"/home/me/repo","fileMode":384,"dirMode":448,"dirShards":[3,3]}',
  );
  assert.equal(
    json({ flat: true, fileMode: "0640", ownerUid: "7", ownerGid: "8", maxUploadSpeed: 5 }),
    '{"path":"/home/me/repo","fileMode":416,"dirMode":448,"uid":7,"gid":8,"dirShards":[],"maxUploadSpeedBytesPerSecond":5}',
  );
  assert.throws(() => json({ path: "relative" }), { code: "SEJF_INVALID_ARGUMENT" });
  assert.throws(() => json({ fileMode: "rw" }), { code: "SEJF_INVALID_ARGUMENT" });
});

test("withoutSecrets: secrets become asterisks", () => {
  assert.deepEqual(withoutSecrets({ bucket: "b", secretAccessKey: "12345", password: "x" }), {
    bucket: "b",
    secretAccessKey: "*****",
    password: "*",
  });
});

test("sweepLogs: too many, too old, too big; nothing that is not ours", async () => {
  await using folder = await temporaryDirectory();
  const clock = new FakeClock();
  const logs = join(folder.path, "cli-logs");
  await mkdir(logs);
  const add = async (name: string, ageHours: number): Promise<void> => {
    await writeFile(join(logs, name), "x".repeat(100));
    const time = new Date(clock.nowMs() - ageHours * 3_600_000);
    await utimes(join(logs, name), time, time);
  };
  await add("kopia-old.log", 9999);
  for (const [at, name] of ["sejf-a.log", "sejf-b.log", "sejf-c.log", "sejf-d.log"].entries())
    await add(name, at * 10);
  const none = { maxFiles: 0, maxAgeNs: 0n, maxTotalBytes: 0 };
  sweepLogs(logs, none, clock);
  assert.equal((await readdir(logs)).length, 5);
  sweepLogs(logs, { ...none, maxAgeNs: 25n * 3_600_000_000_000n }, clock);
  assert.deepEqual((await readdir(logs)).toSorted(), [
    "kopia-old.log",
    "sejf-a.log",
    "sejf-b.log",
    "sejf-c.log",
  ]);
  sweepLogs(logs, { ...none, maxFiles: 2 }, clock);
  assert.deepEqual((await readdir(logs)).toSorted(), ["kopia-old.log", "sejf-a.log", "sejf-b.log"]);
  sweepLogs(logs, { ...none, maxTotalBytes: 150 }, clock);
  assert.deepEqual((await readdir(logs)).toSorted(), ["kopia-old.log", "sejf-a.log"]);
});
