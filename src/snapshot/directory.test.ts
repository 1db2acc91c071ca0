import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToUtf8, parseTimestamp, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { type ObjectId } from "../object/index.ts";
import { goldenRepositories, goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import { decodeDirectory, directoryChunks, encodeDirectory, sortEntries } from "./directory.ts";
import { entryText } from "./dir-entry.ts";
import { formatMode, parseMode } from "./mode.ts";
import { compareNames, isEntryName, nameOf, sortByName } from "./names.ts";
import { SummaryBuilder, summaryOf } from "./summary-builder.ts";
import type { DirEntry } from "./types.ts";

const OBJECT = "0123456789abcdef0123456789abcdef" as ObjectId;

interface GoldenEntry {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly mode?: string;
  readonly mtime: string;
  readonly uid: number;
  readonly gid: number;
  readonly obj: string;
  readonly sha256: string;
}

function file(name: string, values: Partial<DirEntry> = {}): DirEntry {
  return {
    name,
    type: "f",
    mode: 0o644,
    sizeBytes: 1,
    mtimeNs: 5n,
    uid: 0,
    gid: 0,
    object: OBJECT,
    ...values,
  };
}

test("directories of the vectors survive decoding and encoding byte for byte", () => {
  const vectors = goldenVectors<Record<string, { text: string }>>("upperLayers");
  for (const name of ["directory", "emptyDirectory"]) {
    const text = vectors[name]?.text ?? "";
    assert.equal(bytesToUtf8(encodeDirectory(decodeDirectory(utf8ToBytes(text)))), text);
  }
});

test("decodeDirectory: members that nobody knows survive decoding and encoding, wherever they are", () => {
  const text =
    `{"stream":"kopia:directory","entries":[` +
    `{"name":"d","type":"d","obj":"k${OBJECT}","summ":{"size":0,"files":0,"symlinks":0,"dirs":1,` +
    `"maxTime":"1970-01-01T00:00:00Z","numFailed":0,"blocks":[1,{"a":"\\u003c"}]}},` +
    `{"name":"a","type":"f","mode":"0644","size":1,"obj":"${OBJECT}","xattr":{"user.x":"AA=="},"btime":null,"__proto__":7}` +
    `],"summary":null,"future":"yes"}\n`;
  assert.equal(bytesToUtf8(encodeDirectory(decodeDirectory(utf8ToBytes(text)))), text);
});

test("all directories of the golden repositories, made from their entries alone, have the bytes that kopia wrote", () => {
  let count = 0;
  for (const { name, expected } of goldenRepositories()) {
    for (const snapshot of (expected["snapshots"] ?? []) as { entries?: GoldenEntry[] }[]) {
      const entries = snapshot.entries ?? [];
      for (const directory of entries.filter((entry) => entry.type === "d")) {
        const made = buildDirectory(entries, directory);
        assert.equal(
          createHash("sha256").update(made).digest("hex"),
          directory.sha256,
          `${name}: ${directory.path}`,
        );
        count++;
      }
    }
  }
  assert.ok(count >= 38, `${count} directories`);
});

function buildDirectory(all: readonly GoldenEntry[], directory: GoldenEntry): Uint8Array {
  const entries = childrenOf(all, directory);
  return encodeDirectory({ entries, summary: summaryOf(entries, parseTimestamp(directory.mtime)) });
}

function childrenOf(all: readonly GoldenEntry[], directory: GoldenEntry): DirEntry[] {
  const parent = directory.path === "." ? "" : `${directory.path}/`;
  const children = all.filter(
    (one) =>
      one.path !== "." &&
      one.path.startsWith(parent) &&
      !one.path.slice(parent.length).includes("/"),
  );
  return sortEntries(
    children.map((one) => {
      const entry = {
        name: one.path.slice(parent.length),
        type: one.type,
        mode: parseMode(one.mode),
        sizeBytes: one.type === "d" ? 0 : one.size,
        mtimeNs: parseTimestamp(one.mtime),
        uid: one.uid,
        gid: one.gid,
        object: one.obj as ObjectId,
      };
      return one.type === "d"
        ? { ...entry, summary: summaryOf(childrenOf(all, one), entry.mtimeNs) }
        : entry;
    }),
  );
}

test("entryText: zero values are left out, special characters escaped", () => {
  assert.equal(
    entryText(file("a", { mode: 0, sizeBytes: 0, mtimeNs: 0n })),
    `{"name":"a","type":"f","obj":"${OBJECT}"}`,
  );
  assert.equal(
    entryText(file("h<t>&\u2028\udcff", { mode: 0o4755, uid: 4294967295, gid: 2, mtimeNs: -1n })),
    `{"name":"h\\u003ct\\u003e\\u0026\\u2028\\ufffd","type":"f","mode":"040000755","size":1,"mtime":"1969-12-31T23:59:59.999999999Z","uid":4294967295,"gid":2,"obj":"${OBJECT}"}`,
  );
});

test("modes: special bits at Go's positions, both ways", () => {
  for (const [unix, text] of [
    [0o4755, "040000755"],
    [0o2775, "020000775"],
    [0o1777, "04000777"],
    [0o644, "0644"],
    [0, ""],
    [0o7777, "064000777"],
  ] as const) {
    assert.equal(formatMode(unix), text);
    assert.equal(parseMode(text), unix);
  }
  assert.equal(parseMode("0x1ed"), 0o755);
  for (const bad of ["755x", "08", 5, "-1", "0x", "rwx"])
    assert.throws(() => parseMode(bad), { code: "SEJF_CORRUPT" }, String(bad));
});

test("names are ordered by their UTF-8 bytes, directories first", () => {
  const names = ["\u{1f388}", "\uffff", "\ue000", "z", "Z", "ä", "a", "\udc80", "\udcff", "ab"];
  const sorted = sortByName(names.map((name) => ({ name }))).map(({ name }) => name);
  assert.deepEqual(sorted, [
    "Z",
    "a",
    "ab",
    "z",
    "\udc80",
    "ä",
    "\ue000",
    "\uffff",
    "\u{1f388}",
    "\udcff",
  ]);
  const entries = sortEntries([file("a"), file("z", { type: "d" }), file("b", { type: "s" })]);
  assert.deepEqual(
    entries.map((entry) => entry.name),
    ["z", "a", "b"],
  );
});

test("compareNames orders as Buffer.compare does", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(
      text,
      text,
      (a, b) => Math.sign(compareNames(a, b)) === Buffer.compare(Buffer.from(a), Buffer.from(b)),
    ),
    { numRuns: numRuns() },
  );
  fc.assert(
    fc.property(fc.array(text), (names) => {
      const sorted = sortByName(names.map((name) => ({ name }))).map(({ name }) => name);
      assert.deepEqual(
        sorted,
        names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      );
    }),
    { numRuns: numRuns() },
  );
});

