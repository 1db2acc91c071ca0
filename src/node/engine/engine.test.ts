import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compressorByName, decompressPayload, payloadCompressorId } from "../../compress/index.ts";
import type { Compressor } from "../../compress/index.ts";
import { portableCryptoEngine } from "../../crypto/index.ts";
import { isSejfError } from "../../errors/index.ts";
import {
  type CodecParameters,
  type ContentPiece,
  type ContentRef,
  createBlobCodec,
  type FileBatch,
  type FileJob,
  type FileResult,
  findFormatBlobCopy,
  IndexBuilder,
  readPackIndex,
  type RestoreAttributes,
  type RestoreBatch,
  type RestoreResult,
} from "../../format/index.ts";
import { createSplitter, splitAll } from "../../splitter/index.ts";
import { FolderHost, type FolderHostOptions } from "../../testkit/bulk-host.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { nodeCompressionEngine } from "../compress/index.ts";
import { lstatExact, nodeCryptoEngine } from "../index.ts";
import { type BulkEngine, createBulkEngine } from "./index.ts";

const random = new SeededRandom(3);
const secret = random.bytes(32);
const masterKey = random.bytes(32);

interface Variant {
  readonly hash: string;
  readonly encryption: string;
  readonly ecc: number;
  readonly indexVersion: 1 | 2;
  readonly splitter: string;
  readonly compressor: string | undefined;
}

const PLAIN: Variant = {
  hash: "BLAKE3-256-128",
  encryption: "AES256-GCM-HMAC-SHA256",
  ecc: 0,
  indexVersion: 2,
  splitter: "DYNAMIC-128K-BUZHASH",
  compressor: undefined,
};

const VARIANTS: readonly Partial<Variant>[] = [
  {},
  { hash: "BLAKE2B-256-128", splitter: "FIXED-128K" },
  {
    hash: "BLAKE2B-256",
    encryption: "CHACHA20-POLY1305-HMAC-SHA256",
    splitter: "DYNAMIC-1M-RABINKARP",
  },
  { hash: "HMAC-SHA3-224", ecc: 5, compressor: "zstd-fastest" },
  { hash: "BLAKE3-256", splitter: "DYNAMIC-4M-BUZHASH", compressor: "zstd" },
  { hash: "HMAC-SHA256-128", indexVersion: 1, compressor: "gzip", splitter: "FIXED-256K" },
];

function parameters(variant: Variant): CodecParameters {
  return {
    hash: variant.hash,
    encryption: variant.encryption,
    ecc: variant.ecc > 0 ? "REED-SOLOMON-CRC32" : "",
    eccOverheadPercent: variant.ecc,
    secret,
    masterKey,
    indexVersion: variant.indexVersion,
  };
}

function openEngine(
  host: FolderHost,
  variant: Variant,
  maxPackSizeBytes = 1 << 20,
  threads = 2,
): BulkEngine {
  return createBulkEngine(host, {
    codec: parameters(variant),
    formatVersion: variant.indexVersion === 1 ? 1 : 3,
    maxPackSizeBytes,
    splitter: variant.splitter,
    threads,
  });
}

function compressorOf(variant: Variant): Compressor | undefined {
  return variant.compressor === undefined
    ? undefined
    : compressorByName(variant.compressor, nodeCompressionEngine);
}

/** The same files by the plainest means: whole in memory, portable splitter and hash. */
function expectedPieces(data: Uint8Array, variant: Variant): ContentPiece[] {
  const hash = portableCryptoEngine.contentHash(variant.hash, secret);
  const ends = splitAll(createSplitter(variant.splitter), data);
  if (ends.at(-1) !== data.length) ends.push(data.length);
  let at = 0;
  return ends.map((end) => {
    const segment = data.subarray(at, end);
    at = end;
    const compressor = variant.indexVersion === 1 ? compressorOf(variant) : undefined;
    const compressed = segment.length <= 4 ? undefined : compressor?.compress(segment);
    const shorter = compressed !== undefined && compressed.length < segment.length;
    const ref = Buffer.from(hash.hash(shorter ? compressed : segment)).toString(
      "hex",
    ) as ContentRef;
    return shorter
      ? { ref, lengthBytes: segment.length, objectCompressed: true }
      : { ref, lengthBytes: segment.length };
  });
}

