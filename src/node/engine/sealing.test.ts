/** Sealing and opening in threads, against the portable code of `sealed/`, which shares nothing with it but the layout. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bytesToBase64Url, copyBytes } from "../../bytes/index.ts";
import { compressorByName } from "../../compress/index.ts";
import { portableCryptoEngine } from "../../crypto/index.ts";
import { SejfError } from "../../errors/index.ts";
import {
  type ContentPiece,
  type ContentRef,
  type ContentRequest,
  type FileBatch,
  type FileJob,
  type FileResult,
  listedContents,
  type RestoreBatch,
  type RestoreResult,
  type SealingParameters,
  type VerifyResult,
  type WrittenSeal,
} from "../../format/index.ts";
import {
  ContentSealer,
  createSealedSplitter,
  deriveContentKey,
  deriveSplitterSecrets,
} from "../../sealed/index.ts";
import { splitAll } from "../../splitter/index.ts";
import { FolderHost } from "../../testkit/bulk-host.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { nodeCompressionEngine } from "../compress/index.ts";
import { lstatExact } from "../index.ts";
import { type BulkEngine, createBulkEngine, createRemoteEngine } from "./index.ts";

const random = new SeededRandom(31);
const hashSecret = random.bytes(32);
const privateSecret = random.bytes(32);
const groupSecret = random.bytes(32);
const HASH_BYTES = 32;
const MIN_SIZE = 32_768;
const SPLITTER = "DYNAMIC-128K-BUZHASH";
const ZSTD = compressorByName("zstd-fastest", nodeCompressionEngine).id;
const GZIP = compressorByName("gzip", nodeCompressionEngine).id;

interface Variant {
  readonly grouped: boolean;
  readonly compressor: number;
  /** Of the group. */
  readonly shared: number;
}

function sealingOf({ grouped, shared }: Variant): SealingParameters {
  const engine = portableCryptoEngine;
  return {
    privateKey: deriveContentKey(engine, privateSecret),
    shared: grouped
      ? {
          contentKey: deriveContentKey(engine, groupSecret),
          minSizeBytes: MIN_SIZE,
          compressor: shared,
        }
      : undefined,
    splitter: SPLITTER,
    cuts: deriveSplitterSecrets(engine, grouped ? groupSecret : privateSecret),
  };
}

/** By the plainest means. */
function expectedPieces(
  data: Uint8Array,
  { grouped, compressor, shared }: Variant,
): readonly ContentPiece[] {
  const engine = portableCryptoEngine;
  const idHash = engine.contentHash("BLAKE3-256", hashSecret);
  const secrets = deriveSplitterSecrets(engine, grouped ? groupSecret : privateSecret);
  const ends = splitAll(createSealedSplitter(engine, SPLITTER, secrets), data);
  if (ends.at(-1) !== data.length) ends.push(data.length);
  let at = 0;
  return ends.map((end) => {
    const segment = data.subarray(at, end);
    at = end;
    const isShared = grouped && segment.length >= MIN_SIZE;
    const secret = isShared ? groupSecret : privateSecret;
    const sealer = new ContentSealer(engine, nodeCompressionEngine, secret, idHash);
    const { reference, ciphertext } = sealer.seal(segment, {
      prefix: "",
      compressor: isShared ? shared : compressor,
    });
    return {
      ref: reference.id as string as ContentRef,
      lengthBytes: segment.length,
      seal: { keyText: bytesToBase64Url(reference.key), sealedBytes: ciphertext.length },
    };
  });
}

/** Empty, small, cut in several, big, compressible or not, zeros. */
function makeFiles(folder: string): readonly string[] {
  const rng = new SeededRandom(8);
  mkdirSync(folder, { recursive: true });
  const sizes = [0, 1, 200, 32_767, 32_768, 300_000, 700_001, 1 << 20, (1 << 20) + 1, 3_000_000];
  return sizes.flatMap((size, i) => {
    const bytes = rng.bytes(size);
    writeFileSync(join(folder, `random-${i}`), bytes);
    bytes.fill(0x61, size >> 3);
    writeFileSync(join(folder, `text-${i}`), bytes);
    bytes.fill(0, size >> 2);
    writeFileSync(join(folder, `zeros-${i}`), bytes);
    return [`random-${i}`, `text-${i}`, `zeros-${i}`];
  });
}

