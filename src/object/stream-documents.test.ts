import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { collect, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { decodeSeekTable, encodeSeekTable, type ObjectId } from "./index.ts";
import { decodeDirectory, type DirEntry, encodeDirectory, summaryOf } from "../snapshot/index.ts";
import { numRuns } from "../testkit/property.ts";
import { streamDocuments } from "./stream-documents.ts";

const HASH = "0123456789abcdef0123456789abcdef" as ObjectId;

const entries = fc
  .array(
    fc.record({
      name: fc
        .string({ minLength: 1, unit: "binary" })
        .filter((name) => !/[/\0]|^\.{1,2}$/u.test(name)),
      sizeBytes: fc.nat(),
    }),
  )
  .map((items) =>
    items.map(
      ({ name, sizeBytes }): DirEntry => ({
        name,
        type: "f",
        mode: 0o644,
        sizeBytes,
        mtimeNs: 5n,
        uid: 0,
        gid: 0,
        object: HASH,
      }),
    ),
  );

async function* chunked(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const end = at + (lengths[i % lengths.length] ?? 1);
    yield bytes.subarray(at, end);
    at = end;
  }
}

const chunkLengths = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 });

test("streamDocuments: a directory in parts has the same entries and summary, however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(entries, chunkLengths, async (list, lengths) => {
      fc.pre(list.length > 0);
      const bytes = encodeDirectory({ entries: list, summary: summaryOf(list, 7n) });
      const documents = await collect(streamDocuments("directory", chunked(bytes, lengths)));
      const parts = documents.map(decodeDirectory);
      const whole = decodeDirectory(bytes);
      assert.deepEqual(
        parts.flatMap((part) => part.entries),
        whole.entries,
      );
      assert.deepEqual(parts.at(-1)?.summary, whole.summary);
    }),
    { numRuns: numRuns() },
  );
});

test("streamDocuments: a seek table in parts has the same rows", async () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({
    startBytes: 3 * i,
    lengthBytes: 3,
    object: HASH,
  }));
  const found = [];
  let end: number | undefined;
  for await (const document of streamDocuments("indirect", chunked(encodeSeekTable(rows), [90]))) {
    const part = decodeSeekTable(document, end);
    end = 3 * (found.length + part.length);
    found.push(...part);
  }
  assert.deepEqual(found, rows);
});

test("streamDocuments: whatever is damaged, a reader gets what the decoder would have given, or SEJF_CORRUPT", async () => {
  await fc.assert(
    fc.asyncProperty(
      entries,
      chunkLengths,
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      fc.nat({ max: 3 }),
      async (list, lengths, position, value, kind) => {
        const good = encodeDirectory({ entries: list, summary: summaryOf(list, 7n) });
        const at = position % good.length;
        const bad =
          kind === 0
            ? good.map((byte, i) => (i === at ? value : byte))
            : kind === 1
              ? good.slice(0, at)
              : kind === 2
                ? utf8ToBytes(`${new TextDecoder().decode(good).slice(0, -1)}${"]},"[value % 3]}`)
                : Uint8Array.from([...good.subarray(0, at), value, ...good.subarray(at)]);
        let parts: DirEntry[];
        try {
          const documents = await collect(streamDocuments("directory", chunked(bad, lengths)));
          parts = documents.flatMap((document) => [...decodeDirectory(document).entries]);
        } catch (error) {
          assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
          return;
        }
        assert.deepEqual(parts, decodeDirectory(bad).entries);
      },
    ),
    { numRuns: numRuns(200) },
  );
});

test("streamDocuments: an entry without end is not waited for", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield utf8ToBytes('{"stream":"kopia:directory","entries":[{"name":"');
    for (;;) yield new Uint8Array(1 << 20).fill(97);
  }
  await assert.rejects(collect(streamDocuments("directory", endless())), { code: "SEJF_CORRUPT" });
});