test("nameOf: one lone surrogate for each byte that is not UTF-8", () => {
  assert.equal(
    nameOf(Uint8Array.of(0x61, 0xe2, 0x82, 0x41, 0xff, 0xc3, 0xa4)),
    "a\udce2\udc82A\udcffä",
  );
  assert.equal(nameOf(Uint8Array.of(0xf0, 0x9f, 0x8e, 0x88, 0xf0, 0x9f)), "\u{1f388}\udcf0\udc9f");
  assert.equal(nameOf("plain"), "plain");
});

test("decodeDirectory: refuses names that no directory can hold and fields of the wrong type", () => {
  const bad = [
    `"name":"a/b"`,
    `"name":".."`,
    `"name":"."`,
    `"name":""`,
    `"name":"a\\u0000"`,
    `"type":"f"`,
    `"name":"a","size":-1`,
    `"name":"a","size":"1"`,
    `"name":"a","size":9007199254740993`,
    `"name":"a","mtime":"yesterday"`,
    `"name":"a","uid":4294967296`,
    `"name":"a","mode":"9x"`,
    `"name":5`,
  ];
  for (const fields of bad) {
    const text = `{"stream":"kopia:directory","entries":[{${fields},"obj":"${OBJECT}"}]}`;
    assert.throws(() => decodeDirectory(utf8ToBytes(text)), { code: "SEJF_CORRUPT" }, fields);
  }
  assert.throws(
    () => decodeDirectory(utf8ToBytes(`{"stream":"kopia:directory","entries":[{"name":"a"}]}`)),
    { code: "SEJF_CORRUPT" },
  );
  assert.throws(() => decodeDirectory(utf8ToBytes(`{"stream":"kopia:indirect","entries":[]}`)), {
    code: "SEJF_CORRUPT",
  });
});

