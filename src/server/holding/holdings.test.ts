import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ContentId } from "../../format/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import {
  accountOf,
  heldRepository,
  type HeldMemoryRepository,
  manifestJson,
  sending,
  takeIn,
} from "../../testkit/held-repository.ts";
import { numRuns } from "../../testkit/property.ts";
import {
  storeDirectory,
  storeSnapshot,
  storeTree,
  type TreeModel,
} from "../../testkit/stored-tree.ts";
import { treeModels } from "../../testkit/tree-arbitrary.ts";
import { type DirEntry, listDirectory, summaryOf } from "../../snapshot/index.ts";
import type { AccessRights } from "../types.ts";
import { type Holdings, openHoldings } from "./index.ts";

const alice = accountOf("alice@laptop");
const aliceAtHome = accountOf("alice@desktop");
const bob = accountOf("bob@laptop");
const TREE = { "a.txt": "hello", sub: { deep: { b: "bytes" }, l: { link: "a.txt" } } };

function open(
  repository: HeldMemoryRepository,
  options: { readonly clock?: FakeClock; readonly memoryBytes?: number } = {},
): Holdings {
  return openHoldings({ repository, mode: "holding", clock: new FakeClock(), ...options });
}

function id(entry: DirEntry): ContentId {
  return entry.object as string as ContentId;
}

async function child(
  repository: HeldMemoryRepository,
  root: DirEntry,
  path: string,
): Promise<DirEntry> {
  let entry = root;
  for (const name of path.split("/")) {
    const { entries } = await listDirectory(repository, entry.object);
    entry = entries.find((one) => one.name === name) as DirEntry;
  }
  return entry;
}

async function contentsBelow(repository: HeldMemoryRepository, root: DirEntry): Promise<string[]> {
  if (root.type !== "d") return [root.object];
  const { entries } = await listDirectory(repository, root.object);
  const below = await Promise.all(entries.map((entry) => contentsBelow(repository, entry)));
  return [root.object, ...below.flat()];
}

test("holds: what an account sent, for itself alone; the same user at another host is somebody else", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const root = await sending(repository, holdings, alice, () => storeTree(repository, TREE));
  assert.ok(await holdings.holds(alice, id(root)));
  assert.equal(await holdings.holds(aliceAtHome, id(root)), false);
  assert.equal(await holdings.holds(bob, id(root)), false);
});

test("holds: contents of manifests are nobody's", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const ref = (await repository.contents.write(new Uint8Array(3), { prefix: "m" })) as string;
  holdings.noteSent(alice, ref as ContentId, 1);
  assert.equal(await holdings.holds(alice, ref as ContentId), false);
});

test("holds: everything that accepted snapshots reach, after a restart and on another server, and no more", async () => {
  const repository = heldRepository();
  const first = open(repository);
  const root = await sending(repository, first, alice, () => storeTree(repository, TREE));
  const garbage = await sending(repository, first, alice, () =>
    storeTree(repository, { x: "no snapshot" }),
  );
  await takeIn(repository, first, alice, root);
  const restarted = open(repository);
  for (const content of await contentsBelow(repository, root)) {
    assert.ok(await restarted.holds(alice, content as ContentId), content);
    assert.equal(await restarted.holds(bob, content as ContentId), false);
  }
  assert.equal(await restarted.holds(alice, id(garbage)), false);
});

test("holds: a replica sees another server's snapshots after its refresh", async () => {
  const repository = heldRepository();
  const [one, other] = [open(repository), open(repository)];
  const root = await sending(repository, one, alice, () => storeTree(repository, TREE));
  assert.equal(await other.holds(alice, id(root)), false);
  await takeIn(repository, one, alice, root);
  other.refresh();
  assert.ok(await other.holds(alice, id(root)));
});

test("holds: what was sent counts for a day at most, and for half of one at least", async () => {
  const clock = new FakeClock();
  const holdings = open(heldRepository(), { clock });
  const sent = "0123456789abcdef0123456789abcdef" as ContentId;
  holdings.noteSent(alice, sent, 1);
  clock.advance(12 * 3_600_000);
  assert.ok(await holdings.holds(alice, sent), "the next session of an interrupted upload");
  clock.advance(13 * 3_600_000);
  assert.equal(await holdings.holds(alice, sent), false);
});

test("forget: also what was sent", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const root = await sending(repository, holdings, alice, () => storeTree(repository, TREE));
  holdings.forget(alice.name);
  assert.equal(await holdings.holds(alice, id(root)), false);
});

