/** Listings that a thread makes before they are asked for. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { readDirectory } from "../files/index.ts";
import { startSpareThread, WalkAhead } from "./index.ts";

test("WalkAhead: a thread that was started ahead lists what is asked for; each listing is given once", async () => {
  assert.equal(WalkAhead.create(), undefined, "without a thread there is nothing ahead");
  await using folder = await temporaryDirectory();
  const directories = Array.from({ length: 40 }, (_, i) => ({ local: join(folder.path, `${i}`) }));
  for (const [i, { local }] of directories.entries()) {
    mkdirSync(local);
    for (let file = 0; file < i; file++) writeFileSync(join(local, `${file}`), "x".repeat(file));
  }
  startSpareThread();
  const ahead = WalkAhead.create();
  assert.ok(ahead !== undefined);
  let given = 0;
  // The thread may still be starting: then the one who asks is first.
  for (let round = 0; round < 200 && given === 0; round++) {
    ahead.ask(directories);
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const { local } of directories.toReversed()) {
      const entries = ahead.take(local);
      if (entries === undefined) continue;
      given++;
      assert.deepEqual(entries, readDirectory(local));
      assert.equal(ahead.take(local), undefined);
    }
  }
  assert.ok(given > 0, "nothing was listed ahead");
  ahead.ask(directories);
  await new Promise((resolve) => setTimeout(resolve, 50));
  ahead.forget();
  for (const { local } of directories) assert.equal(ahead.take(local), undefined);
});
