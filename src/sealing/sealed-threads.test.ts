/** What passes between references and the pieces of threads, over threads that only remember what they were given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToBase64Url, single } from "../bytes/index.ts";
import type {
  ContentPiece,
  ContentRef,
  ContentRequest,
  FileResult,
  RestoreBatch,
  RestoreJob,
  RestoreResult,
  SealedBulk,
  VerifyResult,
} from "../format/index.ts";
import { parseReference } from "../sealed/index.ts";
import { SealedThreads } from "./sealed-threads.ts";

const ID = "ab".repeat(32);
const KEY = new Uint8Array(32).fill(200);
const KEY_TEXT = bytesToBase64Url(KEY);
const REF = `${ID}~${KEY_TEXT}` as ContentRef;
const WRITTEN: ContentPiece = {
  ref: ID as ContentRef,
  lengthBytes: 5,
  seal: { keyText: KEY_TEXT, sealedBytes: 27 },
};
const AFTER = { sizeBytes: 5, mode: 0, mtimeNs: 0n, uid: 0, gid: 0 };

class Threads implements SealedBulk {
  readonly given: ContentPiece[] = [];
  readonly asked: ContentRequest[] = [];

  async *writeFiles(
    _batches: unknown,
    options: Parameters<SealedBulk["writeFiles"]>[1] = {},
  ): AsyncGenerator<readonly FileResult[]> {
    options.onReading?.(1, () => [WRITTEN]);
    const file = { sizeBytes: 5, newBytes: 5, after: AFTER };
    yield [{ job: 1, ok: true, pieces: [WRITTEN], ...file }];
  }

  async *restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
  ): AsyncGenerator<readonly RestoreResult[]> {
    for await (const { files } of batches) {
      for (const { pieces } of files) this.given.push(...pieces);
      yield files.map(({ job, sizeBytes }) => ({ job, ok: true, sizeBytes }));
    }
  }

  async *verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
  ): AsyncGenerator<readonly VerifyResult[]> {
    for await (const page of requests) {
      this.asked.push(...page);
      yield page.map(({ job }) => ({ job, ok: true, originalLength: 5 }));
    }
  }
}

async function collected<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const page of pages) all.push(...page);
  return all;
}

test("writeFiles: pieces become references, also those so far, and lengths of ciphertext are told", async () => {
  const told: (readonly [string, number])[] = [];
  const sealed = new SealedThreads(new Threads(), (id, bytes) => told.push([id, bytes]));
  const early: ContentPiece[] = [];
  const results = await collected(
    sealed.writeFiles(single({ directory: "/", files: [] }), {
      onReading: (_, soFar) => early.push(...soFar()),
    }),
  );
  const pieces = results.flatMap((result) => (result.ok ? result.pieces : []));
  assert.deepEqual(pieces, [{ ref: REF, lengthBytes: 5 }]);
  assert.deepEqual(early, pieces);
  assert.deepEqual(parseReference(REF).key, KEY);
  assert.deepEqual(told[0], [ID, 27]);
});

function fileOf(job: number, ref: string): RestoreJob {
  return {
    job,
    name: `file-${job}`,
    pieces: [{ ref: ref as ContentRef, lengthBytes: 5 }],
    sizeBytes: 5,
    attributes: {},
    options: {
      overwrite: false,
      atomically: false,
      sparse: false,
      fsync: false,
      ignorePermissionErrors: false,
    },
  };
}

/** No key, a short one, one with bits that no encoder writes, an ID that is none. */
const WRONG = [ID, `${ID}~AAAA`, `${REF.slice(0, -1)}B`, `xyz~${KEY_TEXT}`];

test("restoreFiles: what is no reference fails with its file alone, and the error tells no key", async () => {
  const threads = new Threads();
  const sealed = new SealedThreads(threads, () => undefined);
  const files = [fileOf(0, REF), ...WRONG.map((ref, i) => fileOf(i + 1, ref)), fileOf(9, REF)];
  const results = await collected(sealed.restoreFiles(single({ directory: "/", files })));
  const piece = { ref: ID, lengthBytes: 5, seal: { keyText: KEY_TEXT } };
  assert.deepEqual(threads.given, [piece, piece]);
  const failed = results.flatMap((result) => (result.ok ? [] : [result]));
  assert.deepEqual(
    failed.map(({ job, code }) => [job, code]),
    WRONG.map((_, i) => [i + 1, "SEJF_INVALID_ID"]),
  );
  assert.equal(results.length, files.length);
  for (const { message } of failed) assert.ok(!message.includes(KEY_TEXT.slice(0, 20)), message);
});

test("verifyMany: the same", async () => {
  const threads = new Threads();
  const sealed = new SealedThreads(threads, () => undefined);
  const requests = [REF, ...WRONG].map((ref, job) => ({ job, ref: ref as ContentRef }));
  const results = await collected(sealed.verifyMany(single(requests)));
  assert.deepEqual(threads.asked, [{ job: 0, ref: ID, seal: { keyText: KEY_TEXT } }]);
  assert.deepEqual(
    results.map(({ ok }) => ok),
    [true, ...WRONG.map(() => false)],
  );
});
