/** What every BlobStorage promises, as tests: run it for each back end and each wrapper. `open` gives an empty store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BlobId,
  type BlobMetadata,
  type BlobStorage,
  listAllBlobs,
  toBlobId,
} from "../blob/index.ts";
import { concatBytes, equalBytes } from "../bytes/index.ts";
import { SeededRandom } from "./random.ts";

export interface ContractOptions {
  /** False leaves out the tests with much data or many blobs, where another run of the same store has them. */
  readonly large?: boolean | undefined;
}

/** Names on both sides of every cut that the usual layouts make. */
const EDGE_IDS: readonly string[] = [
  "a",
  "xe0",
  "kopia.repository",
  "a2345678901234567890", // 20 characters: the longest that is not sharded
  "a23456789012345678901", // 21
  "p23456789012345678901",
  "p2345678901234567890123456789012-s0e9099296a9b76fa147",
  "xn12_2b9a5ef678f52bab62ea218a1f0d7632-s66b89478e922280c147-c1",
  "_log_20261123165917_e17d_1795453157_1795453157_1_7dcc20be9370f8ab371e8c74855e40ae",
  "A.B-C_d.e-f_0.1-2_3.4-5_6",
  `z${"0".repeat(199)}`,
];

/** Registers the tests of one kind of store under its name. */
export function blobStorageContract(
  name: string,
  open: () => Promise<BlobStorage>,
  options: ContractOptions = {},
): void {
  const claim = (what: string, body: (storage: BlobStorage) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      await using storage = await open();
      await body(storage);
    });
  };
  presence(claim);
  contents(claim);
  ranges(claim);
  listings(claim);
  if (options.large !== false) large(claim);
  concurrency(claim);
  aborts(claim);
}

type Claim = (what: string, body: (storage: BlobStorage) => Promise<void>) => void;

function presence(claim: Claim): void {
  claim("an absent blob is SEJF_BLOB_NOT_FOUND to get and undefined to stat", async (storage) => {
    await assert.rejects(storage.get(id("absent")), { code: "SEJF_BLOB_NOT_FOUND" });
    await assert.rejects(storage.get(id("absent"), { range: { offset: 0, length: 1 } }), {
      code: "SEJF_BLOB_NOT_FOUND",
    });
    assert.equal(await storage.stat(id("absent")), undefined);
  });
  claim("deleting an absent blob succeeds, a deleted one is absent", async (storage) => {
    await storage.delete(id("absent"));
    await storage.put(id("p1"), bytes(3));
    await storage.delete(id("p1"));
    assert.equal(await storage.stat(id("p1")), undefined);
    await assert.rejects(storage.get(id("p1")), { code: "SEJF_BLOB_NOT_FOUND" });
    assert.deepEqual(await ids(storage, ""), []);
  });
  claim("put, stat and list agree on length and time", async (storage) => {
    const put = await storage.put(id("p1"), bytes(1234));
    assert.equal(put.id, "p1");
    assert.equal(put.lengthBytes, 1234);
    assert.equal(typeof put.timestamp, "bigint");
    assert.deepEqual(await storage.stat(id("p1")), put);
    assert.deepEqual(await listAllBlobs(storage, "p1"), [put]);
  });
  claim("a blob is replaced as a whole", async (storage) => {
    await storage.put(id("p1"), bytes(1000, 1));
    await storage.put(id("p1"), bytes(10, 2));
    assert.deepEqual(await storage.get(id("p1")), bytes(10, 2));
    assert.equal((await storage.stat(id("p1")))?.lengthBytes, 10);
    assert.deepEqual(await ids(storage, ""), ["p1"]);
  });
  claim("ifAbsent creates once and never replaces", async (storage) => {
    await storage.put(id("p1"), bytes(5, 1), { ifAbsent: true });
    await assert.rejects(storage.put(id("p1"), bytes(6, 2), { ifAbsent: true }), {
      code: "SEJF_ALREADY_EXISTS",
    });
    assert.deepEqual(await storage.get(id("p1")), bytes(5, 1));
    assert.deepEqual(await ids(storage, ""), ["p1"]);
  });
  claim("times are set where the store says that it can", async (storage) => {
    const timestamp = 1_700_000_000_000_000_000n;
    const put = storage.put(id("p1"), bytes(5), { timestamp });
    if (!storage.capabilities.setTime) {
      await assert.rejects(put, { code: "SEJF_UNSUPPORTED" });
      return;
    }
    assert.equal((await put).timestamp, timestamp);
    assert.equal((await storage.stat(id("p1")))?.timestamp, timestamp);
  });
  claim("retention is refused where there is no object lock", async (storage) => {
    if (storage.capabilities.objectLock) return;
    const retention = { mode: "GOVERNANCE", periodNs: 1n } as const;
    await assert.rejects(storage.put(id("p1"), bytes(5), { retention }), {
      code: "SEJF_UNSUPPORTED",
    });
    assert.equal(await storage.stat(id("p1")), undefined);
  });
}

