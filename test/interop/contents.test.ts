/**
 * Contents, packs, indexes and sessions beside a real kopia on one repository: what we write it lists and verifies in
 * full, what it writes we read, whatever the format.
 */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type BlobId, listAllBlobs } from "../../src/blob/index.ts";
import { systemRandom, utf8ToBytes } from "../../src/bytes/index.ts";
import { COMPRESSORS } from "../../src/compress/index.ts";
import type { DirectContents } from "../../src/content/index.ts";
import type { ContentId } from "../../src/format/index.ts";
import { openFilesystemStorage } from "../../src/storage/index.ts";
import { allContents, openGoldenContents } from "../../src/testkit/direct-contents.ts";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";

const PASSWORD = "fixture-password";
const NO_LIST_CACHE = "--max-list-cache-duration=0s";
const WRITABLE = new Set([
  "gzip",
  "zstd",
  "zstd-fastest",
  "zstd-better-compression",
  "deflate-default",
]);

const FORMATS: Readonly<Record<string, readonly string[]>> = {
  "format 1": ["--format-version=1", "--object-splitter=FIXED-128K"],
  "format 2, BLAKE3-256-128, ChaCha20": [
    "--format-version=2",
    "--block-hash=BLAKE3-256-128",
    "--encryption=CHACHA20-POLY1305-HMAC-SHA256",
  ],
  "format 3, BLAKE2S-128": ["--block-hash=BLAKE2S-128"],
  "format 3, HMAC-SHA3-224, ECC 5 %": [
    "--block-hash=HMAC-SHA3-224",
    "--ecc=REED-SOLOMON-CRC32",
    "--ecc-overhead-percent=5",
  ],
  "format 3, BLAKE3-256, ChaCha20, ECC 20 %": [
    "--block-hash=BLAKE3-256",
    "--encryption=CHACHA20-POLY1305-HMAC-SHA256",
    "--ecc=REED-SOLOMON-CRC32",
    "--ecc-overhead-percent=20",
  ],
};

interface ListedContent {
  readonly contentID: string;
  readonly packFile: string;
  readonly originalLength: number;
  readonly length: number;
  readonly packOffset: number;
  readonly time: number;
  readonly deleted?: boolean;
  readonly compression?: number;
}

/** Both programs on one folder. Kopia caches no listings, so that it sees at once what we did. */
class Shared {
  readonly kopia: CommandClient;
  readonly path: string;
  #opened = 0;

  constructor(kopia: CommandClient, path: string) {
    this.kopia = kopia;
    this.path = path;
  }

