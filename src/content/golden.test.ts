/** Repositories made by the reference client, opened as they lie: contents and active indexes as it lists them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openFilesystemStorage } from "../storage/filesystem/index.ts";
import { allContents, openGoldenContents } from "../testkit/direct-contents.ts";
import { goldenRepositories } from "../testkit/golden.ts";
import { SeededRandom } from "../testkit/random.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import type { ContentInfo } from "./index.ts";

interface ExpectedContent {
  readonly contentID: string;
  readonly packFile: string;
  readonly time: number;
  readonly originalLength: number;
  readonly length: number;
  readonly packOffset: number;
  readonly deleted: boolean;
  readonly formatVersion: number;
  readonly compression?: number;
}

function asExpected(info: ContentInfo): ExpectedContent {
  return {
    contentID: info.id,
    packFile: info.packId,
    time: info.timestampS,
    originalLength: info.originalLength,
    length: info.packedLength,
    packOffset: info.packOffset,
    deleted: info.deleted,
    formatVersion: info.formatVersion,
    ...(info.compressionId === 0 ? {} : { compression: info.compressionId }),
  };
}

for (const repository of goldenRepositories()) {
  test(`${repository.name}: every content, as the reference client lists it, can be read`, async () => {
    await using cache = await temporaryDirectory("cache");
    await using storage = await openFilesystemStorage(
      { path: repository.path },
      { random: new SeededRandom() },
    );
    for (const cacheDirectory of [undefined, cache.path, cache.path]) {
      await using contents = await openGoldenContents(repository, storage, {
        readOnly: true,
        cacheDirectory,
      });
      const listed = await allContents(contents, { includeDeleted: true });
      const expected = repository.expected["contents"] as readonly ExpectedContent[];
      const byId = expected.toSorted((a, b) => (a.contentID < b.contentID ? -1 : 1));
      assert.deepEqual(
        listed.map((info) => asExpected(info as ContentInfo)),
        byId,
      );
      const verified = await contents.verify({ includeDeleted: true, fullPercent: 100 });
      assert.deepEqual(verified.problems, []);
      assert.equal(verified.readInFull, expected.length);
      const indexes = repository.expected["indexes"] as
        | readonly { readonly id: string }[]
        | undefined;
      if (indexes === undefined) continue;
      const active = await contents.indexBlobs();
      assert.deepEqual(
        active.map((blob) => blob.id).toSorted(),
        indexes.map((blob) => blob.id).toSorted(),
      );
    }
  });
}
