/** The memory of zip archives with many entries, and that they are whole. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { createZipWriter } from "./archive-zip.ts";
import type { DirEntry } from "./types.ts";

/** More than 16 bits count. */
const ENTRIES = 66_000;
const ENTRY = { type: "f", mode: 0o644, sizeBytes: 5, mtimeNs: 0n, uid: 0, gid: 0 } as DirEntry;

test("a zip file of very many entries lists them all at its end", async () => {
  const zip = createZipWriter({ compress: true });
  let tail: Buffer = Buffer.alloc(0);
  let lengthBytes = 0;
  const reading = (async () => {
    for await (const bytes of zip.bytes) {
      lengthBytes += bytes.length;
      tail = Buffer.concat([tail, bytes]).subarray(-98);
    }
  })();
  for (let i = 0; i < ENTRIES; i++) await zip.file(`folder/${i}`, ENTRY, new Uint8Array(5));
  await zip.finish();
  await reading;
  assert.equal(tail.readUInt32LE(0), 0x06064b50, "the Zip64 end record");
  assert.equal(tail.readBigUInt64LE(32), BigInt(ENTRIES));
  const centralBytes = tail.readBigUInt64LE(40);
  assert.equal(tail.readBigUInt64LE(48) + centralBytes, BigInt(lengthBytes - 98));
});

// In a process of its own: the test runner keeps something of every promise.
const MEASURE = `
const { createZipWriter } = await import(process.argv[1]);
const zip = createZipWriter({ compress: true });
void (async () => { for await (const _ of zip.bytes); })();
const used = () => (gc(), process.memoryUsage().heapUsed + process.memoryUsage().external);
const before = used();
const entry = { type: "f", mode: 420, sizeBytes: 5, mtimeNs: 0n, uid: 0, gid: 0 };
for (let i = 0; i < ${ENTRIES}; i++) await zip.file("folder/" + i, entry, new Uint8Array(5));
void zip.finish();
console.log(used() - before);
`;

test("a zip file holds little of each entry, and its end is no flood of small pieces", () => {
  const module = new URL("./archive-zip.ts", import.meta.url).href;
  const args = ["--expose-gc", "--input-type=module", "--eval", MEASURE, module];
  const growthBytes = Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
  assert.ok(growthBytes < 2000 * ENTRIES, `${growthBytes} bytes for ${ENTRIES} entries`);
});