test("acceptSnapshot: a content of somebody else is refused like one that does not exist", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const secret = await sending(repository, holdings, bob, () =>
    storeTree(repository, { s: "secret" }),
  );
  await takeIn(repository, holdings, bob, secret);
  const stolen = await child(repository, secret, "s");
  const messages: string[] = [];
  for (const object of [stolen.object, "f".repeat(32)]) {
    const root = await sending(repository, holdings, alice, async () => {
      const tree = await storeTree(repository, { mine: "own" });
      const own = await child(repository, tree, "mine");
      const entry = { ...own, object: object as DirEntry["object"] };
      return await storeDirectory(repository, "root", [entry], summaryOf([entry], 0n));
    });
    await assert.rejects(
      holdings.acceptSnapshot(alice, manifestJson(alice, root)),
      (error: Error & { code: string }) => {
        assert.equal(error.code, "SEJF_CONTENT_NOT_FOUND");
        messages.push(error.message.replace(object, "ID"));
        return true;
      },
    );
    assert.equal(await holdings.holds(alice, object as ContentId), false, "asked for is not held");
  }
  assert.equal(messages[0], messages[1]);
  // Nor by naming a whole directory of his.
  await assert.rejects(holdings.acceptSnapshot(alice, manifestJson(alice, secret)), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
});

test("acceptSnapshot: an unchanged snapshot reads nothing, a changed one just the changed directories", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const root = await sending(repository, holdings, alice, () => storeTree(repository, TREE));
  await takeIn(repository, holdings, alice, root);
  repository.contents.reads = 0;
  await takeIn(repository, holdings, alice, root);
  assert.equal(repository.contents.reads, 0);
  const changed = await sending(repository, holdings, alice, () =>
    storeTree(repository, { ...TREE, "a.txt": "changed" }),
  );
  repository.contents.reads = 0;
  await holdings.acceptSnapshot(alice, manifestJson(alice, changed));
  assert.equal(repository.contents.reads, 1, "the root");
});

test("acceptSnapshot: after a checkpoint the rest of an interrupted upload needs only what is new", async () => {
  const repository = heldRepository();
  const clock = new FakeClock();
  const holdings = open(repository, { clock });
  const part = await sending(repository, holdings, alice, () =>
    storeTree(repository, { done: { a: "1" } }),
  );
  await takeIn(repository, holdings, alice, part, { incomplete: "checkpoint" });
  clock.advance(7 * 86_400_000);
  const restarted = open(repository, { clock });
  const whole = await storeTree(repository, { done: { a: "1" }, later: { b: "2" } });
  await assert.rejects(restarted.acceptSnapshot(alice, manifestJson(alice, whole)), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
  restarted.noteSent(alice, id(whole), 1);
  restarted.noteSent(alice, id(await child(repository, whole, "later")), 1);
  restarted.noteSent(alice, id(await child(repository, whole, "later/b")), 1);
  await restarted.acceptSnapshot(alice, manifestJson(alice, whole));
});

test("acceptSnapshot: after the storage was rolled back nothing is believed, and the upload is asked for again", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const root = await sending(repository, holdings, alice, () => storeTree(repository, TREE));
  await takeIn(repository, holdings, alice, root);
  const lost = id(await child(repository, root, "sub/deep/b"));
  repository.contents.lose(lost);
  repository.contents.losses++;
  await assert.rejects(holdings.acceptSnapshot(alice, manifestJson(alice, root)), {
    code: "SEJF_CONTENT_NOT_FOUND",
    message: new RegExp(lost),
  });
  assert.equal(await holdings.holds(alice, id(root)), true, "what is still there");
  await sending(repository, holdings, alice, () => storeTree(repository, TREE));
  await holdings.acceptSnapshot(alice, manifestJson(alice, root));
});

test("acceptSnapshot: looks at the storage anew, so that a rollback is noticed before anybody refreshes", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const root = await sending(repository, holdings, alice, () => storeTree(repository, TREE));
  await takeIn(repository, holdings, alice, root);
  const { contents } = repository;
  contents.lose(id(await child(repository, root, "a.txt")));
  // oxlint-disable-next-line require-await
  contents.refresh = async (): Promise<void> => void contents.losses++;
  await assert.rejects(holdings.acceptSnapshot(alice, manifestJson(alice, root)), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
});

test("acceptSnapshot: a content that is marked as deleted becomes live", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const root = await sending(repository, holdings, alice, () => storeTree(repository, TREE));
  const file = await child(repository, root, "a.txt");
  repository.contents.markDeleted(file.object);
  await holdings.acceptSnapshot(alice, manifestJson(alice, root));
  assert.notEqual(await repository.contents.stat(file.object as never), undefined);
});

