import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../testkit/temp.ts";
import {
  createDirectory,
  createSymlink,
  discardRestoreFile,
  finishRestoreFile,
  hasExactTimes,
  joinLocal,
  lstatExact,
  openRestoreFile,
  openSource,
  pathLike,
  readDirectory,
  readLink,
  setDirectoryAttributes,
  setFileAttributes,
  setFileTimes,
  setLinkAttributes,
  writeFully,
  writeSparse,
} from "./index.ts";

const PLAIN = { overwrite: false, atomically: false };
const STRICT = { ignorePermissionErrors: false };

test("readDirectory: names that are not UTF-8 come as bytes, U+FFFD in a real name stays text", async () => {
  await using folder = await temporaryDirectory();
  const odd = Uint8Array.of(0x61, 0xff);
  fs.writeFileSync(pathLike(joinLocal(folder.path, odd)), "odd");
  fs.writeFileSync(join(folder.path, "\ufffd"), "replacement");
  fs.symlinkSync("nowhere", join(folder.path, "link"));
  fs.mkdirSync(join(folder.path, "sub"));
  const entries = readDirectory(folder.path);
  const kinds = new Map(
    entries.map(({ name, stat }) => [
      typeof name === "string" ? name : Buffer.from(name).toString("hex"),
      stat?.kind,
    ]),
  );
  assert.deepEqual([...kinds].sort(), [
    ["61ff", "file"],
    ["link", "symlink"],
    ["sub", "directory"],
    ["\ufffd", "file"],
  ]);
});

test("readLink: a target that is not UTF-8 comes as bytes", async () => {
  await using folder = await temporaryDirectory();
  createSymlink(folder.path, "a", Uint8Array.of(0xff, 0x2f));
  createSymlink(folder.path, "b", "ä");
  assert.deepEqual(readLink(join(folder.path, "a")), Uint8Array.of(0xff, 0x2f));
  assert.equal(readLink(join(folder.path, "b")), "ä");
});

test("setFileTimes: every nanosecond, before 1970 too, of files and of symlinks themselves", async (t) => {
  if (!hasExactTimes()) return t.skip("koffi cannot be loaded here");
  await using folder = await temporaryDirectory();
  const file = join(folder.path, "f");
  const link = join(folder.path, "l");
  fs.writeFileSync(file, "");
  fs.symlinkSync("f", link);
  for (const mtimeNs of [1_234_567_890_123_456_789n, -1n, 0n, 4_000_000_000_999_999_999n]) {
    setFileTimes(file, { mtimeNs });
    assert.equal(lstatExact(file)?.mtimeNs, mtimeNs);
  }
  setFileTimes(link, { mtimeNs: 77n });
  assert.equal(lstatExact(link)?.mtimeNs, 77n);
  assert.notEqual(lstatExact(file)?.mtimeNs, 77n);
  assert.throws(() => setFileTimes(join(folder.path, "missing"), { mtimeNs: 1n }), {
    code: "ENOENT",
  });
});

test("attributes: mode with setuid, time, of files, directories and links", async () => {
  await using folder = await temporaryDirectory();
  const target = openRestoreFile(folder.path, "f", PLAIN);
  writeFully(target.fd, Buffer.from("data"), 0);
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  setFileAttributes(target.fd, { mode: 0o4751, owner: { uid, gid }, mtimeNs: 5n }, STRICT);
  finishRestoreFile(target);
  const stat = lstatExact(join(folder.path, "f"));
  assert.equal((stat?.mode ?? 0) & 0o7777, 0o4751);
  assert.equal(stat?.mtimeNs, 5n);
  const directory = createDirectory(folder.path, ["d"]);
  setDirectoryAttributes(directory, { mode: 0o750, mtimeNs: 6n }, STRICT);
  assert.equal((lstatExact(directory)?.mode ?? 0) & 0o7777, 0o750);
  createSymlink(folder.path, "l", "f");
  setLinkAttributes(join(folder.path, "l"), { owner: { uid, gid }, mtimeNs: 7n }, STRICT);
  assert.equal(lstatExact(join(folder.path, "l"))?.mtimeNs, 7n);
  assert.throws(() => setDirectoryAttributes(join(folder.path, "l"), { mode: 0o777 }, STRICT), {
    code: "SEJF_IO",
  });
});