/** Directories of files of many sizes, some compressible, some equal. */
function makeTree(folder: string, rng: SeededRandom, directories = 4): Map<string, string[]> {
  const tree = new Map<string, string[]>();
  const shared = rng.bytes(70_000);
  for (let d = 0; d < directories; d++) {
    const directory = join(folder, `d${d}`);
    fs.mkdirSync(directory, { recursive: true });
    const names: string[] = [];
    for (let f = 0; f < 12; f++) {
      const name = `f${f} ä"\\`;
      const sizes = [0, 1, 100, 4096, 65_536, 131_072, 300_000, 1 << 20, (1 << 20) + 1, 2_500_000];
      const bytes = rng.bytes(rng.pick(sizes) + rng.int(2));
      if (f % 3 === 0) bytes.fill(0x61, bytes.length >> 2);
      fs.writeFileSync(join(directory, name), f === 5 ? shared : bytes);
      names.push(name);
    }
    tree.set(directory, names);
  }
  return tree;
}

async function* batchesOf(
  tree: ReadonlyMap<string, readonly string[]>,
  variant: Variant,
): AsyncGenerator<FileBatch> {
  let job = 0;
  for (const [directory, names] of tree) {
    const files = names.map((name): FileJob => {
      const expected = lstatExact(join(directory, name));
      assert.ok(expected !== undefined);
      return { job: job++, name, expected, compressor: compressorOf(variant)?.id };
    });
    yield { directory, files };
  }
}

function pathsOf(tree: ReadonlyMap<string, readonly string[]>): string[] {
  return [...tree].flatMap(([directory, names]) => names.map((name) => join(directory, name)));
}

async function upload(
  engine: BulkEngine,
  batches: AsyncIterable<FileBatch>,
): Promise<Map<number, FileResult>> {
  const results = new Map<number, FileResult>();
  for await (const page of engine.writeFiles(batches))
    for (const result of page) results.set(result.job, result);
  await engine.drain();
  return results;
}