function contents(claim: Claim): void {
  claim("a blob may be empty", async (storage) => {
    await storage.put(id("p1"), new Uint8Array(0));
    await storage.put(id("p2"), []);
    await storage.put(id("p3"), [new Uint8Array(0), new Uint8Array(0)]);
    for (const name of ["p1", "p2", "p3"]) {
      assert.deepEqual(await storage.get(id(name)), new Uint8Array(0));
      assert.equal((await storage.stat(id(name)))?.lengthBytes, 0);
      assert.deepEqual(
        await storage.get(id(name), { range: { offset: 0, length: 0 } }),
        new Uint8Array(0),
      );
    }
  });
  claim(
    "parts may be views of shared memory, and memory is the caller's again afterwards",
    async (storage) => {
      const shared = new Uint8Array(new SharedArrayBuffer(4096));
      shared.set(bytes(4096, 3));
      const expected = concatBytes(
        shared.subarray(100, 200),
        bytes(50, 4),
        shared.subarray(1000, 1001),
      );
      await storage.put(id("p1"), [
        shared.subarray(100, 200),
        bytes(50, 4),
        shared.subarray(1000, 1001),
      ]);
      shared.fill(0);
      const read = await storage.get(id("p1"));
      assert.deepEqual(read, expected);
      assert.ok(read.buffer instanceof ArrayBuffer);
      read.fill(9);
      assert.deepEqual(await storage.get(id("p1")), expected);
    },
  );
}

function ranges(claim: Claim): void {
  claim("every range inside of a blob is read exactly", async (storage) => {
    const whole = bytes(1000, 5);
    await storage.put(id("p1"), whole);
    for (const [offset, length] of [
      [0, 1000],
      [0, 1],
      [999, 1],
      [1, 998],
      [500, 0],
      [1000, 0],
    ] as const) {
      assert.deepEqual(
        await storage.get(id("p1"), { range: { offset, length } }),
        whole.slice(offset, offset + length),
      );
    }
  });
  claim("reading past the end is SEJF_RANGE, not a short read", async (storage) => {
    await storage.put(id("p1"), bytes(4));
    for (const range of [
      { offset: 3, length: 2 },
      { offset: 5, length: 0 },
      { offset: 0, length: 5 },
      { offset: 99, length: 1 },
    ]) {
      await assert.rejects(storage.get(id("p1"), { range }), { code: "SEJF_RANGE" });
    }
  });
  claim("what is no range is wrong use", async (storage) => {
    await storage.put(id("p1"), bytes(4));
    for (const range of [
      { offset: -1, length: 1 },
      { offset: 0, length: -1 },
      { offset: 0.5, length: 1 },
      { offset: 0, length: Number.NaN },
    ]) {
      await assert.rejects(storage.get(id("p1"), { range }), RangeError);
    }
  });
}

function listings(claim: Claim): void {
  claim(
    "names at the edges of the layout keep apart and are listed by any prefix",
    async (storage) => {
      for (const [n, name] of EDGE_IDS.entries()) await storage.put(id(name), bytes(n, n));
      assert.deepEqual(await ids(storage, ""), EDGE_IDS.toSorted());
      for (const [n, name] of EDGE_IDS.entries())
        assert.deepEqual(await storage.get(id(name)), bytes(n, n));
      const prefixes = new Set(
        EDGE_IDS.flatMap((name) =>
          Array.from({ length: name.length }, (_, n) => name.slice(0, n + 1)),
        ),
      );
      for (const prefix of prefixes) {
        assert.deepEqual(
          await ids(storage, prefix),
          EDGE_IDS.filter((name) => name.startsWith(prefix)).toSorted(),
        );
      }
      assert.deepEqual(await ids(storage, "nothing"), []);
      assert.deepEqual(await ids(storage, "a23456789012345678901x"), []);
    },
  );
  claim(
    "a listing under writes and deletes has every blob that was there all the time",
    async (storage) => {
      const stable = Array.from({ length: 100 }, (_, n) => `p${n}-${"stable-".repeat(4)}`);
      for (const name of stable) await storage.put(id(name), bytes(1));
      let stop = false;
      const churn = (async () => {
        for (let n = 0; !stop; n = (n + 1) % 20) {
          await storage.put(id(`p${n}-${"churning-".repeat(4)}`), bytes(n));
          await storage.delete(id(`p${(n + 10) % 20}-${"churning-".repeat(4)}`));
        }
      })();
      try {
        for (let round = 0; round < 5; round++) {
          const listed = new Set(await ids(storage, "p"));
          assert.deepEqual(
            stable.filter((name) => !listed.has(name)),
            [],
          );
        }
      } finally {
        stop = true;
        await churn;
      }
    },
  );
}

