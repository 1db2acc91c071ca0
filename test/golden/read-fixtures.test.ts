/**
 * Reads the repositories made by kopia with the format layer and plain file reads, nothing else: opens the format,
 * finds the active indexes, decrypts and hashes every content again, and compares with what kopia says about them.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type BlobId, type BlobMetadata, toBlobId } from "../../src/blob/index.ts";
import { bytesToHex, bytesToUtf8, systemRandom } from "../../src/bytes/index.ts";
import { portableCompressionEngine } from "../../src/compress/index.ts";
import { type CryptoEngine, portableCryptoEngine } from "../../src/crypto/index.ts";
import {
  type BlobCodec,
  blobKind,
  checkRequiredFeatures,
  createBlobCodec,
  compareEntries,
  contentIdToKey,
  decodeCompactionLog,
  decodeFormatBlob,
  decodeSessionMarker,
  deriveFormatKey,
  deriveKeys,
  FORMAT_COPY_SEARCH_BYTES,
  findFormatBlobCopy,
  IndexBuilder,
  type IndexEntry,
  isHiddenByWatermark,
  mergeIndexes,
  openBlobConfig,
  openFormat,
  openIndex,
  openMaintenanceSchedule,
  type PackedIndex,
  readPackIndex,
  resolveCompactionLogs,
  resolveEpochs,
  type RepositoryFormat,
} from "../../src/format/index.ts";
import { nodeCryptoEngine } from "../../src/node/index.ts";
import { goldenRepositories, type GoldenRepository } from "../../src/testkit/golden.ts";

interface ExpectedContent {
  readonly contentID: string;
  readonly packFile: string;
  readonly packOffset: number;
  readonly length: number;
  readonly originalLength: number;
  readonly time: number;
  readonly deleted: boolean;
  readonly formatVersion: number;
  readonly compression?: number;
}

/** A folder of a filesystem store: names are what the folders and the file spell together. */
class Folder {
  readonly #paths = new Map<BlobId, string>();

  constructor(root: string) {
    this.#walk(root, "");
  }

