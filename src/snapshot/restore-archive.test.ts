/** Archives, read by other programs where they are installed. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { ContentRef } from "../format/index.ts";
import { lstatExact } from "../node/index.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { SeededRandom } from "../testkit/random.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { directory, file, link, TIME } from "../testkit/tree-builder.ts";
import { type ArchiveFormat, type DirEntry, restoreToArchive } from "./index.ts";

const BIG = new SeededRandom(7).bytes(3_000_000);
const LONG = "n".repeat(150);

async function tree(repository: MemoryRepository): Promise<DirEntry> {
  const deep = await directory(repository, "ünï", [await file(repository, LONG, "long")]);
  const sub = await directory(repository, "sub", [
    deep,
    { ...(await file(repository, "big", BIG, 0o4711)), uid: 3_000_000, gid: 70_000 },
    await link(repository, "link", "../a"),
  ]);
  return await directory(repository, "root", [
    await directory(repository, "empty", []),
    { ...sub, mode: 0o2750 },
    await file(repository, "a", "hello"),
    { ...(await file(repository, "old", "x")), mtimeNs: -1_500_000_000n },
    await file(repository, "x: y\\z", "odd"),
  ]);
}

async function archive(
  format: ArchiveFormat,
  target: string,
  options: object = {},
): Promise<Buffer> {
  const repository = memoryRepository({ splitter: "FIXED-128K" });
  const root = await tree(repository);
  const summary = await restoreToArchive(repository, root, target, { format, ...options });
  assert.deepEqual([summary.files, summary.directories, summary.symlinks], [5, 4, 1]);
  return readFileSync(target);
}

function missing(program: string): string | false {
  return spawnSync(program, ["--version"]).error === undefined ? false : `${program} is missing`;
}

test("tar: GNU tar gives back contents, modes, links, empty directories and times to the nanosecond", {
  skip: missing("tar"),
}, async () => {
  await using temp = await temporaryDirectory("archive");
  await archive("tar", join(temp.path, "a.tar"));
  const out = join(temp.path, "out");
  mkdirSync(out);
  execFileSync("tar", ["xpf", join(temp.path, "a.tar"), "--no-same-owner", "-C", out], {
    stdio: "ignore",
  });
  assert.deepEqual(readdirSync(join(out, "empty")), []);
  assert.deepEqual(new Uint8Array(readFileSync(join(out, "sub/big"))), BIG);
  assert.equal(readFileSync(join(out, "sub/ünï", LONG), "utf8"), "long");
  assert.equal(readFileSync(join(out, "x: y\\z"), "utf8"), "odd");
  for (const [path, mode] of [
    ["a", 0o640],
    ["sub", 0o2750],
    ["sub/ünï", 0o750],
  ] as const) {
    const stat = lstatExact(join(out, path));
    assert.equal((stat?.mode ?? 0) & 0o7777, mode, path);
    assert.equal(stat?.mtimeNs, path === "a" ? TIME : TIME - 5n, path);
  }
  const listing = execFileSync("tar", ["tvf", join(temp.path, "a.tar"), "--numeric-owner"], {
    encoding: "utf8",
  });
  assert.match(listing, /-rws--x--x 3000000\/70000 +3000000 .* sub\/big\n/);
  assert.match(listing, / sub\/link -> \.\.\/a\n/);
});

const PYTHON = `
import sys, zipfile, tarfile, json
name = sys.argv[1]
if name.endswith(".zip"):
  z = zipfile.ZipFile(name)
  assert z.testzip() is None
  print(json.dumps([[i.filename, i.external_attr >> 16, i.file_size, i.compress_type, i.extra.hex()] for i in z.infolist()]))
else:
  print(json.dumps([[m.name, m.mode, m.size, m.uid, m.mtime] for m in tarfile.open(name).getmembers()]))
`;

function python(path: string): unknown[][] {
  return JSON.parse(
    execFileSync("python3", ["-c", PYTHON, path], { encoding: "utf8" }),
  ) as unknown[][];
}

test("zip: Python reads every entry, with Unix modes, links, owners and times", {
  skip: missing("python3"),
}, async () => {
  await using temp = await temporaryDirectory("archive");
  for (const [format, method] of [
    ["zip", 8],
    ["zip-nocompress", 0],
  ] as const) {
    const target = join(temp.path, `${format}.zip`);
    await archive(format, target);
    const seconds = Buffer.alloc(4);
    seconds.writeInt32LE(Number(TIME / 1_000_000_000n));
    const extra = (uid: string): string => `5554050001${seconds.toString("hex")}75780b0001${uid}`;
    const entries = python(target);
    assert.deepEqual(
      entries.map(([name, mode, size]) => [name, mode, size]),
      [
        ["empty/", 0o40750, 0],
        ["sub/", 0o42750, 0],
        ["sub/ünï/", 0o40750, 0],
        [`sub/ünï/${LONG}`, 0o100640, 4],
        ["sub/big", 0o104711, BIG.length],
        ["sub/link", 0o120777, 4],
        ["a", 0o100640, 5],
        ["old", 0o100640, 1],
        ["x: y\\z", 0o100640, 3],
      ],
    );
    const big = entries.find(([name]) => name === "sub/big");
    assert.deepEqual(big?.slice(3), [method, extra("04c0c62d00" + "0470110100")]);
  }
});

test("tar: Python reads times before the epoch", { skip: missing("python3") }, async () => {
  await using temp = await temporaryDirectory("archive");
  const target = join(temp.path, "a.tar");
  await archive("tar", target);
  assert.equal(python(target).find(([name]) => name === "old")?.[4], -1.5);
});

test("the same tree gives the same archive, and tgz is the tar file through gzip", async () => {
  await using temp = await temporaryDirectory("archive");
  const at = (name: string): string => join(temp.path, name);
  const tar = await archive("tar", at("a.tar"));
  assert.deepEqual(await archive("tar", at("b.tar")), tar);
  assert.deepEqual(gunzipSync(await archive("tgz", at("c.tgz"))), tar);
  const zip = await archive("zip", at("a.zip"));
  assert.deepEqual(await archive("zip", at("b.zip")), zip);
});

test("an archive has its name when it is whole: a failure or an abort leaves what was there", async () => {
  await using temp = await temporaryDirectory("archive");
  const target = join(temp.path, "link.zip");
  writeFileSync(join(temp.path, "real"), "before");
  symlinkSync("real", target);
  const repository = memoryRepository({ splitter: "FIXED-128K" });
  const big = await file(repository, "big", BIG);
  const root = await directory(repository, "root", [await file(repository, "a", "a"), big]);
  const lost = [...repository.contents.stored.keys()].at(-4) as ContentRef;
  for (const format of ["zip", "tar", "tgz", "zip-nocompress"] as const) {
    repository.contents.stored.delete(lost);
    await assert.rejects(
      restoreToArchive(repository, root, target, { format, ignoreErrors: true }),
      { code: "SEJF_CONTENT_NOT_FOUND" },
    );
    const reason = new Error("enough");
    const controller = new AbortController();
    repository.contents.onRead = () => controller.abort(reason);
    await assert.rejects(
      restoreToArchive(repository, root, target, { format, signal: controller.signal }),
      reason,
    );
    repository.contents.onRead = undefined;
  }
  assert.equal(readFileSync(target, "utf8"), "before");
  assert.deepEqual(readdirSync(temp.path).toSorted(), ["link.zip", "real"]);
  await assert.rejects(
    restoreToArchive(repository, root, target, { format: "zip", overwriteFiles: false }),
    { code: "SEJF_ALREADY_EXISTS" },
  );
});

test("what is not there is left out where errors are ignored, and attributes as asked", async () => {
  await using temp = await temporaryDirectory("archive");
  const repository = memoryRepository();
  const [lost, bad] = [await file(repository, "lost", "lost"), await link(repository, "bad", "b")];
  const root = await directory(repository, "root", [
    lost,
    { ...bad, object: (await file(repository, "", new Uint8Array([0xff]))).object },
    { ...(await file(repository, "wrong", "12345")), sizeBytes: 4 },
    await file(repository, "fine", "fine", 0o600),
  ]);
  repository.contents.stored.delete(lost.object as string as ContentRef);
  const errors: string[] = [];
  const target = join(temp.path, "a.tar");
  await restoreToArchive(repository, root, target, {
    format: "tar",
    ignoreErrors: true,
    skipOwners: true,
    skipPermissions: true,
    skipTimes: true,
    onEvent: (event) => void (event.kind === "error" && errors.push(event.path)),
  });
  assert.deepEqual(errors, ["bad", "lost", "wrong"]);
  const header = readFileSync(target).subarray(0, 160).toString("latin1");
  assert.equal(header.slice(0, 4), "fine");
  assert.match(header.slice(100), /^0000644\0/);
});
