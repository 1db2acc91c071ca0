/** Trees that only a hostile writer makes: each is refused, or costs no more than what was sent for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8ToBytes } from "../../bytes/index.ts";
import type { ContentId, ContentRef } from "../../format/index.ts";
import { encodeSeekTable, type ObjectId, writeObject } from "../../object/index.ts";
import type { DirEntry } from "../../snapshot/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import {
  accountOf,
  heldRepository,
  type HeldMemoryRepository,
  manifestJson,
  sending,
} from "../../testkit/held-repository.ts";
import { directory, file, link, raw } from "../../testkit/tree-builder.ts";
import { openHoldings } from "./index.ts";

const mallory = accountOf("mallory@host");

/** Accepts the tree that `make` stores; everything that is written counts as sent. */
async function accept(
  make: (repository: HeldMemoryRepository) => Promise<DirEntry>,
  options: Parameters<typeof heldRepository>[0] = {},
): Promise<HeldMemoryRepository> {
  const repository = heldRepository(options);
  const holdings = openHoldings({ repository, mode: "holding", clock: new FakeClock() });
  const root = await sending(repository, holdings, mallory, () => make(repository));
  repository.contents.reads = 0;
  for (const ref of repository.contents.stored.keys())
    holdings.noteSent(mallory, ref as string as ContentId, 1);
  await holdings.acceptSnapshot(mallory, manifestJson(mallory, root));
  for (const ref of repository.contents.stored.keys())
    assert.ok(await holdings.holds(mallory, ref as string as ContentId));
  return repository;
}

async function refused(
  make: (repository: HeldMemoryRepository) => Promise<DirEntry>,
  message: RegExp,
): Promise<void> {
  await assert.rejects(accept(make), { code: "SEJF_CORRUPT", message });
}

function objectOf(entry: DirEntry, object: string): DirEntry {
  return { ...entry, object: object as ObjectId };
}

async function table(
  repository: HeldMemoryRepository,
  rows: readonly { readonly object: string; readonly lengthBytes: number }[],
): Promise<string> {
  let startBytes = 0;
  const placed = rows.map(({ object, lengthBytes }) => {
    const row = { startBytes, lengthBytes, object: object as ObjectId };
    startBytes += lengthBytes;
    return row;
  });
  return `I${await repository.contents.write(encodeSeekTable(placed), { prefix: "x" })}`;
}

for (const name of ["../x", "..", ".", "", "a/b", "nul\0"]) {
  test(`a listing with the name ${JSON.stringify(name)} is refused`, async () => {
    await refused(async (repository) => {
      const entry = { ...(await file(repository, "plain", "data")), name };
      return await directory(repository, "root", [], raw([entry]));
    }, /has the name/);
  });
}

test("listings that are none are refused: other JSON, other streams, file data, a directory that is no listing", async () => {
  const stream = /cannot be read/;
  await refused(async (repository) => await directory(repository, "root", [], "[]"), stream);
  await refused(async (repository) => await directory(repository, "root", [], "no json"), stream);
  await refused(
    async (repository) =>
      await directory(repository, "root", [], '{"stream":"kopia:indirect","entries":[]}'),
    stream,
  );
  await refused(async (repository) => {
    const data = await file(repository, "data", "file data");
    return await directory(repository, "root", [], raw([{ ...data, type: "d" }]));
  }, /no directory object/);
});

test("files, links, entries of unknown kinds and single files as roots are all looked at", async () => {
  await accept(async (repository) => {
    const entries = [
      await file(repository, "f", "1"),
      await link(repository, "l", "f"),
      { ...(await file(repository, "u", "2")), type: "?" },
    ];
    return await directory(repository, "root", [await directory(repository, "sub", entries)]);
  });
  await accept(async (repository) => await file(repository, "alone", "root file"));
});

test("a directory in a million places is read once", async () => {
  const repository = await accept(async (repository) => {
    let inner = await directory(repository, "d", [await file(repository, "f", "1")]);
    for (let level = 0; level < 12; level++) {
      const twins = Array.from({ length: 10 }, (_, i) => ({ ...inner, name: `d${i}` }));
      inner = await directory(repository, "d", [], raw(twins));
    }
    return inner;
  });
  assert.equal(repository.contents.reads, 13);
});

test("a tree deeper than any file system is refused", async () => {
  await refused(async (repository) => {
    let inner = await directory(repository, "d", []);
    for (let level = 0; level < 4100; level++)
      inner = await directory(repository, "d", [], raw([inner]));
    return inner;
  }, /levels deep/);
});

