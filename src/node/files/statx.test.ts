import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  openSync,
  closeSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { hasExactTimes, setFileTimes } from "./times.ts";
import { DirectoryStat, statOpenFile } from "./statx.ts";

function expected(path: string): object {
  const stat = lstatSync(path, { bigint: true });
  return {
    sizeBytes: Number(stat.size),
    mode: Number(stat.mode),
    mtimeNs: stat.mtimeNs,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    device: Number(stat.dev),
  };
}

test("statx: the same as lstat of files, folders, links and FIFOs, at any time and size", async (t) => {
  await using folder = await temporaryDirectory();
  const { path } = folder;
  writeFileSync(join(path, "file ä"), "12345", { mode: 0o4751 });
  setFileTimes(join(path, "file ä"), { mtimeNs: 1_700_000_000_123_456_789n });
  writeFileSync(join(path, "old"), "");
  setFileTimes(join(path, "old"), { mtimeNs: -123_456_789_000_000_001n });
  truncateSync(join(path, "old"), 5 * 2 ** 32 + 7);
  setFileTimes(join(path, "old"), { mtimeNs: -123_456_789_000_000_001n });
  mkdirSync(join(path, "folder"));
  symlinkSync("nowhere", join(path, "link"));
  execFileSync("mkfifo", [join(path, "fifo")]);
  using stat = DirectoryStat.open(path);
  if (stat === undefined) return t.skip(`no statx here; exact times: ${hasExactTimes()}`);
  for (const [name, kind] of [
    ["file ä", "file"],
    ["old", "file"],
    ["folder", "directory"],
    ["link", "symlink"],
    ["fifo", "other"],
  ] as const)
    assert.deepEqual(stat.stat(name), { ...expected(join(path, name)), kind }, name);
  assert.equal(stat.stat("missing"), undefined);
  using devices = DirectoryStat.open("/dev");
  assert.equal(devices?.stat("null")?.device, statSync("/dev/null").dev);
  const fd = openSync(join(path, "old"), "r");
  assert.deepEqual(statOpenFile(fd), { ...expected(join(path, "old")), kind: "file" });
  closeSync(fd);
  assert.equal(statOpenFile(fd), undefined);
});

test("statx: no directory is no question", async () => {
  await using folder = await temporaryDirectory();
  writeFileSync(join(folder.path, "file"), "");
  assert.equal(DirectoryStat.open(join(folder.path, "file")), undefined);
  assert.equal(DirectoryStat.open(join(folder.path, "missing")), undefined);
});
