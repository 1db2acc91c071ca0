/** Files that are written in stretches: every byte at its place, whatever the parts. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom } from "../../testkit/random.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { writeFileAtomically } from "./write-file.ts";

const MIB: number = 1024 * 1024;

test("writeFileAtomically: parts of all sizes, empty ones and shared memory among them", async () => {
  await using folder = await temporaryDirectory("write-file");
  const random = new SeededRandom(7);
  const shared = new Uint8Array(new SharedArrayBuffer(5 * MIB + 3));
  shared.set(random.bytes(shared.length));
  const cases: (readonly Uint8Array[])[] = [
    [],
    [new Uint8Array(0)],
    [shared],
    [random.bytes(MIB - 1), random.bytes(2), new Uint8Array(0), shared, random.bytes(MIB)],
    Array.from({ length: 1500 }, (_, i) => random.bytes(i % 3)),
  ];
  for (const [i, parts] of cases.entries()) {
    const path = join(folder.path, `${i}`);
    await writeFileAtomically(path, parts, { mode: 0o600, random });
    assert.ok(readFileSync(path).equals(Buffer.concat(parts)), `case ${i}`);
  }
  assert.equal(readdirSync(folder.path).length, cases.length);
});
