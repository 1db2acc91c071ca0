/** Zeros and holes in big files: stored once, not read where they are holes, and cut as the splitter cuts them. */
import assert from "node:assert/strict";
import { closeSync, ftruncateSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { FileBatch, FileResult } from "../format/index.ts";
import { TestRepository } from "../testkit/direct-contents.ts";
import { SeededRandom } from "../testkit/random.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import type { DirectContents } from "./index.ts";

const MIB = 1 << 20;

/** Data at some places, the rest holes; `isAllocated` writes the zeros. */
function writeHoles(path: string, sizeBytes: number, isAllocated: boolean): void {
  const random = new SeededRandom(9);
  const fd = openSync(path, "w");
  if (isAllocated)
    for (let at = 0; at < sizeBytes; at += MIB)
      writeSync(fd, new Uint8Array(Math.min(MIB, sizeBytes - at)), 0, undefined, at);
  else ftruncateSync(fd, sizeBytes);
  for (const at of [100, 9 * MIB + 5, 9 * MIB + 5000, 30 * MIB])
    writeSync(fd, random.bytes(1000), 0, undefined, at);
  closeSync(fd);
}

async function store(
  contents: DirectContents,
  path: string,
  splitter: string,
): Promise<{ readonly result: FileResult | undefined; readonly toldBytes: number }> {
  const { size } = statSync(path);
  const expected = { sizeBytes: size, mode: 0o100644, mtimeNs: 0n, uid: 0, gid: 0 };
  async function* batches(): AsyncGenerator<FileBatch> {
    yield {
      directory: join(path, ".."),
      files: [
        { job: 1, name: path.split("/").at(-1) ?? "", expected, compressor: undefined, splitter },
      ],
    };
  }
  let toldBytes = 0;
  const onBytes = (job: number, bytes: number): void => {
    assert.equal(job, 1);
    toldBytes += bytes;
  };
  const pages: FileResult[] = [];
  for await (const page of contents.writeFiles(batches(), { onBytes })) pages.push(...page);
  return { result: pages[0], toldBytes };
}

for (const splitter of ["FIXED-1M", "DYNAMIC-1M-BUZHASH", "DYNAMIC-1M-RABINKARP"]) {
  test(`${splitter}: a file with holes has the pieces of one with zeros, by threads and without`, async () => {
    await using temp = await temporaryDirectory("holes");
    const sizeBytes = 40 * MIB + 12_345;
    writeHoles(join(temp.path, "sparse"), sizeBytes, false);
    writeHoles(join(temp.path, "full"), sizeBytes, true);
    await using threads = await new TestRepository().open({ threads: 1 });
    await using portable = await new TestRepository().open({ threads: 0 });
    const oracle = await store(portable, join(temp.path, "full"), splitter);
    assert.ok(oracle.result?.ok === true);
    for (const name of ["sparse", "full"]) {
      const { result, toldBytes } = await store(threads, join(temp.path, name), splitter);
      assert.ok(result?.ok === true);
      assert.deepEqual(result.pieces, oracle.result.pieces);
      assert.equal(result.sizeBytes, sizeBytes);
      assert.equal(toldBytes, sizeBytes);
      if (name === "sparse") assert.equal(result.newBytes, oracle.result.newBytes);
    }
    assert.ok(oracle.result.newBytes < 20 * MIB, `${oracle.result.newBytes} bytes are new`);
  });
}