test("long files and long listings are walked through all their tables", async () => {
  const make = async (repository: HeldMemoryRepository): Promise<DirEntry> => {
    const long = await file(
      repository,
      "long",
      new Uint8Array(700_000).map((_, i) => i % 251),
    );
    const entries = Array.from({ length: 30_000 }, (_, i) => ({ ...long, name: `n${i}` }));
    const root = await directory(repository, "root", entries);
    assert.match(root.object, /^I+k/);
    return root;
  };
  await accept(make, { splitter: "FIXED-128K" });
  await accept(make, { splitter: "DYNAMIC-1M-BUZHASH" });
});

test("a listing of many entries in one content is taken in parts", async () => {
  await accept(async (repository) => {
    const one = await file(repository, "f", "1");
    const entries = Array.from({ length: 9000 }, (_, i) => ({ ...one, name: `n${i} \\"{[` }));
    const root = await directory(repository, "root", entries);
    assert.doesNotMatch(root.object, /^I/);
    return root;
  });
});

test("a name that is not allowed is found in any part of a long listing", async () => {
  for (const at of [0, 9_999, 19_999]) {
    await refused(async (repository) => {
      const one = await file(repository, "f", "1");
      const entries = Array.from({ length: 20_000 }, (_, i) => ({ ...one, name: `n${i}` }));
      entries[at] = { ...one, name: ".." };
      return await directory(repository, "root", [], raw(entries));
    }, /has the name/);
  }
});

test("format 1: compressed objects count as their contents, a compressed listing is read within bounds", async () => {
  const gzip = 0x1000;
  const repository = await accept(
    async (repository) => {
      const options = { format: repository.parameters, prefix: "", compressor: gzip };
      const { id } = await writeObject(repository.contents, "a".repeat(100_000), options);
      assert.match(id, /^Z/);
      const entry = objectOf(await file(repository, "z", "1"), id);
      return await directory(repository, "root", [entry]);
    },
    { indexVersion: 1 },
  );
  assert.ok(repository.contents.reads >= 1);
});

test("a table that names itself, or its own object again and again, is refused or ends", async () => {
  const loop = `x${"ab".repeat(16)}` as ContentRef;
  const withLoop = async (repository: HeldMemoryRepository, object: string): Promise<DirEntry> => {
    const text = `{"stream":"kopia:indirect","entries":[{"l":1,"o":"I${loop}"},{"s":1,"l":1,"o":"I${loop}"}]}\n`;
    repository.contents.stored.set(loop, utf8ToBytes(text) as Uint8Array<ArrayBuffer>);
    const entry = objectOf(await file(repository, "loop", "1"), object);
    return await directory(repository, "root", [entry]);
  };
  const once = await accept(async (repository) => await withLoop(repository, `I${loop}`));
  assert.ok(once.contents.reads <= 3);
  await refused(async (repository) => await withLoop(repository, `II${loop}`), /behind a table/);
  await refused(
    async (repository) => await withLoop(repository, `${"I".repeat(8)}${loop}`),
    /behind a table/,
  );
});

test("tables over tables that would unfold to a hundred million pieces cost as many reads as there are tables", async () => {
  const repository = await accept(async (repository) => {
    const data = await file(repository, "leaf", "1");
    let object: string = data.object;
    let lengthBytes = 1;
    for (let level = 0; level < 8; level++) {
      object = await table(
        repository,
        Array.from({ length: 10 }, () => ({ object, lengthBytes })),
      );
      lengthBytes *= 10;
    }
    return await directory(repository, "root", [objectOf(data, object)]);
  });
  assert.ok(repository.contents.reads <= 10, `${repository.contents.reads} reads`);
});

test("tables deeper than files need are refused", async () => {
  await refused(async (repository) => {
    const data = await file(repository, "leaf", "1");
    let object: string = data.object;
    for (let level = 0; level < 12; level++)
      object = await table(repository, [{ object, lengthBytes: 1 }]);
    return await directory(repository, "root", [objectOf(data, object)]);
  }, /more than 8 seek tables/);
});

test("tables that are none are refused", async () => {
  for (const text of [
    "",
    "{}",
    '{"stream":"kopia:indirect","entries":[]}',
    '{"stream":"kopia:indirect","entries":[{"s":1,"l":1,"o":"DATA"}]}',
    '{"stream":"kopia:indirect","entries":[{"l":1,"o":"../x"}]}',
    '{"stream":"kopia:indirect","entries":[{"l":1,"o":"DATA"}',
    '{"stream":"kopia:indirect","entries":[{"l":1,"o":"DATA"}],',
  ]) {
    await refused(async (repository) => {
      const data = await file(repository, "t", "1");
      const bytes = utf8ToBytes(text.replace("DATA", data.object));
      const entry = objectOf(data, `I${await repository.contents.write(bytes, { prefix: "x" })}`);
      return await directory(repository, "root", [entry]);
    }, /seek table|stream of kind/);
  }
});