async function* batchOf(
  folder: string,
  names: readonly string[],
  compressor: number,
): AsyncGenerator<FileBatch> {
  const files = names.map((name, job): FileJob => {
    const expected = lstatExact(join(folder, name));
    assert.ok(expected !== undefined);
    return { job, name, expected, compressor };
  });
  yield { directory: folder, files };
}

async function collected<T extends { readonly job: number }>(
  pages: AsyncIterable<readonly T[]>,
): Promise<Map<number, T>> {
  const results = new Map<number, T>();
  for await (const page of pages) for (const result of page) results.set(result.job, result);
  return results;
}

function openDirect(host: FolderHost, sealing: SealingParameters | undefined): BulkEngine {
  return createBulkEngine(host, {
    codec: {
      hash: "BLAKE3-256",
      encryption: "AES256-GCM-HMAC-SHA256",
      ecc: "",
      eccOverheadPercent: 0,
      secret: hashSecret,
      masterKey: random.bytes(32),
      indexVersion: 2,
    },
    formatVersion: 3,
    maxPackSizeBytes: 1 << 20,
    splitter: "DYNAMIC-4M-BUZHASH",
    threads: 2,
    sealing,
  });
}

/** A server that holds contents by name. */
function openRemote(stored: Map<string, Uint8Array>, sealing: SealingParameters): BulkEngine {
  return createRemoteEngine(
    {
      // oxlint-disable-next-line require-await
      giveBack: () => undefined,
      sendBatch: async (bytes, list): Promise<void> => {
        const contents = listedContents(list, HASH_BYTES, bytes.byteLength);
        for (const { hash, offset, lengthBytes, compressor } of contents) {
          assert.equal(compressor, 0);
          stored.set(hash, copyBytes(bytes.subarray(offset, offset + lengthBytes)));
        }
      },
      // oxlint-disable-next-line require-await
      send: async (hash, bytes, compressor): Promise<void> => {
        assert.equal(compressor, 0);
        stored.set(hash, copyBytes(bytes));
      },
      commit: async () => undefined,
      // oxlint-disable-next-line require-await
      fetch: async (refs, onAnswer): Promise<void> => {
        for (const [i, ref] of refs.entries()) {
          const data = stored.get(ref);
          const missing = new SejfError("SEJF_CONTENT_NOT_FOUND", "not there");
          onAnswer(i, data === undefined ? missing : copyBytes(data));
        }
      },
    },
    {
      hash: "BLAKE3-256",
      secret: hashSecret,
      indexVersion: 2,
      splitter: SPLITTER,
      threads: 2,
      sealing,
    },
  );
}

async function checkEngine(engine: BulkEngine, folder: string, variant: Variant): Promise<void> {
  const names = makeFiles(join(folder, "tree"));
  const batches = batchOf(join(folder, "tree"), names, variant.compressor);
  const written = await collected<FileResult>(engine.writeSealed(batches));
  await engine.drain();
  const pieces = names.map((name, job) => {
    const result = written.get(job);
    assert.ok(result?.ok === true, name);
    const data = new Uint8Array(readFileSync(join(folder, "tree", name)));
    assert.deepEqual(result.pieces, expectedPieces(data, variant), name);
    return result.pieces;
  });
  await checkRestored(engine, folder, names, pieces);
  await checkVerified(engine, pieces.flat());
}

async function checkRestored(
  engine: BulkEngine,
  folder: string,
  names: readonly string[],
  pieces: readonly (readonly ContentPiece[])[],
): Promise<void> {
  const target = join(folder, "restored");
  mkdirSync(target);
  async function* batches(): AsyncGenerator<RestoreBatch> {
    yield {
      directory: target,
      files: names.map((name, job) => ({
        job,
        name,
        pieces: pieces[job] ?? [],
        sizeBytes: readFileSync(join(folder, "tree", name)).length,
        attributes: {},
        options: {
          overwrite: false,
          atomically: false,
          sparse: false,
          fsync: false,
          ignorePermissionErrors: true,
        },
      })),
    };
  }
  const restored = await collected<RestoreResult>(engine.restoreFiles(batches()));
  for (const [job, name] of names.entries()) {
    assert.deepEqual(restored.get(job)?.ok, true, name);
    const [found, expected] = [target, join(folder, "tree")].map((at) =>
      readFileSync(join(at, name)),
    );
    assert.equal(Buffer.compare(found as Buffer, expected as Buffer), 0, name);
  }
}

