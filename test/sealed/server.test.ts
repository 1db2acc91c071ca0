/** Sealed accounts on a real server of ours: enrollment, logins, tokens, snapshots, documents, groups. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { createSnapshot, listSnapshots, restoreTree } from "../../src/snapshot/index.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { SealedServer } from "../../src/testkit/sealed-server.ts";

const ALICE = "alice@laptop";
const DENIED = { code: "SEJF_ACCESS_DENIED" };

function makeTree(root: string, seed: number): void {
  const random = new SeededRandom(seed);
  mkdirSync(join(root, "secret-folder"), { recursive: true });
  writeFileSync(join(root, "secret-name.txt"), "PLAINTEXT-MARKER\n".repeat(100));
  writeFileSync(join(root, "secret-folder", "big.bin"), random.bytes(600_000));
}

test("enroll, back up with the device's token, log in, restore", async () => {
  await using server = await SealedServer.start();
  const code = await server.addSealed(ALICE);
  const alice = await server.enroll(ALICE, code);
  await assert.rejects(server.enroll(ALICE, code), DENIED);
  const tree = join(server.home, "tree");
  makeTree(tree, 1);
  const source = { username: "alice", hostname: "laptop", path: tree };
  {
    const { repository } = await server.openDevice(alice);
    await using sealed = repository;
    await createSnapshot(sealed, source);
    await sealed.flush();
    await createSnapshot(sealed, source);
    await sealed.flush();
  }
  const { repository } = await server.openDevice(alice, "full");
  await using sealed = repository;
  const snapshots = await listSnapshots(sealed, { source });
  assert.equal(snapshots.length, 2);
  const target = join(server.home, "restored");
  mkdirSync(target);
  const root = snapshots[0]?.rootEntry;
  assert.ok(root !== undefined);
  await restoreTree(sealed, root, target);
  assert.deepEqual(compareTrees(tree, target).differences, []);
});