test("acceptSnapshot: one without a root, or none at all, is refused", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const root = await storeTree(repository, TREE);
  const json = manifestJson(alice, root) as Record<string, unknown>;
  await assert.rejects(holdings.acceptSnapshot(alice, { ...json, rootEntry: null }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  for (const bad of [null, 5, [], { source: 1 }, { ...json, rootEntry: { obj: "../x" } }])
    await assert.rejects(holdings.acceptSnapshot(alice, bad), { code: "SEJF_CORRUPT" });
});

test("acceptSnapshot: accepts a tree just when all of it is held and there, and holds all of it then", async () => {
  await fc.assert(
    fc.asyncProperty(treeModels, treeModels, fc.nat(), fc.nat(), async (first, second, a, b) => {
      const repository = heldRepository();
      const holdings = open(repository);
      const before = await sending(repository, holdings, alice, () => storeTree(repository, first));
      await takeIn(repository, holdings, alice, before);
      const root = await storeTree(repository, second as TreeModel);
      const needed = new Set(await contentsBelow(repository, root));
      const held = new Set(await contentsBelow(repository, before));
      const unsent = [...needed].filter((one) => !held.has(one));
      const missing = b % 3 === 0 ? unsent[a % Math.max(1, unsent.length)] : undefined;
      for (const one of unsent) if (one !== missing) holdings.noteSent(alice, one as ContentId, 1);
      const lost = b % 3 === 1 ? [...needed][a % needed.size] : undefined;
      if (lost !== undefined) {
        repository.contents.lose(lost);
        repository.contents.losses++;
      }
      const accepting = holdings.acceptSnapshot(alice, manifestJson(alice, root));
      if (missing === undefined && lost === undefined) await accepting;
      else await assert.rejects(accepting, { code: "SEJF_CONTENT_NOT_FOUND" });
      for (const one of needed)
        if (one !== missing && one !== lost)
          assert.ok(await holdings.holds(alice, one as ContentId));
      if (missing !== undefined) assert.ok(!(await holdings.holds(alice, missing as ContentId)));
    }),
    { numRuns: numRuns() },
  );
});

test("a snapshot that cannot be read, or not all of it, does not stop the others", async () => {
  const repository = heldRepository();
  const writer = open(repository);
  const good = await sending(repository, writer, alice, () => storeTree(repository, TREE));
  await takeIn(repository, writer, alice, good);
  const hurt = await storeTree(repository, { broken: { gone: "x" }, whole: { here: "y" } });
  const { username, hostname } = alice;
  await storeSnapshot(repository, hurt, { source: { username, hostname } });
  await repository.manifests.put(
    { type: "snapshot", username, hostname, path: "/tree" },
    { source: "nonsense" },
  );
  const gone = id(await child(repository, hurt, "broken"));
  const here = id(await child(repository, hurt, "whole/here"));
  repository.contents.lose(gone);
  const holdings = open(repository);
  assert.ok(await holdings.holds(alice, id(good)));
  assert.ok(await holdings.holds(alice, here));
  assert.equal(await holdings.holds(alice, gone), false);
  await holdings.acceptSnapshot(alice, manifestJson(alice, good));
});

test("rights: foreign snapshots that may be read are held as long as they may, and all contents by who may read all", async () => {
  const repository = heldRepository();
  const holdings = open(repository);
  const root = await sending(repository, holdings, bob, () => storeTree(repository, TREE));
  await takeIn(repository, holdings, bob, root);
  const rightsOn = (username: string): AccessRights => ({
    content: "APPEND",
    manifest: (labels) => (labels["username"] === username ? "READ" : "NONE"),
  });
  const holds = async (rights: AccessRights): Promise<boolean> =>
    await holdings.holds(alice, id(root), { rights });
  const toBob = rightsOn("bob");
  assert.equal(await holds(rightsOn("carol")), false);
  assert.equal(await holds(toBob), true);
  const more = await sending(repository, holdings, bob, () => storeTree(repository, { more: "1" }));
  await takeIn(repository, holdings, bob, more);
  holdings.refresh();
  assert.equal(await holdings.holds(alice, id(more), { rights: toBob }), true);
  assert.equal(await holds(rightsOn("carol")), false, "taken away again");
  assert.equal(await holds({ content: "READ", manifest: () => "READ" }), true);
  const unsaved = await sending(repository, holdings, bob, () => storeTree(repository, { u: "2" }));
  assert.equal(await holdings.holds(alice, id(unsaved), { rights: toBob }), false);
});

test("memory: the account used longest ago gives its memory back, and gets its contents again when it asks", async () => {
  const repository = heldRepository();
  const writer = open(repository);
  const roots = new Map<string, DirEntry>();
  for (const account of [alice, bob, aliceAtHome]) {
    const root = await sending(repository, writer, account, () =>
      storeTree(repository, { of: account.name }),
    );
    await takeIn(repository, writer, account, root);
    roots.set(account.name, root);
  }
  const holdings = open(repository, { memoryBytes: 100_000 });
  for (let round = 0; round < 2; round++) {
    for (const account of [alice, bob, aliceAtHome])
      assert.ok(await holdings.holds(account, id(roots.get(account.name) as DirEntry)));
    assert.ok(holdings.statistics().memoryBytes <= 150_000, `${holdings.statistics().memoryBytes}`);
  }
});

test("any: as Kopia, nothing is asked", async () => {
  const holdings = openHoldings({
    repository: heldRepository(),
    mode: "any",
    clock: new FakeClock(),
  });
  assert.ok(await holdings.holds(bob, "ab" as ContentId));
  await holdings.acceptSnapshot(bob, "no snapshot at all");
});