  async open(): Promise<DirectContents> {
    const storage = await openFilesystemStorage({ path: this.path }, { random: systemRandom });
    const repository = { name: "interop", path: this.path, password: PASSWORD, expected: {} };
    return await openGoldenContents(repository, storage, {
      random: new SeededRandom(50 + this.#opened++),
      clock: { nowMs: () => Date.now() },
    });
  }

  /** It also believes what it wrote itself, unless it starts with empty caches. */
  async reconnect(): Promise<void> {
    await this.kopia.run(["repository", "disconnect"]);
    await this.kopia.ok([
      "repository",
      "connect",
      "filesystem",
      `--path=${this.path}`,
      NO_LIST_CACHE,
    ]);
  }

  /** What kopia lists of the contents of others than itself. */
  async listed(...flags: readonly string[]): Promise<ListedContent[]> {
    return await this.kopia.json<ListedContent[]>(["content", "list", "--json", ...flags]);
  }
}

async function compare(shared: Shared, contents: DirectContents): Promise<void> {
  const theirs = (await shared.listed("--deleted")).toSorted((a, b) =>
    a.contentID < b.contentID ? -1 : 1,
  );
  const ours = await allContents(contents, { includeDeleted: true });
  const plain = (content: ListedContent): unknown[] => [
    content.contentID,
    content.packFile,
    content.packOffset,
    content.length,
    content.originalLength,
    content.time,
    content.deleted === true,
    content.compression ?? 0,
  ];
  assert.deepEqual(
    ours.map((info) => [
      info?.id,
      info?.packId,
      info?.packOffset,
      info?.packedLength,
      info?.originalLength,
      info?.timestampS,
      info?.deleted,
      info?.compressionId,
    ]),
    theirs.map(plain),
  );
}

async function writeSome(contents: DirectContents, label: string): Promise<ContentId[]> {
  const random = new SeededRandom(label.length);
  const ids: ContentId[] = [];
  const put = async (data: Uint8Array, prefix: string, compressor?: number): Promise<void> => {
    ids.push((await contents.write(data, { prefix, compressor })) as string as ContentId);
  };
  await put(new Uint8Array(0), "");
  for (let i = 0; i < 20; i++) await put(random.bytes(random.int(60_000)), i % 3 === 0 ? "k" : "");
  for (const { name, id } of COMPRESSORS) {
    if (!WRITABLE.has(name)) continue;
    await put(utf8ToBytes(`${label} ${name} `.repeat(4000)), name === "gzip" ? "k" : "", id);
  }
  await put(random.bytes(3 << 20), "");
  return ids;
}

for (const [name, flags] of Object.entries(FORMATS)) {
  test(`contents: ${name}`, { skip: KOPIA_SKIP }, async () => {
    await using folder = await temporaryDirectory("interop");
    const path = join(folder.path, "repository");
    await using kopia = await openKopia({ password: PASSWORD });
    await kopia.ok([
      "repository",
      "create",
      "filesystem",
      `--path=${path}`,
      NO_LIST_CACHE,
      ...flags,
    ]);
    const shared = new Shared(kopia, path);

    const source = join(folder.path, "source");
    await mkdir(source);
    await writeFile(join(source, "a"), utf8ToBytes("kopia's own text\n".repeat(20_000)));
    await writeFile(join(source, "b"), new SeededRandom(1).bytes(400_000));
    await kopia.ok(["policy", "set", "--global", "--compression=zstd"]);
    await kopia.ok(["snapshot", "create", source]);

    await using contents = await shared.open();
    await compare(shared, contents);
    const ids = await writeSome(contents, "first");
    await contents.flush();
    await contents.delete(ids[3] as ContentId);
    await contents.delete(ids[4] as ContentId);
    await contents.undelete(ids[4] as ContentId);
    await contents.flush();
    await contents.rewrite([[ids[5] as ContentId, ids[3] as ContentId]]);
    await contents.flush();
    await compare(shared, contents);
    await kopia.ok(["content", "verify", "--full"]);

    await writeFile(join(source, "c"), new SeededRandom(2).bytes(300_000));
    await Promise.all([
      kopia.ok(["snapshot", "create", source]),
      writeSome(contents, "second").then(async () => await contents.flush()),
    ]);
    await contents.refresh();
    await compare(shared, contents);
    assert.deepEqual(
      (await contents.verify({ fullPercent: 100, includeDeleted: true })).problems,
      [],
    );
    await kopia.ok(["content", "verify", "--full"]);
    await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
    assert.deepEqual(await contents.sessions(), []);
  });
}

test("indexes: epochs that we advance, compact and clean up, kopia reads, and the reverse", {
  skip: KOPIA_SKIP,
}, async () => {
  await using folder = await temporaryDirectory("interop");
  const path = join(folder.path, "repository");
  await using kopia = await openKopia({ password: PASSWORD });
  await kopia.ok(["repository", "create", "filesystem", `--path=${path}`, NO_LIST_CACHE]);
  const shared = new Shared(kopia, path);
  await using contents = await shared.open();
  for (let epoch = 0; epoch < 10; epoch++) {
    await writeSome(contents, `epoch ${epoch}`);
    await contents.flush();
    if (epoch === 4) await contents.delete((await allContents(contents))[0]?.id as ContentId);
    await contents.advanceEpoch();
  }
  await contents.maintainIndexes();
  const state = await contents.epochState();
  assert.ok(state !== undefined && state.ranges.length > 0 && state.writeEpoch === 10);
  await contents.setDeletionWatermark(Math.floor(Date.now() / 1000));
  await compare(shared, contents);
  const theirIndexes = await kopia.json<readonly { readonly id: string }[]>([
    "index",
    "list",
    "--json",
  ]);
  const ourIndexes = await contents.indexBlobs();
  assert.deepEqual(
    theirIndexes.map((blob) => blob.id).toSorted(),
    ourIndexes.map((blob) => blob.id).toSorted(),
  );
  await kopia.ok(["content", "verify", "--full"]);
  await kopia.ok(["maintenance", "run", "--full", "--safety=none"]);
  await contents.refresh();
  await compare(shared, contents);
});

test("indexes: kopia recovers ours from packs alone, we recover its", {
  skip: KOPIA_SKIP,
}, async () => {
  await using folder = await temporaryDirectory("interop");
  for (const [version, program] of [
    ["1", "kopia"],
    ["3", "kopia"],
    ["1", "ours"],
    ["3", "ours"],
  ] as const) {
    const path = join(folder.path, `${version}-${program}`);
    await using kopia = await openKopia({ password: PASSWORD });
    await kopia.ok([
      "repository",
      "create",
      "filesystem",
      `--path=${path}`,
      NO_LIST_CACHE,
      `--format-version=${version}`,
    ]);
    const shared = new Shared(kopia, path);
    const source = join(folder.path, "source");
    await mkdir(source, { recursive: true });
    await writeFile(join(source, "a"), utf8ToBytes("text\n".repeat(20_000)));
    await kopia.ok(["snapshot", "create", source]);
    const before = await (async () => {
      await using contents = await shared.open();
      await writeSome(contents, "lost");
      await contents.flush();
      return (await allContents(contents)).map((info) => info?.id);
    })();
    await using storage = await openFilesystemStorage({ path }, { random: systemRandom });
    for (const prefix of ["n", "x"])
      for (const blob of await listAllBlobs(storage, prefix))
        await storage.delete(blob.id as BlobId);
    if (program === "kopia") {
      await shared.reconnect();
      await kopia.ok(["index", "recover", "--commit", "--dangerous-commands=enabled"]);
    } else {
      await using contents = await shared.open();
      assert.deepEqual(await allContents(contents), []);
      await contents.recoverIndexes({ commit: true });
    }
    await using contents = await shared.open();
    assert.deepEqual(
      (await allContents(contents)).map((info) => info?.id),
      before,
    );
    await compare(shared, contents);
    await kopia.ok(["content", "verify", "--full"]);
  }
});