test("decodeDirectory: any bytes give a directory or SEJF_CORRUPT", () => {
  const valid = encodeDirectory({
    entries: [file("sub", { type: "d", summary: summaryOf([], 7n) }), file("x")],
    summary: summaryOf([], 7n),
  });
  const mutated = fc
    .tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }))
    .map(([at, byte]) => valid.with(at, byte));
  const shaped = fc
    .record({
      stream: fc.constant("kopia:directory"),
      entries: fc.array(
        fc.dictionary(
          fc.constantFrom("name", "type", "mode", "size", "mtime", "obj", "summ"),
          fc.jsonValue(),
        ),
      ),
    })
    .map((value) => utf8ToBytes(JSON.stringify(value)));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated, shaped), (bytes) => {
      try {
        assert.ok(
          decodeDirectory(bytes).entries.every(
            (entry) => isEntryName(entry.name) && entry.sizeBytes >= 0,
          ),
        );
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
      }
    }),
    { numRuns: numRuns(200) },
  );
});

test("decoding undoes encoding, whatever the size of the pieces", () => {
  const entry = fc
    .record({
      name: fc.string({ unit: "grapheme", minLength: 1 }).filter(isEntryName),
      type: fc.constantFrom("f", "s"),
      mode: fc.nat(0o7777),
      sizeBytes: fc.maxSafeNat(),
      mtimeNs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
      uid: fc.nat(),
      gid: fc.nat(),
      object: fc.constant(OBJECT),
    })
    .map((value) => ({ ...value }));
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const sorted = sortEntries(entries);
      assert.deepEqual(
        decodeDirectory(encodeDirectory({ entries: sorted, summary: undefined })).entries,
        sorted,
      );
    }),
    { numRuns: numRuns() },
  );
  const many = Array.from({ length: 20_000 }, (_, i) => file(`file ${i}`));
  assert.ok([...directoryChunks({ entries: many, summary: undefined })].length > 1);
  assert.deepEqual(
    decodeDirectory(encodeDirectory({ entries: many, summary: undefined })).entries,
    many,
  );
});

test("SummaryBuilder: adds up children, keeps all errors sorted, and times from before 1970 do not count", () => {
  const below = new SummaryBuilder();
  for (let i = 11; i >= 0; i--)
    below.addFailure(`sub/${String(i).padStart(2, "0")}`, "no", i === 0);
  const child = below.build(50n, "canceled");
  assert.equal(child.maxTimeNs, 50n);
  assert.equal(child.incomplete, "canceled");
  const top = new SummaryBuilder();
  top.addFailure("a", "gone", false);
  top.add(file("sub", { type: "d", mtimeNs: 9n, summary: child }));
  top.add(file("x", { mtimeNs: -100n, sizeBytes: 7 }));
  const summary = top.build(1n);
  assert.deepEqual(
    { ...summary, errors: summary.errors.length },
    {
      sizeBytes: 7,
      files: 1,
      symlinks: 0,
      directories: 2,
      maxTimeNs: 50n,
      failed: 12,
      ignoredErrors: 1,
      errors: 13,
    },
  );
  assert.deepEqual(
    summary.errors.slice(0, 2).map((error) => error.path),
    ["a", "sub/00"],
  );
  const old = new SummaryBuilder();
  old.add(file("x", { mtimeNs: -100n }));
  assert.equal(old.build(3n).maxTimeNs, 0n);
});
