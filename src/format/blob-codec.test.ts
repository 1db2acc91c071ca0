/** The codec of contents and blobs, packs and their recovery, against kopia's bytes and by properties. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toBlobId } from "../blob/index.ts";
import {
  bytesToHex,
  bytesToUtf8,
  concatBytes,
  hexToBytes,
  type OwnedBytes,
  type Random,
  utf8ToBytes,
} from "../bytes/index.ts";
import { COMPRESSORS, portableCompressionEngine } from "../compress/index.ts";
import { portableCryptoEngine } from "../crypto/index.ts";
import { isSejfError } from "../errors/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import {
  type BlobCodec,
  type CodecParameters,
  contentHashBytes,
  contentIdOf,
  createBlobCodec,
  decodePostamble,
  encodePostamble,
  formatBlobCopy,
  type IndexEntry,
  ivOfHash,
  newPackId,
  openIndex,
  PackBuilder,
  parseContentId,
  readPackIndex,
  type SessionId,
} from "./index.ts";

const keys = goldenVectors<{ readonly secret: string; readonly masterKey: string }>("derivedKeys");

const PARAMETERS: CodecParameters = {
  hash: "BLAKE2B-256-128",
  encryption: "AES256-GCM-HMAC-SHA256",
  ecc: "",
  eccOverheadPercent: 0,
  secret: hexToBytes(keys.secret),
  masterKey: hexToBytes(keys.masterKey),
  indexVersion: 2,
};

function codecOf(
  change: Partial<CodecParameters> = {},
  random: Random = new SeededRandom(1),
): BlobCodec {
  return createBlobCodec(
    nodeCryptoEngine,
    portableCompressionEngine,
    { ...PARAMETERS, ...change },
    random,
  );
}

const upperLayers = goldenVectors<{
  readonly nonceHex: string;
  readonly content: {
    readonly plain: string;
    readonly contentID: string;
    readonly storedHex: string;
  };
  readonly emptyContentID: string;
  readonly postamble: {
    readonly ivHex: string;
    readonly offset: number;
    readonly length: number;
    readonly hex: string;
  };
}>("upperLayers");

test("encodeContent: kopia's stored bytes under a fixed nonce, both engines", () => {
  const fixed: Random = { bytes: () => hexToBytes(upperLayers.nonceHex) };
  for (const engine of [nodeCryptoEngine, portableCryptoEngine]) {
    const codec = createBlobCodec(engine, portableCompressionEngine, PARAMETERS, fixed);
    const plain = utf8ToBytes(upperLayers.content.plain);
    const id = contentIdOf("", codec.hash.hash(plain));
    assert.equal(id, upperLayers.content.contentID);
    const { stored, compressionId } = codec.encodeContent(plain, id, undefined);
    assert.equal(bytesToHex(stored), upperLayers.content.storedHex);
    assert.equal(compressionId, 0);
    assert.deepEqual(codec.decodeContent(stored, id, 0, plain.byteLength), plain);
  }
});

test("an empty content is 28 stored bytes", () => {
  const codec = codecOf();
  const id = contentIdOf("", codec.hash.hash(new Uint8Array(0)));
  assert.equal(id, upperLayers.emptyContentID);
  const { stored } = codec.encodeContent(new Uint8Array(0), id, 0x1101);
  assert.equal(stored.byteLength, 28);
  assert.equal(codec.decodeContent(stored, id, 0, 0).byteLength, 0);
});

test("decodeContent reads every compression of kopia, and checks length, header and hash", () => {
  const { cases, plainHex } = goldenVectors<{
    readonly cases: readonly {
      readonly name: string;
      readonly headerID: string;
      readonly compressedHex: string;
    }[];
    readonly plainHex: string;
  }>("compression");
  const codec = codecOf();
  const plain = hexToBytes(plainHex);
  const hash = codec.hash.hash(plain);
  const id = contentIdOf("k", hash);
  let read = 0;
  for (const { name, headerID, compressedHex } of cases) {
    if (compressedHex === undefined || name === "lz4") continue;
    const compressionId = Number(headerID);
    const stored = codec.sealContent(hexToBytes(compressedHex), ivOfHash(hash));
    assert.deepEqual(codec.decodeContent(stored, id, compressionId, plain.byteLength), plain, name);
    for (const wrong of [plain.byteLength - 1, plain.byteLength + 1]) {
      assert.throws(
        () => codec.decodeContent(stored, id, compressionId, wrong),
        { code: "SEJF_CORRUPT" },
        name,
      );
    }
    assert.throws(
      () =>
        codec.decodeContent(
          stored,
          id,
          compressionId === 0x1000 ? 0x1001 : 0x1000,
          plain.byteLength,
        ),
      {
        code: "SEJF_CORRUPT",
      },
    );
    read++;
  }
  assert.ok(read >= 17);
  const otherId = contentIdOf("", codec.hash.hash(utf8ToBytes("other")));
  const filed = codec.sealContent(plain, ivOfHash(contentHashBytes(otherId)));
  assert.throws(
    () => codec.decodeContent(filed, otherId, 0, plain.byteLength),
    (error) => isSejfError(error, "SEJF_CORRUPT") && error.message.includes(otherId),
  );
});

test("decodeContentInPlace: the same bytes as decodeContent in the memory of what was stored; the hash only when asked", () => {
  const gzip = COMPRESSORS.find(({ name }) => name === "gzip")!.id;
  const wordy = utf8ToBytes("again and ".repeat(20_000));
  const ecc = { ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 2 };
  const portable = createBlobCodec(
    portableCryptoEngine,
    portableCompressionEngine,
    PARAMETERS,
    new SeededRandom(2),
  );
  for (const codec of [codecOf(), codecOf(ecc), portable]) {
    const id = contentIdOf("", codec.hash.hash(wordy));
    for (const compressor of [undefined, gzip]) {
      const { stored, compressionId } = codec.encodeContent(wordy, id, compressor);
      const inPlace = (bytes: OwnedBytes, isHashedLater: boolean): OwnedBytes =>
        codec.decodeContentInPlace(bytes, id, compressionId, wordy.byteLength, isHashedLater);
      for (const isHashedLater of [true, false]) {
        const bytes = stored.slice();
        assert.deepEqual(inPlace(bytes, isHashedLater), wordy);
        const damaged = stored.slice();
        damaged.fill(0, damaged.length / 2);
        assert.throws(() => inPlace(damaged, isHashedLater), { code: "SEJF_CORRUPT" });
        assert.throws(() => inPlace(new Uint8Array(5), isHashedLater), { code: "SEJF_CORRUPT" });
      }
    }
  }
  const codec = codecOf();
  const otherId = contentIdOf("", codec.hash.hash(utf8ToBytes("other")));
  const filed = codec.sealContent(wordy, ivOfHash(contentHashBytes(otherId)));
  const open = (bytes: OwnedBytes, isHashedLater: boolean): OwnedBytes =>
    codec.decodeContentInPlace(bytes, otherId, 0, wordy.byteLength, isHashedLater);
  const bytes = filed.slice();
  assert.equal(open(bytes, true).buffer, bytes.buffer);
  assert.throws(() => open(filed, false), { code: "SEJF_CORRUPT" });
});

test("encodeContent: compression is kept where it saves a byte, header included, and index version 2 can tell", () => {
  const gzip = COMPRESSORS.find(({ name }) => name === "gzip")!.id;
  const wordy = utf8ToBytes("again and ".repeat(100));
  const codec = codecOf();
  const idOf = (data: Uint8Array): ReturnType<typeof contentIdOf> =>
    contentIdOf("", codec.hash.hash(data));
  const compressed = codec.encodeContent(wordy, idOf(wordy), gzip);
  assert.equal(compressed.compressionId, gzip);
  assert.ok(compressed.stored.byteLength < 100);
  assert.deepEqual(
    codec.decodeContent(compressed.stored, idOf(wordy), gzip, wordy.byteLength),
    wordy,
  );
  const noise = new SeededRandom(3).bytes(1000);
  const kept = codec.encodeContent(noise, idOf(noise), gzip);
  assert.deepEqual([kept.compressionId, kept.stored.byteLength], [0, 1028]);
  const old = codecOf({ indexVersion: 1 }).encodeContent(wordy, idOf(wordy), gzip);
  assert.deepEqual([old.compressionId, old.stored.byteLength], [0, wordy.byteLength + 28]);
  assert.throws(() => codec.encodeContent(wordy, idOf(wordy), 0x9999), {
    code: "SEJF_UNSUPPORTED",
  });
});

test("decryptBlob opens kopia's index blob, and names the blob when it cannot", () => {
  const { encryptedBlob, cases } = goldenVectors<{
    readonly encryptedBlob: {
      readonly blobID: string;
      readonly encryptedHex: string;
      readonly plainCase: number;
      readonly secretHex: string;
    };
    readonly cases: readonly { readonly hex: string }[];
  }>("index");
  const codec = codecOf({ secret: hexToBytes(encryptedBlob.secretHex) });
  const id = toBlobId(encryptedBlob.blobID);
  const data = hexToBytes(encryptedBlob.encryptedHex);
  assert.equal(bytesToHex(codec.decryptBlob(id, data)), cases[encryptedBlob.plainCase]!.hex);
  const renamed = toBlobId(id.replace("_3", "_4"));
  for (const [name, bytes] of [
    [renamed, data],
    [id, data.subarray(1)],
    [id, data.subarray(0, 5)],
    [toBlobId("xn0_nohash-s1"), data],
  ] as const) {
    assert.throws(
      () => codec.decryptBlob(name, bytes),
      (error) =>
        isSejfError(error, "SEJF_CORRUPT") &&
        error.message.includes("blob") &&
        error.message.includes(name === "xn0_nohash-s1" ? "no hash" : name),
    );
  }
});

test("encryptBlob: prefix, whole hash, dash and suffix; odd suffixes are read too", () => {
  for (const hash of ["BLAKE2B-256-128", "HMAC-SHA3-224", "BLAKE3-256"]) {
    for (const ecc of [{}, { ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 5 }]) {
      const codec = codecOf({ hash, ...ecc });
      const plain = utf8ToBytes("some text");
      for (const suffix of ["s12-c1", "", "-c1"]) {
        const { id, data } = codec.encryptBlob("xn0_", suffix, plain);
        assert.equal(
          id,
          `xn0_${bytesToHex(codec.hash.hash(plain))}${suffix === "" ? "" : `-${suffix}`}`,
        );
        assert.equal(bytesToUtf8(codec.decryptBlob(id, data)), "some text");
        assert.equal(data.byteLength, codec.sealedLength(plain.byteLength));
      }
    }
  }
});

test("decryptBlob: a blob that authenticates under its IV but has another hash is SEJF_CORRUPT", () => {
  const codec = codecOf({ hash: "BLAKE3-256" });
  const plain = utf8ToBytes("text");
  const { id, data } = codec.encryptBlob("n", "", plain);
  // the IV is made of the last 16 bytes only
  const renamed = toBlobId(`n${"0".repeat(32)}${id.slice(33)}`);
  assert.throws(() => codec.decryptBlob(renamed, data), { code: "SEJF_CORRUPT" });
});

test("stored bytes with errors are repaired where there is error correction", () => {
  const codec = codecOf({ ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 10 });
  const plain = new SeededRandom(8).bytes(5000);
  const id = contentIdOf("", codec.hash.hash(plain));
  const { stored } = codec.encodeContent(plain, id, undefined);
  stored[100]! ^= 0xff;
  stored[3000]! ^= 0xff;
  assert.deepEqual(codec.decodeContent(stored, id, 0, 5000), plain);
});

test("decodeContent and decryptBlob: any bytes are SEJF_CORRUPT", () => {
  const codecs = [codecOf(), codecOf({ ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 2 })];
  const id = parseContentId("bc392cb6dc62013ef767027e8964392e");
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(0, 0x1000, 0x1100, 0x1200),
      (bytes, compressionId) => {
        for (const codec of codecs) {
          assert.throws(() => codec.decodeContent(bytes, id, compressionId, 6), {
            code: "SEJF_CORRUPT",
          });
          assert.throws(() => codec.decryptBlob(toBlobId(`n${id}`), bytes), {
            code: "SEJF_CORRUPT",
          });
        }
      },
    ),
    { numRuns: numRuns() },
  );
});

test("postamble: kopia's bytes both ways", () => {
  const { hex, ivHex, offset, length } = upperLayers.postamble;
  const postamble = { iv: hexToBytes(ivHex), indexOffset: offset, indexLength: length };
  assert.equal(bytesToHex(encodePostamble(postamble)), hex);
  assert.deepEqual(decodePostamble(concatBytes(new Uint8Array(50), hexToBytes(hex))), postamble);
});

test("decodePostamble: any bytes give a postamble or SEJF_CORRUPT", () => {
  const good = concatBytes(new Uint8Array(9), hexToBytes(upperLayers.postamble.hex));
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(good.length - 1),
      fc.nat(255),
      (random, at, value) => {
        const damaged = good.slice();
        damaged[at] = value;
        for (const bytes of [random, damaged, good.subarray(at)]) {
          try {
            assert.ok(decodePostamble(bytes).indexLength >= 0);
          } catch (error) {
            assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
          }
        }
      },
    ),
    { numRuns: numRuns(200) },
  );
});

// --- packs ---------------------------------------------------------------------------------------------------------

const SESSION = "s0e9099296a9b76fa147" as SessionId;

interface Case {
  readonly codec: BlobCodec;
  readonly builder: PackBuilder;
  readonly plains: readonly OwnedBytes[];
  readonly entries: readonly IndexEntry[];
}

function fill(
  change: Partial<CodecParameters>,
  options: {
    readonly buffer?: Uint8Array;
    readonly formatCopy?: Uint8Array;
    readonly contents?: number;
  } = {},
): Case {
  const random = new SeededRandom(11);
  const codec = codecOf(change, random);
  const packId = newPackId("p", SESSION, random);
  const builder = new PackBuilder({
    codec,
    packId,
    indexVersion: codec.indexVersion,
    random,
    formatCopy: options.formatCopy,
    buffer: options.buffer,
  });
  const plains = Array.from({ length: options.contents ?? 20 }, (_, i) => random.bytes(i * 37));
  const entries = plains.map((plain) => {
    const contentId = contentIdOf("", codec.hash.hash(plain));
    const { stored, compressionId } = codec.encodeContent(plain, contentId, undefined);
    assert.ok(builder.fits(stored.byteLength));
    return builder.append(stored, {
      contentId,
      originalLength: plain.byteLength,
      timestampS: 1_700_000_000,
      formatVersion: 3,
      compressionId,
    });
  });
  return { codec, builder, plains, entries };
}

function byId(a: IndexEntry, b: IndexEntry): number {
  return a.contentId < b.contentId ? -1 : 1;
}

const rangeOf =
  (pack: Uint8Array) =>
  async (offset: number, length: number): Promise<Uint8Array> => {
    assert.ok(
      offset >= 0 && length >= 0 && offset + length <= pack.byteLength,
      "asked for bytes outside of the pack",
    );
    return pack.slice(offset, offset + length);
  };

for (const [name, change] of Object.entries({
  "16-byte hashes": {},
  "32-byte hashes": { hash: "BLAKE3-256" },
  "28-byte hashes, ChaCha20": {
    hash: "HMAC-SHA3-224",
    encryption: "CHACHA20-POLY1305-HMAC-SHA256",
  },
  "error correction": { ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 5 },
  "index version 1": { indexVersion: 1 },
})) {
  test(`PackBuilder: contents and local index are found again: ${name}`, async () => {
    const { codec, builder, plains, entries } = fill(change);
    const { bytes, packId, index } = builder.finish();
    assert.equal(entries[0]!.packOffset, 32);
    entries.forEach((entry, i) => {
      const stored = bytes.subarray(entry.packOffset, entry.packOffset + entry.packedLength);
      assert.deepEqual(
        codec.decodeContent(stored, entry.contentId, 0, entry.originalLength),
        plains[i],
      );
    });
    const found = await readPackIndex(packId, rangeOf(bytes), bytes.byteLength, codec);
    assert.deepEqual([...found.entries()], entries.toSorted(byId));
    assert.deepEqual([...openIndex(index).entries()], entries.toSorted(byId));
    assert.equal(found.bytes.byteLength, index.byteLength + 32);
  });
}

test("PackBuilder: the local index begins on a page, behind 1 to 4096 bytes of padding", () => {
  for (let size = 4096 - 32 - 28 - 2; size <= 4096 - 32 - 28 + 1; size++) {
    const codec = codecOf();
    const builder = new PackBuilder({
      codec,
      packId: toBlobId("p1"),
      indexVersion: 2,
      random: new SeededRandom(size),
    });
    const plain = new Uint8Array(size);
    const contentId = contentIdOf("", codec.hash.hash(plain));
    builder.append(codec.encodeContent(plain, contentId, undefined).stored, {
      contentId,
      originalLength: size,
      timestampS: 1,
      formatVersion: 3,
      compressionId: 0,
    });
    const before = builder.lengthBytes;
    const { indexOffset } = decodePostamble(builder.finish().bytes);
    assert.equal(indexOffset % 4096, 0);
    assert.ok(indexOffset > before && indexOffset - before <= 4096);
  }
});

test("PackBuilder: the same pack in a shared buffer, contents written in place", async () => {
  const buffer = new Uint8Array(new SharedArrayBuffer(1 << 17));
  const shared = fill({}, { buffer }).builder.finish();
  assert.equal(shared.bytes.buffer, buffer.buffer);
  assert.deepEqual(Uint8Array.from(shared.bytes), fill({}).builder.finish().bytes.slice());

  const random = new SeededRandom(12);
  const codec = codecOf({}, random);
  const builder = new PackBuilder({
    codec,
    packId: toBlobId("p1"),
    indexVersion: 2,
    random,
    buffer,
  });
  const plain = utf8ToBytes("in place");
  const contentId = contentIdOf("", codec.hash.hash(plain));
  const room = builder.reserve(100);
  const stored = codec.encodeContent(plain, contentId, undefined).stored;
  room.set(stored);
  const entry = builder.commit(stored.byteLength, {
    contentId,
    originalLength: 8,
    timestampS: 5,
    formatVersion: 3,
    compressionId: 0,
  });
  const { bytes, packId } = builder.finish();
  assert.deepEqual(
    [...(await readPackIndex(packId, rangeOf(bytes), bytes.byteLength, codec)).entries()],
    [entry],
  );
});

test("PackBuilder: fits leaves room for the end, whatever was added", () => {
  for (const change of [
    {},
    { hash: "BLAKE3-256", ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 20 },
    { indexVersion: 1 },
  ]) {
    const random = new SeededRandom(13);
    const codec = codecOf(change, random);
    const buffer = new Uint8Array(60_000);
    const builder = new PackBuilder({
      codec,
      packId: newPackId("q", SESSION, random),
      indexVersion: codec.indexVersion,
      random,
      buffer,
    });
    for (let i = 0; ; i++) {
      const plain = random.bytes(i % 50);
      const contentId = contentIdOf("k", codec.hash.hash(plain));
      const { stored } = codec.encodeContent(plain, contentId, undefined);
      if (!builder.fits(stored.byteLength)) break;
      builder.append(stored, {
        contentId,
        originalLength: plain.byteLength,
        timestampS: i,
        formatVersion: 3,
        compressionId: 0,
      });
    }
    assert.ok(builder.contentCount > 20);
    assert.ok(builder.finish().bytes.byteLength <= buffer.byteLength);
  }
  const tiny = new PackBuilder({
    codec: codecOf(),
    packId: toBlobId("p1"),
    indexVersion: 2,
    random: new SeededRandom(1),
    buffer: new Uint8Array(64),
  });
  assert.throws(() => tiny.reserve(100), RangeError);
});

test("PackBuilder: a deletion is in the local index and keeps its old pack; the copy of the format blob goes first", async () => {
  const copy = formatBlobCopy(nodeCryptoEngine, utf8ToBytes("{}"));
  const { codec, builder, entries } = fill({}, { formatCopy: copy });
  assert.equal(entries[0]!.packOffset, copy.byteLength + 32);
  const deletion: IndexEntry = {
    ...entries[0]!,
    contentId: parseContentId("ff".repeat(16)),
    packId: toBlobId("pold"),
    deleted: true,
    timestampS: 9,
  };
  builder.record(deletion);
  assert.equal(builder.contentCount, 20);
  const { bytes, packId } = builder.finish();
  assert.deepEqual(bytes.subarray(0, copy.byteLength), copy);
  assert.deepEqual(
    [...(await readPackIndex(packId, rangeOf(bytes), bytes.byteLength, codec)).entries()],
    [...entries, deletion].toSorted(byId),
  );
});

test("readPackIndex: an index longer than the tail is read in a second call", async () => {
  const { codec, builder, entries } = fill({}, { contents: 400 });
  const { bytes, packId } = builder.finish();
  const calls: [number, number][] = [];
  const read = rangeOf(bytes);
  const index = await readPackIndex(
    packId,
    async (offset, length) => {
      calls.push([offset, length]);
      return await read(offset, length);
    },
    bytes.byteLength,
    codec,
  );
  assert.equal(index.count, entries.length);
  assert.equal(calls.length, 2);
  assert.deepEqual(calls[0], [bytes.byteLength - 8192, 8192]);
});

test("readPackIndex: damaged packs give SEJF_CORRUPT naming the pack, and never a read outside", async () => {
  const { codec, builder } = fill({}, { contents: 3 });
  const { bytes, packId } = builder.finish();
  const indexOffset = decodePostamble(bytes).indexOffset;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: indexOffset, max: bytes.byteLength - 1 }),
      fc.integer({ min: 1, max: 255 }),
      fc.nat(bytes.byteLength),
      async (at, flip, cut) => {
        const damaged = bytes.slice();
        damaged[at]! ^= flip;
        for (const pack of [damaged, bytes.subarray(0, Math.min(cut, bytes.byteLength - 1))]) {
          await assert.rejects(
            readPackIndex(packId, rangeOf(pack), pack.byteLength, codec),
            (error) => isSejfError(error, "SEJF_CORRUPT") && error.message.includes(packId),
          );
        }
      },
    ),
    { numRuns: numRuns(100) },
  );
  const forged = encodePostamble({ iv: new Uint8Array(16), indexOffset: 10, indexLength: 2 ** 50 });
  await assert.rejects(readPackIndex(packId, rangeOf(forged), forged.byteLength, codec), {
    code: "SEJF_CORRUPT",
  });
});
