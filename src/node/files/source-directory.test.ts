import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { hasExactTimes, setFileTimes } from "./times.ts";
import { OpenDirectory, statOpenFile } from "./open-directory.ts";

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
  using directory = OpenDirectory.open(path, 5);
  if (directory === undefined) return t.skip(`no statx here; exact times: ${hasExactTimes()}`);
  for (const [name, kind] of [
    ["file ä", "file"],
    ["old", "file"],
    ["folder", "directory"],
    ["link", "symlink"],
    ["fifo", "other"],
  ] as const)
    assert.deepEqual(directory.stat(name), { ...expected(join(path, name)), kind }, name);
  assert.equal(directory.stat("missing"), undefined);
  using devices = OpenDirectory.open("/dev", 5);
  assert.equal(devices?.stat("null")?.device, statSync("/dev/null").dev);
  const fd = openSync(join(path, "old"), "r");
  assert.deepEqual(statOpenFile(fd), { ...expected(join(path, "old")), kind: "file" });
  closeSync(fd);
  assert.equal(statOpenFile(fd), undefined);
});

test("an open directory: what is none cannot be opened, and for a few names it is not worth it", async () => {
  await using folder = await temporaryDirectory();
  writeFileSync(join(folder.path, "file"), "");
  assert.equal(OpenDirectory.open(join(folder.path, "file"), 5), undefined);
  assert.equal(OpenDirectory.open(join(folder.path, "missing"), 5), undefined);
  assert.equal(OpenDirectory.open(folder.path, 1), undefined);
});

test("an open directory: its files are opened for reading, whatever its name leads to by now", async (t) => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "here");
  mkdirSync(path);
  writeFileSync(join(path, "file ä"), "inside");
  symlinkSync("file ä", join(path, "link"));
  execFileSync("mkfifo", [join(path, "fifo")]);
  using directory = OpenDirectory.open(path, 5);
  if (directory === undefined) return t.skip("no openat here");
  renameSync(path, join(folder.path, "moved"));
  mkdirSync(path);
  writeFileSync(join(path, "file ä"), "another");
  const fd = directory.openSource("file ä");
  assert.ok(fd !== undefined);
  assert.equal(readFileSync(fd, "utf8"), "inside");
  assert.throws(() => writeSync(fd, "x"), { code: "EBADF" });
  // Not for programs that are started meanwhile.
  assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"), /^flags:\s+0?[0-7]*2[0-7]{6}$/m);
  directory.closeSource(fd);
  assert.throws(() => readFileSync(fd), { code: "EBADF" });
  assert.equal(directory.openSource("link"), undefined);
  assert.equal(directory.openSource("missing"), undefined);
  const fifo = directory.openSource("fifo");
  assert.ok(fifo !== undefined);
  directory.closeSource(fifo);
});
