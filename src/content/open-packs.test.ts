import assert from "node:assert/strict";
import { readlinkSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { toBlobId } from "../blob/index.ts";
import { FakeClock } from "../testkit/clock.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { OpenPacks } from "./open-packs.ts";

test("OpenPacks: any number of packs is read, the latest few stay open", async (t) => {
  await using folder = await temporaryDirectory();
  const packs = new OpenPacks(new FakeClock(0));
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 80; number++) {
      const path = join(folder.path, `q${number}`);
      if (round === 0) writeFileSync(path, new Uint8Array(400_000).fill(number));
      for (const length of [3, 300_000]) {
        const range = { offset: 50_000, length };
        assert.deepEqual(
          await packs.read(toBlobId(`q${number}`), path, range),
          new Uint8Array(length).fill(number),
        );
      }
    }
    if (process.platform === "linux") assert.ok(openBelow(folder.path) <= 36);
    else t.diagnostic("open files are counted on Linux only");
  }
  await packs.close();
  if (process.platform === "linux") assert.equal(openBelow(folder.path), 0);
});

test("OpenPacks: what is not read any more is closed, and its place on the disk free", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  await using folder = await temporaryDirectory();
  const clock = new FakeClock(0);
  const packs = new OpenPacks(clock);
  const path = join(folder.path, "p1");
  writeFileSync(path, new Uint8Array(10));
  assert.equal((await packs.read(toBlobId("p1"), path, RANGE))?.byteLength, 5);
  rmSync(path);
  assert.equal((await packs.read(toBlobId("p1"), path, RANGE))?.byteLength, 5);
  clock.advance(60_000);
  t.mock.timers.tick(60_000);
  assert.equal(await packs.read(toBlobId("p1"), path, RANGE), undefined);
  await packs.close();
});

test("OpenPacks: what is not there is left to the storage", async () => {
  await using folder = await temporaryDirectory();
  const packs = new OpenPacks(new FakeClock(0));
  const id = toBlobId("q1");
  const path = join(folder.path, "q1");
  assert.equal(await packs.read(toBlobId("q2"), join(folder.path, "q2"), RANGE), undefined);
  writeFileSync(path, new Uint8Array(10));
  assert.equal(await packs.read(id, path, { offset: 5, length: 6 }), undefined);
  assert.equal((await packs.read(id, path, RANGE))?.byteLength, 5);
  await packs.close();
});

const RANGE = { offset: 5, length: 5 } as const;

function openBelow(folder: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
}