function piecesOf(result: FileResult | undefined): readonly ContentPiece[] {
  assert.ok(
    result?.ok === true,
    JSON.stringify(result, (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    ),
  );
  return result.pieces;
}

for (const change of VARIANTS) {
  const variant = { ...PLAIN, ...change };
  test(`engine: pieces as by the plainest means, every stored content decodes, each once: ${JSON.stringify(change)}`, async () => {
    await using folder = await temporaryDirectory();
    const tree = makeTree(join(folder.path, "tree"), new SeededRandom(11));
    const host = new FolderHost(folder.path);
    await using engine = openEngine(host, variant);
    const results = await upload(engine, batchesOf(tree, variant));
    const paths = pathsOf(tree);
    assert.equal(results.size, paths.length);
    const distinct = new Map<string, number>();
    let newBytes = 0;
    for (const [job, path] of paths.entries()) {
      const data = new Uint8Array(fs.readFileSync(path));
      const pieces = piecesOf(results.get(job));
      assert.deepEqual(pieces, expectedPieces(data, variant), path);
      for (const piece of pieces) distinct.set(piece.ref, piece.lengthBytes);
      const result = results.get(job);
      if (result?.ok !== true) continue;
      newBytes += result.newBytes;
      assert.equal(result.sizeBytes, data.length);
      assert.deepEqual(result.after, { ...lstatWithoutKind(path) });
    }
    assert.equal(
      newBytes,
      [...distinct.values()].reduce((sum, bytes) => sum + bytes, 0),
    );
    assert.ok(host.packs.length > 1);
    await checkPacks(host, variant, new Set(distinct.keys()));
  });
}

function lstatWithoutKind(path: string): object {
  const stat = lstatExact(path);
  assert.ok(stat !== undefined);
  const { sizeBytes, mode, mtimeNs, uid, gid } = stat;
  return { sizeBytes, mode, mtimeNs, uid, gid };
}

/** Every pack's own index is what the host was told; every content decodes with the portable engine. */
async function checkPacks(
  host: FolderHost,
  variant: Variant,
  refs: ReadonlySet<string>,
): Promise<void> {
  const codec = createBlobCodec(
    portableCryptoEngine,
    nodeCompressionEngine,
    parameters(variant),
    random,
  );
  let count = 0;
  for (const packId of host.packs) {
    const bytes = new Uint8Array(fs.readFileSync(host.path(packId)));
    const read = (offset: number, length: number): Promise<Uint8Array> =>
      Promise.resolve(bytes.subarray(offset, offset + length));
    const index = await readPackIndex(packId, read, bytes.length, codec);
    for (const entry of index.entries()) {
      count++;
      assert.deepEqual(entry, host.entries.get(entry.contentId));
      assert.ok(refs.has(entry.contentId));
      assert.equal(entry.timestampS, host.nowS());
      const stored = bytes.subarray(entry.packOffset, entry.packOffset + entry.packedLength);
      codec.decodeContent(stored, entry.contentId, entry.compressionId, entry.originalLength);
    }
  }
  assert.equal(count, refs.size);
}

test("engine: compressed at object level the content decompresses to the segment", async () => {
  const variant: Variant = { ...PLAIN, indexVersion: 1, compressor: "gzip" };
  await using folder = await temporaryDirectory();
  fs.writeFileSync(join(folder.path, "f"), Buffer.alloc(50_000, "abc"));
  const host = new FolderHost(folder.path);
  await using engine = openEngine(host, variant);
  const [piece] = piecesOf(
    (await upload(engine, batchesOf(new Map([[folder.path, ["f"]]]), variant))).get(0),
  );
  assert.equal(piece?.objectCompressed, true);
  const entry = host.entries.get(piece?.ref ?? "");
  assert.ok(entry !== undefined && entry.compressionId === 0 && entry.packedLength < 5000);
  const codec = createBlobCodec(
    nodeCryptoEngine,
    nodeCompressionEngine,
    parameters(variant),
    random,
  );
  const pack = fs.readFileSync(host.path(entry.packId));
  const stored = pack.subarray(entry.packOffset, entry.packOffset + entry.packedLength);
  const content = codec.decodeContent(stored, entry.contentId, 0, entry.originalLength);
  const plain = decompressPayload(
    content,
    payloadCompressorId(content),
    50_000,
    nodeCompressionEngine,
  );
  assert.equal(Buffer.compare(plain, Buffer.alloc(50_000, "abc")), 0);
});

test("engine: a second upload stores nothing, a restart with a new engine does", async () => {
  await using folder = await temporaryDirectory();
  const tree = makeTree(join(folder.path, "tree"), new SeededRandom(5), 2);
  const host = new FolderHost(folder.path);
  await using engine = openEngine(host, PLAIN);
  await upload(engine, batchesOf(tree, PLAIN));
  const before = host.packs.length;
  const again = await upload(engine, batchesOf(tree, PLAIN));
  assert.equal(host.packs.length, before);
  for (const result of again.values()) assert.ok(result.ok && result.newBytes === 0);
});

test("engine: packs begin with the format copy where the host gives one", async () => {
  await using folder = await temporaryDirectory();
  fs.writeFileSync(join(folder.path, "f"), "content");
  const formatCopy = new Uint8Array(100).fill(9);
  const host = new FolderHost(folder.path, { formatCopy });
  await using engine = openEngine(host, PLAIN);
  await upload(engine, batchesOf(new Map([[folder.path, ["f"]]]), PLAIN));
  const [packId] = host.packs;
  assert.ok(packId !== undefined);
  assert.deepEqual(new Uint8Array(fs.readFileSync(host.path(packId)).subarray(0, 100)), formatCopy);
  assert.equal(findFormatBlobCopy(nodeCryptoEngine, formatCopy, formatCopy), undefined);
});

test("engine: a range of a file is cut as a file of its own", async () => {
  await using folder = await temporaryDirectory();
  const data = random.bytes(3_000_000);
  fs.writeFileSync(join(folder.path, "f"), data);
  const host = new FolderHost(folder.path);
  await using engine = openEngine(host, PLAIN);
  const expected = lstatExact(join(folder.path, "f"));
  assert.ok(expected !== undefined);
  async function* batches(): AsyncGenerator<FileBatch> {
    const job = { name: "f", expected, compressor: undefined };
    yield {
      directory: folder.path,
      files: [
        { ...job, job: 1, expected: expected!, range: { offset: 1_000_000, length: 1_500_000 } },
        { ...job, job: 2, expected: expected!, range: { offset: 2_999_990, length: undefined } },
      ],
    };
  }
  const results = await upload(engine, batches());
  assert.deepEqual(
    piecesOf(results.get(1)),
    expectedPieces(data.subarray(1_000_000, 2_500_000), PLAIN),
  );
  assert.deepEqual(piecesOf(results.get(2)), expectedPieces(data.subarray(2_999_990), PLAIN));
});

test("engine: what vanished, is a symlink, a directory, or grew is that file's result; the others go on", async () => {
  await using folder = await temporaryDirectory();
  const path = (name: string): string => join(folder.path, name);
  for (const name of ["good", "gone", "grown", "shrunk"]) fs.writeFileSync(path(name), name);
  const tree = new Map([[folder.path, ["good", "gone", "grown", "shrunk"]]]);
  const batches: FileBatch[] = [];
  for await (const batch of batchesOf(tree, PLAIN)) batches.push(batch);
  const base = batches[0]?.files[0];
  assert.ok(base !== undefined);
  fs.rmSync(path("gone"));
  const grown = random.bytes(2_000_000);
  fs.writeFileSync(path("grown"), grown);
  fs.writeFileSync(path("shrunk"), "");
  fs.symlinkSync("good", path("link"));
  fs.mkdirSync(path("directory"));
  batches.push({
    directory: folder.path,
    files: ["link", "directory"].map((name, i) => ({ ...base, job: 10 + i, name })),
  });
  batches.push({
    directory: folder.path,
    files: [
      { ...base, job: 20, name: "gone", expected: { ...base.expected, sizeBytes: 5_000_000 } },
    ],
  });
  const host = new FolderHost(folder.path);
  await using engine = openEngine(host, PLAIN);
  async function* source(): AsyncGenerator<FileBatch> {
    yield* batches;
  }
  const results = await upload(engine, source());
  assert.deepEqual(piecesOf(results.get(0)), expectedPieces(Buffer.from("good"), PLAIN));
  for (const job of [1, 20]) {
    const result = results.get(job);
    assert.ok(
      result?.ok === false &&
        result.vanished &&
        result.code === "SEJF_SOURCE" &&
        result.message.includes("gone"),
    );
  }
  assert.deepEqual(piecesOf(results.get(2)), expectedPieces(grown, PLAIN));
  assert.deepEqual(piecesOf(results.get(3)), expectedPieces(new Uint8Array(0), PLAIN));
  for (const job of [10, 11]) assert.ok(results.get(job)?.ok === false, String(job));
});

for (const remote of [false, true]) {
  test(`engine: restores what was stored, ${remote ? "through ranges" : "from local packs"}, with modes and times`, async () => {
    await using folder = await temporaryDirectory();
    const variant: Variant = { ...PLAIN, compressor: "zstd-fastest" };
    const tree = makeTree(join(folder.path, "tree"), new SeededRandom(21));
    const big = join(folder.path, "tree", "d0");
    fs.writeFileSync(join(big, "big"), random.bytes(12_000_000));
    tree.get(big)?.push("big");
    const host = new FolderHost(folder.path, { remote } satisfies FolderHostOptions);
    await using engine = openEngine(host, variant, 4 << 20);
    const results = await upload(engine, batchesOf(tree, variant));
    for (const options of [
      {},
      { atomically: true, fsync: true },
      { sparse: true },
      { overwrite: true },
    ]) {
      await restoreAndCompare(
        engine,
        tree,
        results,
        join(folder.path, "out", Object.keys(options).join("-")),
        options,
      );
    }
    // Overwriting what is there.
    await restoreAndCompare(engine, tree, results, join(folder.path, "out", "sparse"), {
      overwrite: true,
    });
  });
}

interface RestoreOptions {
  readonly overwrite?: boolean;
  readonly atomically?: boolean;
  readonly sparse?: boolean;
  readonly fsync?: boolean;
}

async function restoreAndCompare(
  engine: BulkEngine,
  tree: ReadonlyMap<string, readonly string[]>,
  results: ReadonlyMap<number, FileResult>,
  out: string,
  options: RestoreOptions,
): Promise<void> {
  const expected = new Map<
    string,
    { readonly source: string; readonly attributes: RestoreAttributes }
  >();
  const batches: RestoreBatch[] = [];
  let job = 0;
  for (const [directory, names] of tree) {
    const target = join(out, directory.split("/").at(-1) ?? "");
    fs.mkdirSync(target, { recursive: true });
    const files = names.map((name) => {
      const pieces = piecesOf(results.get(job));
      const attributes = {
        mode: 0o600 | (job % 64),
        mtimeNs: 1_600_000_000_123_456_789n + BigInt(job),
      };
      expected.set(join(target, name), { source: join(directory, name), attributes });
      const sizeBytes = pieces.reduce((sum, piece) => sum + piece.lengthBytes, 0);
      const all = {
        overwrite: false,
        atomically: false,
        sparse: false,
        fsync: false,
        ignorePermissionErrors: false,
        ...options,
      };
      return { job: job++, name, pieces, sizeBytes, attributes, options: all };
    });
    batches.push({ directory: target, files });
  }
  const failures = (await restore(engine, batches)).filter(({ ok }) => !ok);
  assert.deepEqual(failures, []);
  for (const [path, { source, attributes }] of expected) {
    assert.equal(Buffer.compare(fs.readFileSync(path), fs.readFileSync(source)), 0, path);
    const stat = lstatExact(path);
    assert.equal(stat?.mtimeNs, attributes.mtimeNs, path);
    assert.equal((stat?.mode ?? 0) & 0o7777, attributes.mode, path);
  }
}

async function restore(
  engine: BulkEngine,
  batches: readonly RestoreBatch[],
): Promise<RestoreResult[]> {
  async function* source(): AsyncGenerator<RestoreBatch> {
    yield* batches;
  }
  const results: RestoreResult[] = [];
  for await (const page of engine.restoreFiles(source())) results.push(...page);
  return results.sort((a, b) => a.job - b.job);
}

const NO_OPTIONS = {
  overwrite: true,
  atomically: false,
  sparse: false,
  fsync: false,
  ignorePermissionErrors: false,
};

test("engine: restoring never leaves its directory: names, planted links, a linked directory", async () => {
  await using folder = await temporaryDirectory();
  const path = (name: string): string => join(folder.path, name);
  fs.mkdirSync(path("out"));
  fs.writeFileSync(path("f"), "hostile");
  fs.writeFileSync(path("precious"), "precious");
  fs.symlinkSync("../precious", path("out/link"));
  fs.symlinkSync("out", path("linked"));
  const host = new FolderHost(folder.path);
  await using engine = openEngine(host, PLAIN);
  const pieces = piecesOf(
    (await upload(engine, batchesOf(new Map([[folder.path, ["f"]]]), PLAIN))).get(0),
  );
  const file = { pieces, sizeBytes: 7, attributes: {}, options: NO_OPTIONS };
  const names = ["../precious", "link", "..", "a/b", "", path("precious"), "ok"];
  const results = await restore(engine, [
    { directory: path("out"), files: names.map((name, job) => ({ ...file, job, name })) },
    { directory: path("linked"), files: [{ ...file, job: 90, name: "x" }] },
  ]);
  assert.deepEqual(
    results.filter(({ ok }) => ok).map(({ job }) => job),
    [names.indexOf("ok")],
  );
  assert.equal(fs.readFileSync(path("precious"), "utf8"), "precious");
  assert.deepEqual(fs.readdirSync(path("out")).sort(), ["link", "ok"]);
});

test("engine: damaged, missing and unknown contents are results of restore and verify", async () => {
  await using folder = await temporaryDirectory();
  fs.mkdirSync(join(folder.path, "out"));
  for (const name of ["a", "b", "c"])
    fs.writeFileSync(join(folder.path, name), `content of ${name}`);
  const host = new FolderHost(folder.path);
  await using engine = openEngine(host, PLAIN, 1 << 20, 1);
  const refs = ["a", "b", "c"].map(async (name) => {
    const results = await upload(engine, batchesOf(new Map([[folder.path, [name]]]), PLAIN));
    return piecesOf(results.get(0))[0] as ContentPiece;
  });
  const [a, b, c] = (await Promise.all(refs)) as [ContentPiece, ContentPiece, ContentPiece];
  damage(host, a.ref);
  const lost = host.entries.get(b.ref);
  assert.ok(lost !== undefined);
  host.entries.set(b.ref, {
    ...lost,
    packId: "p00000000000000000000000000000000-s0" as typeof lost.packId,
  });
  const unknown = "00".repeat(16) as ContentRef;
  async function* requests(): AsyncGenerator<{ job: number; ref: ContentRef }[]> {
    yield [a.ref, b.ref, c.ref, unknown].map((ref, job) => ({ job, ref }));
  }
  const verified = new Map<number, string>();
  for await (const page of engine.verifyMany(requests())) {
    for (const result of page)
      verified.set(result.job, result.ok ? `${result.originalLength} bytes` : result.code);
  }
  const codes = ["SEJF_CORRUPT", "SEJF_BLOB_NOT_FOUND", "12 bytes", "SEJF_CONTENT_NOT_FOUND"];
  assert.deepEqual(
    [0, 1, 2, 3].map((job) => verified.get(job)),
    codes,
  );
  const pieces = [a, b, c, { ref: unknown, lengthBytes: 12 }, { ...c, lengthBytes: 13 }];
  const files = pieces.map((piece, job) => ({
    job,
    name: `r${job}`,
    pieces: [piece],
    sizeBytes: job === 4 ? 12 : piece.lengthBytes,
    attributes: {},
    options: NO_OPTIONS,
  }));
  const results = await restore(engine, [{ directory: join(folder.path, "out"), files }]);
  assert.deepEqual(
    results.map((result) => (result.ok ? "ok" : result.code)),
    ["SEJF_CORRUPT", "SEJF_BLOB_NOT_FOUND", "ok", "SEJF_CONTENT_NOT_FOUND", "SEJF_CORRUPT"],
  );
  assert.deepEqual(fs.readdirSync(join(folder.path, "out")), ["r2"]);
});

function damage(host: FolderHost, ref: ContentRef): void {
  const entry = host.entries.get(ref);
  assert.ok(entry !== undefined);
  const bytes = fs.readFileSync(host.path(entry.packId));
  bytes[entry.packOffset + 20] = (bytes[entry.packOffset + 20] ?? 0) ^ 1;
  fs.writeFileSync(host.path(entry.packId), bytes);
}

test("engine: a pack that cannot be stored fails the upload, every drain, and all later work", async () => {
  await using folder = await temporaryDirectory();
  const tree = makeTree(join(folder.path, "tree"), new SeededRandom(8));
  const host = new FolderHost(folder.path);
  host.beforeStore = () => {
    throw Object.assign(new Error("disk full"), { code: "ENOSPC" });
  };
  await using engine = openEngine(host, PLAIN);
  await assert.rejects(upload(engine, batchesOf(tree, PLAIN)), { code: "SEJF_NO_SPACE" });
  await assert.rejects(engine.drain(), { code: "SEJF_NO_SPACE" });
  await assert.rejects(upload(engine, batchesOf(tree, PLAIN)), { code: "SEJF_NO_SPACE" });
});

test("engine: a thread that dies rejects what waits and everything after", async () => {
  await using folder = await temporaryDirectory();
  fs.writeFileSync(join(folder.path, "f"), "x");
  const tree = new Map([[folder.path, ["f"]]]);
  const host = new FolderHost(folder.path);
  const buffer = new SharedArrayBuffer(64);
  host.descriptor = {
    ...host.descriptor,
    files: [
      {
        path: "/nonexistent/index",
        lengthBytes: 17,
        directory: { groups: [], starts: buffer },
        blockTags: buffer,
      },
    ],
  };
  await using engine = openEngine(host, PLAIN);
  await assert.rejects(upload(engine, batchesOf(tree, PLAIN)), { code: "SEJF_WORKER" });
  await assert.rejects(engine.drain(), { code: "SEJF_WORKER" });
});

test("engine: claims beyond the limit are committed, and what was committed is known", async () => {
  await using folder = await temporaryDirectory();
  const tree = new Map<string, string[]>();
  const rng = new SeededRandom(4);
  for (let d = 0; d < 12; d++) {
    const directory = join(folder.path, `d${d}`);
    fs.mkdirSync(directory);
    const names = Array.from({ length: 250 }, (_, i) => `f${i}`);
    // The second half of the directories repeats the first.
    for (const name of names)
      fs.writeFileSync(
        join(directory, name),
        d < 6 ? rng.bytes(20) : fs.readFileSync(join(folder.path, `d${d - 6}`, name)),
      );
    tree.set(directory, names);
  }
  const host = new FolderHost(folder.path);
  await using engine = createBulkEngine(host, {
    codec: parameters(PLAIN),
    formatVersion: 3,
    maxPackSizeBytes: 1 << 20,
    splitter: PLAIN.splitter,
    claimLimit: 600,
    threads: 2,
  });
  const results = await upload(engine, batchesOf(tree, PLAIN));
  assert.equal(results.size, 3000);
  assert.ok(host.commits >= 1);
  assert.ok(engine.claims.count < 1500);
  assert.equal(
    [...results.values()].reduce((sum, result) => sum + (result.ok ? result.newBytes : 0), 0),
    1500 * 20,
  );
  await checkPacks(
    host,
    PLAIN,
    new Set(
      [...results.values()].flatMap((result) => piecesOf(result).map(({ ref }) => ref as string)),
    ),
  );
});

test("engine: a deleted content is stored again, later than its deletion", async () => {
  await using folder = await temporaryDirectory();
  fs.writeFileSync(join(folder.path, "f"), "deleted once");
  const tree = new Map([[folder.path, ["f"]]]);
  const host = new FolderHost(folder.path);
  const first = openEngine(host, PLAIN);
  const [piece] = piecesOf((await upload(first, batchesOf(tree, PLAIN))).get(0));
  await first.close();
  const entry = host.entries.get(piece?.ref ?? "");
  assert.ok(entry !== undefined);
  const builder = new IndexBuilder();
  builder.add({ ...entry, deleted: true, timestampS: host.nowS() + 1000 });
  host.entries.clear();
  host.useIndex(builder.build(2));
  await using engine = openEngine(host, PLAIN);
  const again = (await upload(engine, batchesOf(tree, PLAIN))).get(0);
  assert.ok(again?.ok === true && again.newBytes === 12);
  assert.equal(host.entries.get(piece?.ref ?? "")?.timestampS, host.nowS() + 1001);
});

test("engine: an abort stops soon with its reason, and the engine goes on working", async () => {
  await using folder = await temporaryDirectory();
  const tree = makeTree(join(folder.path, "tree"), new SeededRandom(9));
  const host = new FolderHost(folder.path);
  await using engine = openEngine(host, PLAIN);
  const controller = new AbortController();
  const reason = new Error("enough");
  async function* endless(): AsyncGenerator<FileBatch> {
    for (let round = 0; ; round++) {
      if (round === 2) controller.abort(reason);
      yield* batchesOf(tree, PLAIN);
    }
  }
  await assert.rejects(async () => {
    for await (const _ of engine.writeFiles(endless(), { signal: controller.signal })) {
      // results are not the point
    }
  }, reason);
  const results = await upload(engine, batchesOf(tree, PLAIN));
  assert.ok([...results.values()].every(({ ok }) => ok));
  const refs = new Set(
    [...results.values()].flatMap((result) => piecesOf(result).map(({ ref }) => ref as string)),
  );
  for (const ref of refs)
    assert.ok(host.entries.has(ref), "a content that was claimed before the abort was stored");
});

test("engine: closed while its threads still start, the process lives and what waited is told", async () => {
  await using folder = await temporaryDirectory();
  fs.writeFileSync(join(folder.path, "f"), "hardly begun");
  const tree = new Map([[folder.path, ["f"]]]);
  for (let round = 0; round < 5; round++) {
    const engine = openEngine(new FolderHost(folder.path), PLAIN);
    const outcome = upload(engine, batchesOf(tree, PLAIN)).then(
      (results) => results.get(0)?.ok,
      (error: unknown) => error,
    );
    // Later each time, so that some are closed just when their threads load what is native.
    await new Promise((resolve) => setTimeout(resolve, 40 * round));
    await engine.close();
    const told = await outcome;
    assert.ok(told === true || isSejfError(told, "SEJF_CANCELLED"), String(told));
  }
});
