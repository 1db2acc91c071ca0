import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createWasmMemory } from "../../node/index.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { writeDirectly } from "./write-directly.ts";
import { writeFileAtomically } from "./write-file.ts";

const MIB = 1024 * 1024;

function sharedBytes(length: number, offset: number): Uint8Array {
  const bytes = new Uint8Array(createWasmMemory(offset + length).buffer, offset, length);
  bytes.set(new SeededRandom(length).bytes(length));
  return bytes;
}

test("writeFileAtomically: from aligned shared memory of any length the same bytes arrive", async () => {
  await using folder = await temporaryDirectory();
  for (const length of [MIB - 1, MIB, MIB + 1, 3 * MIB + 4095, 4 * MIB + 4096]) {
    for (const offset of [0, 8192, 100]) {
      const bytes = sharedBytes(length, offset);
      const path = join(folder.path, `f-${length}-${offset}`);
      await writeFileAtomically(path, [bytes], { mode: 0o600, random: new SeededRandom(1) });
      assert.equal(Buffer.compare(readFileSync(path), bytes), 0, `${length} at ${offset}`);
    }
  }
  assert.ok(
    readdirSync(folder.path).every((name) => name.startsWith("f-") && !name.includes(".tmp")),
  );
});

test("writeDirectly: leaves alone what is small, in parts, not aligned or not shared", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "f");
  const options = { mode: 0o600 };
  assert.equal(await writeDirectly(path, [sharedBytes(MIB - 1, 0)], options), 0);
  assert.equal(await writeDirectly(path, [sharedBytes(MIB, 100)], options), 0);
  assert.equal(await writeDirectly(path, [sharedBytes(MIB, 0), new Uint8Array(1)], options), 0);
  assert.equal(await writeDirectly(path, [new Uint8Array(MIB)], options), 0);
  assert.deepEqual(readdirSync(folder.path), []);
});

test("writeDirectly: an abort leaves nothing; an existing file is not touched", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "f");
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const bytes = sharedBytes(MIB, 0);
  const attempt = writeDirectly(path, [bytes], { mode: 0o600, signal });
  await attempt.then(
    (written) => assert.equal(written, 0),
    (error: unknown) => assert.equal(error, reason),
  );
  assert.deepEqual(readdirSync(folder.path), []);
  if ((await writeDirectly(path, [bytes], { mode: 0o600 })) === 0) return;
  await assert.rejects(writeDirectly(path, [bytes], { mode: 0o600 }), { code: "EEXIST" });
  assert.equal(readFileSync(path).length, MIB);
});
