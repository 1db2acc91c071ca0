/** One index makes contents and the manifests that name them visible, and not before all of their packs are stored. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../blob/index.ts";
import { utf8ToBytes } from "../../bytes/index.ts";
import { portableCompressionEngine } from "../../compress/index.ts";
import type { DirectContents } from "../../content/index.ts";
import { type CompactingManifestStore, openManifests } from "../../manifest/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import { TestRepository } from "../../testkit/direct-contents.ts";
import { FaultStorage } from "../../testkit/fault-storage.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { createSharedFlush } from "./index.ts";

const LABELS = { type: "snapshot" };

function manifestsOf(
  repository: TestRepository,
  contents: DirectContents,
): CompactingManifestStore {
  return openManifests({
    contents,
    contentList: contents,
    compression: portableCompressionEngine,
    clock: repository.clock,
    random: new SeededRandom(7),
  });
}

interface Opened {
  readonly repository: TestRepository;
  readonly storage: FaultStorage;
  readonly contents: DirectContents;
  readonly manifests: CompactingManifestStore;
}

async function open(threads: number): Promise<Opened> {
  const storage = new FaultStorage(new MemoryStorage());
  const repository = new TestRepository({ storage });
  const contents = await repository.open({ threads });
  return { repository, storage, contents, manifests: manifestsOf(repository, contents) };
}

/** What another client finds: how many manifests. Each of them names contents that are there. */
async function found({ repository }: Opened): Promise<number> {
  await using contents = await repository.open();
  const manifests = manifestsOf(repository, contents);
  const items = await manifests.find(LABELS);
  for (const { id } of items) {
    const { data } = await manifests.get(id);
    for (const ref of (data as { refs: string[] }).refs)
      assert.ok(await contents.stat(ref as never), `${ref} is named and not there`);
  }
  return items.length;
}

async function send({ contents }: Opened, text: string): Promise<string[]> {
  const bytes = new Uint8Array(100_000).fill(text.length);
  const lengths = Uint32Array.of(bytes.byteLength);
  const id = contents.contentId(bytes, "");
  const batch = { bytes, lengths, compressors: Uint32Array.of(0) };
  const stored = await contents.storeContents(batch, { evenly: true });
  if (stored === undefined)
    await contents.write(new Uint8Array(100_000).fill(text.length), { prefix: "" });
  return [id, await contents.write(utf8ToBytes(text), { prefix: "k" })];
}

function flushOf({ contents, manifests }: Opened): ReturnType<typeof createSharedFlush> {
  return createSharedFlush({ contents, manifests } as unknown as DirectRepository);
}

for (const threads of [0, 1]) {
  test(`a flush: contents and manifests with one index, ${threads} threads`, async () => {
    const opened = await open(threads);
    await using contents = opened.contents;
    const refs = await send(opened, "one");
    await flushOf(opened).flush(async () => {
      await opened.manifests.put(LABELS, { refs });
    });
    assert.equal(contents.statistics().indexFlushes, 1);
    assert.equal(await found(opened), 1);
  });

  test(`a flush: a pack that cannot be stored keeps the manifest out, and the next flush brings both, ${threads} threads`, async () => {
    for (const prefix of ["p", "q"]) {
      const opened = await open(threads);
      await using contents = opened.contents;
      const flush = flushOf(opened);
      const refs = await send(opened, "one");
      opened.storage.add({
        on: "put",
        id: new RegExp(`^${prefix}`),
        times: Infinity,
        fault: { kind: "disk-full" },
      });
      let isPut = false;
      // As a session: what was put is not put again.
      const stage = async (): Promise<void> => {
        if (!isPut) await opened.manifests.put(LABELS, { refs });
        isPut = true;
      };
      await assert.rejects(flush.flush(stage), { code: "SEJF_NO_SPACE" }, prefix);
      assert.equal(await found(opened), 0, prefix);
      opened.storage.heal();
      await flush.flush(stage);
      assert.equal(await found(opened), 1, prefix);
      assert.equal(contents.statistics().indexFlushes, 1, prefix);
    }
  });
}

test("a flush: whoever dies between any two of its writes leaves a manifest whose contents are there, or none", async () => {
  for (let at = 1; ; at++) {
    const opened = await open(0);
    const refs = await send(opened, "one");
    opened.storage.add({ on: "any", at, fault: { kind: "die" } });
    const failed = await flushOf(opened)
      .flush(async () => void (await opened.manifests.put(LABELS, { refs })))
      .then(
        () => false,
        () => true,
      );
    opened.storage.heal();
    const count = await found(opened);
    if (!failed) {
      assert.equal(count, 1);
      assert.ok(at > 3, "it writes something");
      break;
    }
    assert.ok(count <= 1);
  }
});