  #walk(folder: string, name: string): void {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) this.#walk(path, name + entry.name);
      else if (entry.name.endsWith(".f"))
        this.#paths.set(toBlobId(name + entry.name.slice(0, -2)), path);
    }
  }

  get(id: BlobId): Uint8Array {
    return Uint8Array.from(readFileSync(this.#paths.get(id)!));
  }

  get ids(): readonly BlobId[] {
    return [...this.#paths.keys()].toSorted();
  }

  list(prefix: string): readonly BlobMetadata[] {
    return this.ids
      .filter((id) => id.startsWith(prefix))
      .map((id) => ({ id, lengthBytes: this.get(id).byteLength, timestamp: 0n }));
  }
}

interface Opened {
  readonly folder: Folder;
  readonly format: RepositoryFormat;
  readonly formatKey: Uint8Array;
  readonly codec: BlobCodec;
  readonly engine: CryptoEngine;
}

/** The portable derivation is slow, and the same for every engine. */
const formatKeys = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

async function open(golden: GoldenRepository, engine: CryptoEngine): Promise<Opened> {
  const folder = new Folder(golden.path);
  const blob = decodeFormatBlob(folder.get(toBlobId("kopia.repository")));
  if (!formatKeys.has(golden.name))
    formatKeys.set(golden.name, deriveFormatKey(nodeCryptoEngine, blob, golden.password));
  const formatKey = await formatKeys.get(golden.name)!;
  const format = openFormat(engine, blob, formatKey);
  const codec = createBlobCodec(engine, portableCompressionEngine, format, systemRandom);
  return { folder, format, formatKey, codec, engine };
}

function activeIndexes({ folder, format, codec }: Opened): {
  readonly ids: readonly BlobId[];
  readonly watermarkS: number | undefined;
} {
  if (format.epochParameters.enabled) {
    const snapshot = resolveEpochs(folder.list("x"));
    const uncompacted = snapshot.uncompactedPrefixes().flatMap((prefix) => folder.list(prefix));
    return {
      ids: snapshot.activeFor(uncompacted).map(({ id }) => id),
      watermarkS: snapshot.deletionWatermarkS,
    };
  }
  const logs = folder
    .list("m")
    .map(({ id }) => decodeCompactionLog(codec.decryptBlob(id, folder.get(id))));
  return {
    ids: resolveCompactionLogs(folder.list("n"), logs).map(({ id }) => id),
    watermarkS: undefined,
  };
}

function expectedContents(golden: GoldenRepository): readonly IndexEntry[] {
  return (golden.expected["contents"] as readonly ExpectedContent[])
    .map((content) => ({
      contentId: content.contentID as IndexEntry["contentId"],
      packId: content.packFile as BlobId,
      packOffset: content.packOffset,
      packedLength: content.length,
      originalLength: content.originalLength,
      timestampS: content.time,
      deleted: content.deleted,
      formatVersion: content.formatVersion,
      compressionId: content.compression ?? 0,
    }))
    .toSorted((a, b) => (a.contentId < b.contentId ? -1 : 1));
}

const repositories = goldenRepositories();

test("there are eight repositories", () => {
  assert.equal(repositories.length, 8);
  assert.ok(
    repositories.filter(({ path }) => new Folder(path).list("kopia.maintenance").length > 0)
      .length >= 4,
  );
});

for (const golden of repositories) {
  for (const engine of [portableCryptoEngine, nodeCryptoEngine]) {
    test(`${golden.name}, ${engine.name} engine: every content is read and hashed again`, async () => {
      const opened = await open(golden, engine);
      const { folder, codec, format } = opened;
      assert.deepEqual(checkRequiredFeatures(format.requiredFeatures), []);
      const { ids, watermarkS } = activeIndexes(opened);
      if (golden.expected["indexes"] !== undefined) {
        const named = golden.expected["indexes"] as readonly (
          | string
          | { readonly id?: string; readonly blobID?: string }
        )[];
        const expectedIds = named.map((each) =>
          typeof each === "string" ? each : (each.id ?? each.blobID),
        );
        assert.deepEqual(ids.toSorted(), expectedIds.toSorted());
      }
      const merged = [
        ...mergeIndexes(ids.map((id) => openIndex(codec.decryptBlob(id, folder.get(id))))),
      ];
      const visible = merged.filter((entry) => !isHiddenByWatermark(entry, watermarkS));
      assert.deepEqual(visible, expectedContents(golden));
      const packs = new Map<BlobId, Uint8Array>();
      const present = new Set(folder.ids);
      let read = 0;
      for (const entry of visible) {
        // contents marked deleted may point into packs that were rewritten and removed
        if (entry.deleted && !present.has(entry.packId)) continue;
        if (!packs.has(entry.packId)) packs.set(entry.packId, folder.get(entry.packId));
        const stored = packs
          .get(entry.packId)!
          .subarray(entry.packOffset, entry.packOffset + entry.packedLength);
        const data = codec.decodeContent(
          stored,
          entry.contentId,
          entry.compressionId,
          entry.originalLength,
        );
        assert.equal(data.byteLength, entry.originalLength);
        read++;
      }
      assert.ok(read > 10, `only ${read} contents were read`);
    });
  }

  test(`${golden.name}: the local indexes of all packs give the merged index again`, async () => {
    const opened = await open(golden, nodeCryptoEngine);
    const { folder, codec } = opened;
    const { ids } = activeIndexes(opened);
    const builder = new IndexBuilder();
    for (const id of ids) builder.addAll(openIndex(codec.decryptBlob(id, folder.get(id))));
    const merged = openIndex(builder.build(opened.format.indexVersion));
    const local = await localIndexes(opened);
    const present = new Set(folder.ids);
    for (const entry of mergeIndexes(local)) {
      const best = merged.find(contentIdToKey(entry.contentId));
      if (best === undefined) continue; // forgotten by a compaction since
      assert.ok(
        compareEntries(best, entry) >= 0,
        `${entry.contentId}: the merged index is behind pack ${entry.packId}`,
      );
      if (compareEntries(best, entry) === 0) assert.deepEqual(entry, best);
    }
    const fromPacks = new IndexBuilder();
    for (const index of local) fromPacks.addAll(index);
    const rebuilt = openIndex(fromPacks.build(opened.format.indexVersion));
    for (const entry of merged.entries()) {
      if (entry.deleted || !present.has(entry.packId)) continue;
      assert.deepEqual(rebuilt.find(contentIdToKey(entry.contentId)), entry);
    }
  });

  test(`${golden.name}: everything else that is encrypted opens`, async () => {
    const { folder, format, formatKey, codec, engine } = await open(golden, nodeCryptoEngine);
    const blob = decodeFormatBlob(folder.get(toBlobId("kopia.repository")));
    const { uniqueIDHex, contentFormat } = golden.expected["repository"] as {
      readonly uniqueIDHex: string;
      readonly contentFormat: Readonly<Record<string, unknown>>;
    };
    assert.equal(bytesToHex(blob.uniqueId), uniqueIDHex);
    assert.equal(format.hash, contentFormat["hash"]);
    assert.equal(format.version, contentFormat["version"]);
    assert.equal(
      openBlobConfig(engine, blob, formatKey, folder.get(toBlobId("kopia.blobcfg"))).retentionMode,
      "",
    );
    const keys = deriveKeys(engine, blob, formatKey, format);
    let schedules = 0;
    for (const id of folder.ids) {
      const kind = blobKind(id);
      if (kind === "maintenance") {
        const schedule = openMaintenanceSchedule(engine, keys.maintenanceSchedule, folder.get(id));
        assert.match(bytesToUtf8(schedule), /^\{"nextFullMaintenance"/);
        schedules++;
      }
      if (kind === "log") assert.ok(codec.decryptBlob(id, folder.get(id)).byteLength > 0);
      if (kind === "session")
        assert.ok(decodeSessionMarker(codec.decryptBlob(id, folder.get(id))).id);
      assert.notEqual(kind, "unknown", id);
    }
    // some of the repositories were never maintained
    assert.equal(schedules, folder.list("kopia.maintenance").length);
    const copies = [...folder.list("p"), ...folder.list("q")].map(({ id }) => {
      const pack = folder.get(id);
      return findFormatBlobCopy(
        engine,
        pack.subarray(0, FORMAT_COPY_SEARCH_BYTES),
        pack.subarray(-FORMAT_COPY_SEARCH_BYTES),
      );
    });
    for (const copy of copies) {
      assert.equal(copy === undefined, format.enablePasswordChange);
      if (copy !== undefined) assert.deepEqual(decodeFormatBlob(copy).uniqueId, blob.uniqueId);
    }
  });
}

async function localIndexes({ folder, codec }: Opened): Promise<readonly PackedIndex[]> {
  const packs = [...folder.list("p"), ...folder.list("q")];
  return await Promise.all(
    packs.map(async ({ id }) => {
      const pack = folder.get(id);
      return await readPackIndex(
        id,
        async (offset, length) => pack.subarray(offset, offset + length),
        pack.byteLength,
        codec,
      );
    }),
  );
}