/** Plain lengths, and a key that is another's. */
async function checkVerified(engine: BulkEngine, pieces: readonly ContentPiece[]): Promise<void> {
  const wrong = pieces.findIndex(({ lengthBytes }) => lengthBytes > 100);
  async function* requests(): AsyncGenerator<readonly ContentRequest[]> {
    yield pieces.map(({ ref, seal }, job) => {
      const { keyText } = seal as WrittenSeal;
      const other = keyText.startsWith("A") ? "B" : "A";
      return {
        job,
        ref,
        seal: { keyText: job === wrong ? other + keyText.slice(1) : keyText },
      };
    });
  }
  const verified = await collected<VerifyResult>(engine.verifyMany(requests()));
  for (const [job, { lengthBytes }] of pieces.entries()) {
    const result = verified.get(job);
    if (job === wrong) assert.equal(result?.ok === false && result.code, "SEJF_CORRUPT");
    else assert.deepEqual(result, { job, ok: true, originalLength: lengthBytes });
  }
}

const VARIANTS: readonly Variant[] = [
  { grouped: false, compressor: 0, shared: 0 },
  { grouped: true, compressor: 0, shared: ZSTD },
  { grouped: true, compressor: GZIP, shared: 0 },
  { grouped: false, compressor: ZSTD, shared: 0 },
];

for (const variant of VARIANTS) {
  test(`writeSealed: contents as by the portable code, and read back: ${JSON.stringify(variant)}`, async () => {
    await using folder = await temporaryDirectory("sealing");
    const host = new FolderHost(folder.path);
    await using engine = openDirect(host, sealingOf(variant));
    await checkEngine(engine, folder.path, variant);
  });

  test(`writeSealed behind a server: the same: ${JSON.stringify(variant)}`, async () => {
    await using folder = await temporaryDirectory("sealing");
    const stored = new Map<string, Uint8Array>();
    await using engine = openRemote(stored, sealingOf(variant));
    await checkEngine(engine, folder.path, variant);
  });
}

test("writeSealed: an altered content is refused before it is opened", async () => {
  await using folder = await temporaryDirectory("sealing");
  const variant: Variant = { grouped: false, compressor: 0, shared: 0 };
  const stored = new Map<string, Uint8Array>();
  await using engine = openRemote(stored, sealingOf(variant));
  writeFileSync(join(folder.path, "f"), random.bytes(5000));
  const written = await collected<FileResult>(engine.writeSealed(batchOf(folder.path, ["f"], 0)));
  await engine.drain();
  const result = written.get(0);
  assert.ok(result?.ok === true);
  const [piece] = result.pieces;
  assert.ok(piece?.seal !== undefined);
  const bytes = stored.get(piece.ref);
  assert.ok(bytes !== undefined);
  bytes[100]! ^= 1;
  async function* requests(): AsyncGenerator<readonly ContentRequest[]> {
    yield [{ job: 0, ref: piece!.ref, seal: piece!.seal }];
  }
  const verified = await collected<VerifyResult>(engine.verifyMany(requests()));
  const failure = verified.get(0);
  assert.ok(failure?.ok === false && failure.code === "SEJF_CORRUPT");
  assert.match(failure.message, /another hash/);
});

test("writeSealed: an engine without secrets refuses; nothing is ever stored plain instead", async () => {
  await using folder = await temporaryDirectory("sealing");
  const host = new FolderHost(folder.path);
  await using engine = openDirect(host, undefined);
  writeFileSync(join(folder.path, "f"), "plain");
  assert.throws(() => engine.writeSealed(batchOf(folder.path, ["f"], 0)), /secrets/);
  await engine.drain();
  assert.equal(host.packs.length, 0);
});
