import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import type { ContentId } from "../../format/index.ts";
import { ContentsTreeBuilder } from "../../sealed/index.ts";
import { numRuns } from "../../testkit/property.ts";
import { isOuterPart } from "../sessions/outer-part.ts";
import { decodeContentsDirectory, decodeOuterRoot } from "./outer-shape.ts";

const EPOCH = "1970-01-01T00:00:00Z";
const SUMMARY = { size: 1, files: 1, symlinks: 0, dirs: 1, maxTime: EPOCH, numFailed: 0 };
const ID = "0a".repeat(32);

function rootText(): string {
  const entry = (name: string, obj: string): object => ({
    name,
    type: "f",
    mode: "0600",
    size: 3,
    mtime: EPOCH,
    obj,
  });
  return JSON.stringify({
    stream: "kopia:directory",
    entries: [
      { name: "contents", type: "d", mode: "0700", mtime: EPOCH, obj: `k${ID}`, summ: SUMMARY },
      entry("head.json", ID),
      entry("snapshot.age", ID),
    ],
    summary: SUMMARY,
  });
}

test("decodeOuterRoot: the three entries, and nothing else", () => {
  const root = decodeOuterRoot(utf8ToBytes(rootText()));
  assert.deepEqual(root, { body: ID, head: ID, contents: `k${ID}` });
});

test("decodeContentsDirectory: what the builder writes, leaves and levels above", async () => {
  const stored = new Map<string, Uint8Array>();
  let count = 0;
  const builder = new ContentsTreeBuilder(async (bytes) => {
    const id = `k${(count++).toString(16).padStart(64, "0")}`;
    stored.set(id, bytes);
    return await Promise.resolve(id as ContentId);
  });
  for (let index = 0; index < 3000; index++) {
    const id = `${index % 3 === 0 ? "k" : ""}a${index.toString(16).padStart(63, "0")}`;
    await builder.add({ id: id as ContentId, sizeBytes: index });
  }
  const top = await builder.finish();
  let files = 0;
  const walk = (id: string): void => {
    const directory = decodeContentsDirectory(stored.get(id) ?? new Uint8Array());
    files += directory.files.length;
    for (const child of directory.directories) walk(child);
  };
  walk(top.id);
  assert.equal(files, 3000);
});

test("both decoders: any bytes and any mutation of a right one give a value or SEJF_INVALID_ARGUMENT", () => {
  const right = rootText();
  const mutated = fc
    .tuple(fc.nat(right.length - 1), fc.nat(8), fc.string({ maxLength: 8 }))
    .map(([at, length, text]) => utf8ToBytes(right.slice(0, at) + text + right.slice(at + length)));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
      for (const decode of [decodeOuterRoot, decodeContentsDirectory]) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(isSejfError(error, "SEJF_INVALID_ARGUMENT"), String(error));
        }
      }
    }),
    { numRuns: numRuns() },
  );
});

test("decodeContentsDirectory: entries out of order, twice, of both kinds, or with more to say are refused", () => {
  const file = (name: string): object => ({ name, type: "f", mode: "0600", size: 1, obj: name });
  const directory = (name: string): object => ({
    name,
    type: "d",
    mode: "0700",
    obj: name,
    summ: SUMMARY,
  });
  const listing = (...entries: object[]): Uint8Array =>
    utf8ToBytes(JSON.stringify({ stream: "kopia:directory", entries, summary: SUMMARY }));
  const [a, b] = ["0a".repeat(32), "0b".repeat(32)] as const;
  assert.equal(decodeContentsDirectory(listing(file(a), file(b))).files.length, 2);
  for (const entries of [
    [file(b), file(a)],
    [file(a), file(a)],
    [file(a), directory(`k${a}`)],
    [{ ...file(a), permissions: "secret" }],
    [{ ...file(a), obj: b }],
    [{ ...file(a), type: "s" }],
    [file(`m${a}`)],
    [file(`I${a}`)],
    [directory(a)],
    [{ ...directory(`k${a}`), summ: { ...SUMMARY, maxTime: "2026-01-01T00:00:00Z" } }],
  ])
    assert.throws(() => decodeContentsDirectory(listing(...entries)), {
      code: "SEJF_INVALID_ARGUMENT",
    });
});

test("isOuterPart: plain parts by how they begin, ciphertexts never", () => {
  const of = (id: string, text: string): boolean => isOuterPart(id as ContentId, utf8ToBytes(text));
  assert.ok(of(`k${ID}`, '{"stream":"kopia:directory","entries":[]'));
  assert.ok(of(ID, '{"payload":"e30","sig":""}'));
  assert.ok(of(ID, "age-encryption.org/v1\n-> x"));
  for (const [id, text] of [
    [ID, '{"stream":"kopia:directory","entries":[]'],
    [`k${ID}`, '{"payload":"e30"'],
    [`x${ID}`, "age-encryption.org/v1\n"],
    [ID, "age-encryption.org/v"],
    [ID, ""],
  ] as const)
    assert.equal(of(id, text), false, text);
});
