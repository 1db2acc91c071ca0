/** Listings that are decoded in parts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8ToBytes } from "../bytes/index.ts";
import { type ObjectId, writeObject } from "../object/index.ts";
import { MemoryContents } from "../testkit/memory-contents.ts";
import { decodeDirectory, encodeDirectory } from "./directory.ts";
import { readDirectory } from "./read-directory.ts";
import { summaryOf } from "./summary-builder.ts";
import type { DirEntry } from "./types.ts";

const OBJECT = "0123456789abcdef0123456789abcdef" as ObjectId;
const FORMAT = { splitter: "FIXED-128K", indexVersion: 2 };
const ENTRIES: readonly DirEntry[] = Array.from({ length: 5000 }, (_, i) => ({
  name: `file "${i}" ]}`,
  type: "f",
  mode: 0o644,
  sizeBytes: i,
  mtimeNs: BigInt(i),
  uid: 0,
  gid: 0,
  object: OBJECT,
}));

async function stored(contents: MemoryContents, bytes: Uint8Array): Promise<ObjectId> {
  const { id } = await writeObject(contents, bytes, { format: FORMAT, prefix: "k" });
  assert.match(id, /^Ik/);
  return id;
}

test("readDirectory: in parts it is what it is as a whole", async () => {
  const contents = new MemoryContents();
  const unknown = { future: true };
  const bytes = encodeDirectory({ entries: ENTRIES, summary: summaryOf(ENTRIES, 0n), unknown });
  const object = await stored(contents, bytes);
  const whole = await readDirectory(contents, object);
  assert.deepEqual(whole, decodeDirectory(bytes));
  assert.deepEqual(await readDirectory(contents, object, {}, { wholeBytes: 0 }), whole);
});

test("readDirectory: too many entries are told as such, damage as damage", async () => {
  const contents = new MemoryContents();
  const text = new TextDecoder().decode(encodeDirectory({ entries: ENTRIES, summary: undefined }));
  const object = await stored(contents, utf8ToBytes(text));
  await assert.rejects(readDirectory(contents, object, {}, { wholeBytes: 0, maxEntries: 4999 }), {
    code: "SEJF_UNSUPPORTED",
    message: `directory ${object} has more than 4999 entries`,
  });
  const bad = [
    text.slice(0, -20),
    text.replace('"name":"file \\"4000\\" ]}"', '"name":"../x"'),
    text.replace("kopia:directory", "kopia:other"),
    `${text.slice(0, -1)},`,
  ];
  for (const one of bad) {
    const damaged = await stored(contents, utf8ToBytes(one));
    await assert.rejects(readDirectory(contents, damaged, {}, { wholeBytes: 0 }), {
      code: "SEJF_CORRUPT",
    });
  }
});
