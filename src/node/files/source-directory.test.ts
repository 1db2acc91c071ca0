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
import { libC } from "./libc.ts";
import { SourceDirectory, statOpenFile } from "./source-directory.ts";

const SKIP: string | false =
  (process.platform !== "linux" || libC() === undefined) &&
  `no calls of Linux here; exact times: ${hasExactTimes()}`;

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

test("statx: the same as lstat of files, folders, links and FIFOs, at any time and size", {
  skip: SKIP,
}, async () => {
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
  using directory = new SourceDirectory(path, 5);
  for (const [name, kind] of [
    ["file ä", "file"],
    ["old", "file"],
    ["folder", "directory"],
    ["link", "symlink"],
    ["fifo", "other"],
  ] as const)
    assert.deepEqual(directory.stat(name), { ...expected(join(path, name)), kind }, name);
  assert.equal(directory.stat("missing"), undefined);
  using devices = new SourceDirectory("/dev", 5);
  assert.equal(devices.stat("null")?.device, statSync("/dev/null").dev);
  const fd = openSync(join(path, "old"), "r");
  assert.deepEqual(statOpenFile(fd), { ...expected(join(path, "old")), kind: "file" });
  closeSync(fd);
  assert.equal(statOpenFile(fd), undefined);
});

test("a source directory: what is none has no entries, and for a few names it is not worth opening", async () => {
  await using folder = await temporaryDirectory();
  writeFileSync(join(folder.path, "file"), "text");
  for (const name of ["file", "missing"]) {
    using none = new SourceDirectory(join(folder.path, name), 5);
    assert.equal(none.stat("file"), undefined);
    assert.throws(() => none.openFile("file"), { code: name === "file" ? "ENOTDIR" : "ENOENT" });
  }
  using few = new SourceDirectory(folder.path, 1);
  assert.equal(few.stat("file"), undefined);
  const file = few.openFile("file");
  assert.equal(readFileSync(file.fd, "utf8"), "text");
  file.close();
  assert.throws(() => readFileSync(file.fd), { code: "EBADF" });
});

test("a source directory: its files are opened for reading, whatever its name leads to by now", {
  skip: SKIP,
}, async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "here");
  mkdirSync(path);
  writeFileSync(join(path, "file ä"), "inside");
  symlinkSync("file ä", join(path, "link"));
  execFileSync("mkfifo", [join(path, "fifo")]);
  using directory = new SourceDirectory(path, 5);
  renameSync(path, join(folder.path, "moved"));
  mkdirSync(path);
  writeFileSync(join(path, "file ä"), "another");
  const file = directory.openFile("file ä");
  const { fd } = file;
  assert.equal(readFileSync(fd, "utf8"), "inside");
  assert.throws(() => writeSync(fd, "x"), { code: "EBADF" });
  // Not for programs that are started meanwhile.
  assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"), /^flags:\s+0?[0-7]*2[0-7]{6}$/m);
  file.close();
  assert.throws(() => readFileSync(fd), { code: "EBADF" });
  assert.throws(() => directory.openFile("missing"), { code: "ENOENT" });
  symlinkSync("file ä", join(path, "link"));
  assert.throws(() => directory.openFile("link"), { code: "ELOOP" });
  directory.openFile("fifo").close();
});
