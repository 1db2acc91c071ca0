import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContentId } from "../../format/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import {
  accountOf,
  heldRepository,
  type HeldMemoryRepository,
  manifestJson,
  takeIn,
} from "../../testkit/held-repository.ts";
import { storeTree, type TreeModel } from "../../testkit/stored-tree.ts";
import { type DirEntry, toTrash } from "../../snapshot/index.ts";
import type { Account } from "../types.ts";
import { assertRoom, type Holdings, openHoldings } from "./index.ts";

const alice = { ...accountOf("alice@laptop"), encryption: "client" as const };
const bob = { ...accountOf("bob@desk"), encryption: "client" as const };

/** The account has sent all of it; gives the bytes too. */
async function send(
  repository: HeldMemoryRepository,
  holdings: Holdings,
  account: Account,
  tree: TreeModel,
): Promise<{ readonly root: DirEntry; readonly bytes: number }> {
  const before = repository.contents.writes.length;
  const root = await storeTree(repository, tree);
  let bytes = 0;
  for (const { ref } of repository.contents.writes.slice(before)) {
    const length = (await repository.contents.stat(ref))?.originalLength ?? 0;
    bytes += length;
    holdings.noteSent(account, ref as string as ContentId, length);
  }
  return { root, bytes };
}

test("usedBytes: what was sent and what snapshots reach, each content once, after a restart too", async () => {
  for (const mode of ["holding", "any"] as const) {
    const repository = heldRepository();
    const open = (): Holdings => openHoldings({ repository, mode, clock: new FakeClock() });
    const holdings = open();
    const { root, bytes } = await send(repository, holdings, alice, { a: "one", b: "two" });
    assert.equal(await holdings.usedBytes(alice), bytes, mode);
    await takeIn(repository, holdings, alice, root);
    assert.equal(await holdings.usedBytes(alice), bytes, "not twice");
    await send(repository, holdings, alice, { a: "one", b: "two" });
    assert.equal(await holdings.usedBytes(alice), bytes, "nor when it is sent again");
    assert.equal(await holdings.usedBytes(bob), 0);
    const restarted = open();
    assert.equal(await restarted.usedBytes(alice), bytes);
  }
});

test("usedBytes: what is in the trash counts for its owner, who still holds it, and for nobody else", async () => {
  const repository = heldRepository();
  const clock = new FakeClock();
  const open = (): Holdings => openHoldings({ repository, mode: "holding", clock });
  const holdings = open();
  const { root, bytes } = await send(repository, holdings, alice, { a: "one" });
  await takeIn(repository, holdings, alice, root);
  const [item] = await repository.manifests.find({ type: "snapshot" });
  assert.ok(item !== undefined);
  const { labels, data } = toTrash(await repository.manifests.get(item.id), clock.nowNs());
  await repository.manifests.put(labels, data);
  await repository.manifests.delete(item.id);
  const after = open();
  assert.equal(await after.usedBytes(alice), bytes);
  assert.equal(await after.usedBytes(bob), 0);
  const content = repository.contents.writes[0]?.ref as string as ContentId;
  assert.equal(await after.holds(alice, content), true);
  assert.equal(await after.holds(bob, content), false);
});

test("usedBytes: of an account without a quota nothing is counted where all is open", async () => {
  const repository = heldRepository();
  const holdings = openHoldings({ repository, mode: "any", clock: new FakeClock() });
  const managed = accountOf("alice@laptop");
  await send(repository, holdings, managed, { a: "one" });
  assert.equal(await holdings.usedBytes(managed), 0);
  assert.equal(holdings.statistics().accounts, 0);
});

test("assertRoom: up to the quota, and not a byte more", async () => {
  const repository = heldRepository();
  const holdings = openHoldings({ repository, mode: "holding", clock: new FakeClock() });
  const { bytes } = await send(repository, holdings, alice, { a: "one" });
  const limited = { ...alice, quotaBytes: bytes + 10 };
  await assertRoom(holdings, limited, 10, {});
  await assert.rejects(assertRoom(holdings, limited, 11, {}), {
    code: "SEJF_NO_SPACE",
    message: /alice@laptop/,
  });
  await assertRoom(holdings, alice, Number.MAX_SAFE_INTEGER, {});
});

test("holds: what members of an open group hold, of data alone, as long as they are members", async () => {
  const repository = heldRepository();
  let peers: readonly string[] = [alice.name];
  const holdings = openHoldings({
    repository,
    mode: "holding",
    clock: new FakeClock(),
    // oxlint-disable-next-line require-await
    peersOf: async ({ name }) => (name === bob.name ? peers : []),
  });
  const write = async (text: string, prefix: "" | "k"): Promise<ContentId> => {
    const ref = await repository.contents.write(new TextEncoder().encode(text), { prefix });
    holdings.noteSent(alice, ref as string as ContentId, text.length);
    return ref as string as ContentId;
  };
  const data = await write("a chunk", "");
  const listing = await write("a listing", "k");
  assert.ok(await holdings.holds(bob, data));
  assert.equal(await holdings.holds(bob, listing), false);
  assert.equal(await holdings.holds(accountOf("eve@pc"), data), false);
  peers = [];
  assert.equal(await holdings.holds(bob, data), false);
});

test("acceptSnapshot: a sealed one that names what is missing is refused where all is open, too", async () => {
  const repository = heldRepository();
  const holdings = openHoldings({ repository, mode: "any", clock: new FakeClock() });
  const { root } = await send(repository, holdings, bob, { a: "one" });
  const json = manifestJson(alice, root);
  await holdings.acceptSnapshot(alice, json);
  const missing = {
    ...root,
    object: `k${"0".repeat(root.object.length - 1)}` as typeof root.object,
  };
  await assert.rejects(holdings.acceptSnapshot(alice, manifestJson(alice, missing)), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
});