test("openRestoreFile: a symlink, a directory or a pipe in the place is never written through", async () => {
  await using folder = await temporaryDirectory();
  const outside = join(folder.path, "outside");
  fs.writeFileSync(outside, "precious");
  fs.symlinkSync(outside, join(folder.path, "link"));
  fs.mkdirSync(join(folder.path, "dir"));
  for (const overwrite of [false, true]) {
    for (const name of ["link", "dir"]) {
      assert.throws(() => openRestoreFile(folder.path, name, { overwrite, atomically: false }), {
        code: "SEJF_ALREADY_EXISTS",
      });
    }
  }
  assert.throws(() => openRestoreFile(folder.path, "../x", PLAIN), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  assert.equal(fs.readFileSync(outside, "utf8"), "precious");
  const replacing = openRestoreFile(folder.path, "link", { overwrite: true, atomically: true });
  writeFully(replacing.fd, Buffer.from("new"), 0);
  finishRestoreFile(replacing);
  assert.equal(fs.readFileSync(outside, "utf8"), "precious");
  assert.equal(fs.readFileSync(join(folder.path, "link"), "utf8"), "new");
});

test("openRestoreFile: an existing file is refused, or emptied where that was asked", async () => {
  await using folder = await temporaryDirectory();
  fs.writeFileSync(join(folder.path, "f"), "a long old text");
  assert.throws(() => openRestoreFile(folder.path, "f", PLAIN), { code: "SEJF_ALREADY_EXISTS" });
  assert.throws(() => openRestoreFile(folder.path, "f", { overwrite: false, atomically: true }), {
    code: "SEJF_ALREADY_EXISTS",
  });
  const target = openRestoreFile(folder.path, "f", { overwrite: true, atomically: false });
  writeFully(target.fd, Buffer.from("new"), 0);
  finishRestoreFile(target);
  assert.equal(fs.readFileSync(join(folder.path, "f"), "utf8"), "new");
});

test("discardRestoreFile: nothing is left, also of a temporary name", async () => {
  await using folder = await temporaryDirectory();
  for (const atomically of [false, true])
    discardRestoreFile(openRestoreFile(folder.path, "f", { overwrite: false, atomically }));
  assert.deepEqual(fs.readdirSync(folder.path), []);
});

test("openSource: symlinks are refused, a pipe does not block", async () => {
  await using folder = await temporaryDirectory();
  fs.writeFileSync(join(folder.path, "f"), "x");
  fs.symlinkSync("f", join(folder.path, "l"));
  assert.throws(() => openSource(join(folder.path, "l")), { code: "ELOOP" });
  fs.closeSync(openSource(join(folder.path, "f")));
});

test("createDirectory: makes what is missing, refuses symlinks and files on the way", async () => {
  await using folder = await temporaryDirectory();
  fs.mkdirSync(join(folder.path, "elsewhere"));
  fs.symlinkSync("elsewhere", join(folder.path, "link"));
  fs.writeFileSync(join(folder.path, "file"), "");
  assert.equal(createDirectory(folder.path, ["a", "b"]), join(folder.path, "a/b"));
  assert.equal(createDirectory(folder.path, ["a", "b"]), join(folder.path, "a/b"));
  assert.throws(() => createDirectory(folder.path, ["link", "x"]), { code: "SEJF_ALREADY_EXISTS" });
  assert.throws(() => createDirectory(folder.path, ["file"]), { code: "SEJF_ALREADY_EXISTS" });
  assert.throws(() => createDirectory(folder.path, [".."]), { code: "SEJF_INVALID_ARGUMENT" });
  assert.deepEqual(fs.readdirSync(join(folder.path, "elsewhere")), []);
});

test("writeSparse: reads back the same, with fewer blocks", async () => {
  await using folder = await temporaryDirectory();
  const data = new Uint8Array(1 << 20);
  data.fill(7, 5000, 6000);
  data[900_000] = 1;
  const target = openRestoreFile(folder.path, "f", PLAIN);
  // Two calls whose border is in the middle of a block.
  writeSparse(target.fd, data.subarray(0, 300_001), 0);
  writeSparse(target.fd, data.subarray(300_001), 300_001);
  fs.ftruncateSync(target.fd, data.length);
  finishRestoreFile(target);
  assert.deepEqual(new Uint8Array(fs.readFileSync(join(folder.path, "f"))), data);
  assert.ok(fs.statSync(join(folder.path, "f")).blocks * 512 < data.length / 2);
});