function large(claim: Claim): void {
  claim("20 MiB in thousands of parts come back the same", async (storage) => {
    const whole = bytes(20 * 1024 * 1024, 7);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += 5003) parts.push(whole.subarray(at, at + 5003));
    await storage.put(id("p1"), parts);
    assert.ok(equalBytes(await storage.get(id("p1")), whole));
  });
  claim("more blobs than a page holds are listed once each", async (storage) => {
    const names = Array.from({ length: 1100 }, (_, n) => `s${String(n).padStart(6, "0")}`);
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(
        names.slice(at, at + 50).map((name) => storage.put(id(name), new Uint8Array(0))),
      );
    }
    assert.deepEqual(await ids(storage, "s"), names);
  });
}

function concurrency(claim: Claim): void {
  claim("concurrent puts of one blob leave one of them whole", async (storage) => {
    const writers = Array.from({ length: 8 }, (_, n) => bytes(50_000 + n, n));
    await storage.put(id("p1"), writers[0] as Uint8Array);
    let done = false;
    const reader = (async () => {
      while (!done) {
        const read = await storage.get(id("p1"));
        assert.ok(
          writers.some((data) => equalBytes(data, read)),
          `a torn blob of ${read.byteLength} bytes was read`,
        );
      }
    })();
    try {
      await Promise.all(writers.map((data) => storage.put(id("p1"), data)));
    } finally {
      done = true;
    }
    await reader;
    assert.deepEqual(await ids(storage, ""), ["p1"]);
  });
  claim("of concurrent puts with ifAbsent exactly one succeeds", async (storage) => {
    const puts = Array.from({ length: 8 }, (_, n) =>
      storage.put(id("p1"), bytes(1000 + n, n), { ifAbsent: true }),
    );
    const results = await Promise.allSettled(puts);
    const winners = results.flatMap((result, n) => (result.status === "fulfilled" ? [n] : []));
    assert.equal(winners.length, 1);
    const winner = winners[0] ?? -1;
    assert.deepEqual(await storage.get(id("p1")), bytes(1000 + winner, winner));
  });
  claim("a put that has resolved is seen at once", async (storage) => {
    await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const name = `q${n}-${"0".repeat(30)}`;
        await storage.put(id(name), bytes(n));
        assert.equal((await storage.stat(id(name)))?.lengthBytes, n);
        assert.deepEqual(await ids(storage, name), [name]);
      }),
    );
  });
}

function aborts(claim: Claim): void {
  claim("an aborted call fails with the signal's reason and leaves nothing", async (storage) => {
    const reason = new Error("stopped by the test");
    const { signal } = abortedBy(reason);
    await storage.put(id("p1"), bytes(10));
    const same = (error: unknown): boolean => error === reason;
    await assert.rejects(storage.get(id("p1"), { signal }), same);
    await assert.rejects(storage.stat(id("p1"), { signal }), same);
    await assert.rejects(storage.put(id("p2"), bytes(10), { signal }), same);
    await assert.rejects(storage.delete(id("p1"), { signal }), same);
    await assert.rejects(listAllBlobs(storage, "", { signal }), same);
    assert.deepEqual(await ids(storage, ""), ["p1"]);
  });
  claim("a put aborted while it runs is whole or absent", async (storage) => {
    for (let n = 0; n < 10; n++) {
      const controller = new AbortController();
      const put = storage.put(id("p1"), bytes(300_000, n), { signal: controller.signal });
      for (let tick = 0; tick < n; tick++) await new Promise(setImmediate);
      controller.abort(new Error("stopped by the test"));
      await put.catch(() => undefined);
      const found = await storage.stat(id("p1"));
      assert.ok(found === undefined || found.lengthBytes === 300_000);
    }
  });
}

function abortedBy(reason: Error): AbortController {
  const controller = new AbortController();
  controller.abort(reason);
  return controller;
}

function id(text: string): BlobId {
  return toBlobId(text);
}

function bytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  return new SeededRandom(seed).bytes(length);
}

async function ids(storage: BlobStorage, prefix: string): Promise<string[]> {
  return (await listAllBlobs(storage, prefix))
    .map((blob: BlobMetadata) => blob.id as string)
    .toSorted();
}
