/** Our filesystem store and a real kopia's on the same folders: the same blobs under the same names, both ways. */
import assert from "node:assert/strict";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type BlobStorage, listAllBlobs, toBlobId } from "../../src/blob/index.ts";
import { systemRandom } from "../../src/bytes/index.ts";
import { openFilesystemStorage } from "../../src/storage/index.ts";
import { goldenRepositories } from "../../src/testkit/golden.ts";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";

interface ListedBlob {
  readonly id: string;
  readonly length: number;
}

async function ourBlobs(storage: BlobStorage, prefix = ""): Promise<ListedBlob[]> {
  const blobs = await listAllBlobs(storage, prefix);
  return blobs.map(({ id, lengthBytes }) => ({ id, length: lengthBytes })).toSorted(byId);
}

async function kopiaBlobs(kopia: CommandClient): Promise<ListedBlob[]> {
  const blobs = await kopia.json<readonly ListedBlob[]>(["blob", "list", "--json"]);
  return blobs.map(({ id, length }) => ({ id, length })).toSorted(byId);
}

function byId(a: ListedBlob, b: ListedBlob): number {
  return a.id < b.id ? -1 : 1;
}

const golden = goldenRepositories();

test("golden repositories of kopia are there", () => {
  assert.equal(golden.length, 8);
});

for (const repository of golden) {
  test(`${repository.name}: lists and reads exactly the blobs that kopia listed`, async () => {
    const expected = (repository.expected["blobs"] as readonly ListedBlob[]).map(
      ({ id, length }) => ({ id, length }),
    );
    await using storage = await openFilesystemStorage(
      { path: repository.path },
      { random: systemRandom },
    );
    assert.deepEqual(await ourBlobs(storage), expected.toSorted(byId));
    for (const { id, length } of expected) {
      const blobId = toBlobId(id);
      assert.equal((await storage.stat(blobId))?.lengthBytes, length);
      const data = await storage.get(blobId);
      assert.equal(data.byteLength, length);
      assert.deepEqual(data, Uint8Array.from(await readFile(storage.localPath(blobId))));
    }
  });
}

const LAYOUTS = [
  { name: "usual", flags: [] },
  { name: "flat", flags: ["--flat"] },
  { name: "format version 1", flags: ["--format-version=1"] },
] as const;

for (const { name, flags } of LAYOUTS) {
  test(`a store that kopia made (${name}) reads the same, and what we put there kopia sees`, {
    skip: KOPIA_SKIP,
  }, async () => {
    await using folder = await temporaryDirectory("interop");
    const path = join(folder.path, "store");
    await using kopia = await openKopia();
    await kopia.ok([
      "repository",
      "create",
      "filesystem",
      `--path=${path}`,
      "--file-mode=0600",
      ...flags,
    ]);
    await using storage = await openFilesystemStorage({ path }, { random: systemRandom });
    assert.deepEqual(await ourBlobs(storage), await kopiaBlobs(kopia));

    const random = new SeededRandom(5);
    const ours = [
      "p2345678901234567890123456789012-s0e9099296a9b76fa147",
      "z1",
      "z234567890123456789",
      "z2345678901234567890",
    ];
    for (const [n, id] of ours.entries()) {
      const data = random.bytes(100 + n);
      await storage.put(toBlobId(id), data);
      const shown = await kopia.ok(["blob", "show", id]);
      assert.deepEqual(shown.stdoutBytes, data, id);
    }
    assert.deepEqual(await kopiaBlobs(kopia), await ourBlobs(storage));
    await storage.delete(toBlobId("z1"));
    await kopia.ok(["blob", "delete", "z234567890123456789", "--dangerous-commands=enabled"]);
    assert.deepEqual(await kopiaBlobs(kopia), await ourBlobs(storage));
  });
}

test("blobs copied into a new store of ours make a repository that kopia connects to", {
  skip: KOPIA_SKIP,
}, async () => {
  await using folder = await temporaryDirectory("interop");
  await using kopia = await openKopia();
  const fixture = golden.find(({ name }) => name === "kopia-default");
  assert.ok(fixture !== undefined);
  await cp(fixture.path, join(folder.path, "source"), { recursive: true });
  await using source = await openFilesystemStorage(
    { path: join(folder.path, "source") },
    { random: systemRandom },
  );
  for (const dirShards of [null, [], [3, 3]]) {
    const path = join(folder.path, `copy-${JSON.stringify(dirShards)}`);
    await using target = await openFilesystemStorage(
      { path, dirShards },
      { create: true, random: systemRandom },
    );
    for (const { id, timestamp } of await listAllBlobs(source, "")) {
      const stored = await target.put(id, await source.get(id), { timestamp });
      assert.equal(stored.timestamp / 1000n, timestamp / 1000n);
    }
    await kopia.ok(["repository", "connect", "filesystem", `--path=${path}`, "--readonly"]);
    assert.deepEqual(await kopiaBlobs(kopia), await ourBlobs(source));
    const snapshots = await kopia.json<readonly unknown[]>(["snapshot", "list", "--all", "--json"]);
    assert.equal(snapshots.length, (fixture.expected["snapshots"] as readonly unknown[]).length);
    await kopia.ok(["repository", "disconnect"]);
  }
});
