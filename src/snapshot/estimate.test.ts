import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { memoryRepository } from "../testkit/memory-repository.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import {
  createSnapshot,
  decodePolicy,
  type Estimate,
  type EstimateOptions,
  estimateTree,
  type Policy,
  policyTree,
  setPolicy,
} from "./index.ts";

const isRoot = process.getuid?.() === 0;

function put(folder: string, path: string, sizeBytes: number, text = "x"): void {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), sizeBytes > 0 ? text.repeat(sizeBytes) : "");
}

async function estimate(
  path: string,
  policy: Policy,
  options: Partial<EstimateOptions> = {},
): Promise<{ readonly estimate: Estimate; readonly uploaded: number; readonly excluded: number }> {
  const repository = memoryRepository();
  const source = { username: "user", hostname: "host", path };
  await setPolicy(repository.manifests, source, policy);
  const policies = await policyTree(repository.manifests, source);
  const found = estimateTree(path, policies, { maxExamples: 10, ...options });
  const { snapshot } = await createSnapshot(repository, source);
  const { files = 0 } = snapshot.rootEntry?.summary ?? {};
  return { estimate: found, uploaded: files, excluded: snapshot.stats.excludedFileCount };
}

test("estimateTree: counts what an upload stores and leaves out, by size", async () => {
  await using temp = await temporaryDirectory("estimate");
  put(temp.path, "small", 5);
  put(temp.path, "sub/medium", 1500);
  put(temp.path, "sub/big", 20_000);
  put(temp.path, "sub/not.tmp", 10);
  put(temp.path, "skip/inside", 10);
  put(temp.path, "cache/junk", 10);
  writeFileSync(
    join(temp.path, "cache/CACHEDIR.TAG"),
    "Signature: 8a477f597d28d172789f06886806bc55\n",
  );
  put(temp.path, "empty", 0);
  symlinkSync("small", join(temp.path, "link"));
  writeFileSync(join(temp.path, ".kopiaignore"), "*.tmp\nskip/\n");
  const policy = decodePolicy({ files: { ignoreDotFiles: [".kopiaignore"] } }, "test");
  const { estimate: found, uploaded, excluded } = await estimate(temp.path, policy);
  assert.deepEqual([found.files, found.excludedFiles], [uploaded, excluded]);
  assert.deepEqual([found.files, found.bytes], [5, 5 + 1500 + 20_000 + 12]);
  assert.deepEqual([found.excludedBytes, found.excludedDirectories, found.errors], [10, 2, 0]);
  assert.deepEqual(found.excludedDirectoryExamples.toSorted(), ["cache", "skip"]);
  const counts = found.included
    .filter(({ count }) => count > 0)
    .map(({ minBytes, count, totalBytes }) => [minBytes, count, totalBytes]);
  assert.deepEqual(counts, [
    [10_000, 1, 20_000],
    [1000, 1, 1500],
    [0, 3, 17],
  ]);
  assert.deepEqual(
    found.excluded.flatMap(({ examples }) => examples),
    [{ path: "sub/not.tmp", sizeBytes: 10 }],
  );
});

test("estimateTree: examples are bounded, counts are not; big files beyond the limit are left out", async () => {
  await using temp = await temporaryDirectory("estimate");
  for (let at = 0; at < 8; at++) put(temp.path, `f${at}`, at + 1);
  const policy = decodePolicy({ files: { maxFileSize: 6 } }, "test");
  const { estimate: found } = await estimate(temp.path, policy, { maxExamples: 2 });
  const [last] = found.included.slice(-1);
  assert.deepEqual([last?.count, last?.examples.length], [6, 2]);
});

test("estimateTree: a directory that cannot be listed is an error, and the rest is counted", {
  skip: isRoot ? "root can list everything" : false,
}, async () => {
  await using temp = await temporaryDirectory("estimate");
  put(temp.path, "closed/file", 1);
  put(temp.path, "open/file", 1);
  chmodSync(join(temp.path, "closed"), 0);
  const told: string[] = [];
  const onError = (path: string): void => void told.push(path);
  const empty = decodePolicy({}, "test");
  const { estimate: found } = await estimate(temp.path, empty, { onError });
  assert.deepEqual([found.files, found.errors, told], [1, 1, ["closed"]]);
});

test("estimateTree: only directories have an estimate", async () => {
  await using temp = await temporaryDirectory("estimate");
  put(temp.path, "file", 1);
  const repository = memoryRepository();
  const source = { username: "user", hostname: "host", path: temp.path };
  const policies = await policyTree(repository.manifests, source);
  const options = { maxExamples: 1 };
  for (const name of ["file", "nothing"])
    assert.throws(() => estimateTree(join(temp.path, name), policies, options), {
      code: "SEJF_SOURCE",
    });
});
