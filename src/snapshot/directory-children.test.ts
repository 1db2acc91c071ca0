/** That `decodeChildren` is `decodeDirectory` with less work: the same listings, the same types and objects. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8ToBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import type { ObjectId } from "../object/index.ts";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import { decodeChildren, decodeDirectory, encodeDirectory } from "./directory.ts";
import { isEntryName } from "./names.ts";
import { plainChildren } from "./plain-listing.ts";
import { SummaryBuilder, summaryOf } from "./summary-builder.ts";
import type { DirEntry, DirectorySummary } from "./types.ts";

const HEX = "0123456789abcdef0123456789abcdef";
const HEAD = '{"stream":"kopia:directory","entries":[';
const FILE = `{"name":"a","type":"f","mode":"0644","size":1,"mtime":"2026-01-02T03:04:05.5Z","uid":1,"gid":2,"obj":"${HEX}"}`;
const SUMMARY =
  '{"size":1,"files":1,"symlinks":0,"dirs":1,"maxTime":"2026-01-02T03:04:05Z","numFailed":0}';
const TAIL = `],"summary":${SUMMARY}}\n`;

type Outcome = readonly Pick<DirEntry, "type" | "object">[] | string;

function outcome(decode: () => Outcome): Outcome {
  try {
    return decode();
  } catch (error) {
    assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
    return error.message;
  }
}

/** Gives whether it is a directory. */
function assertSame(bytes: Uint8Array): boolean {
  const all = outcome(() =>
    decodeDirectory(bytes).entries.map(({ type, object }) => ({ type, object })),
  );
  const light = outcome(() => decodeChildren(bytes).map(({ type, object }) => ({ type, object })));
  assert.deepEqual(light, all, new TextDecoder().decode(bytes));
  return typeof all !== "string";
}

function isSame(text: string): boolean {
  return assertSame(utf8ToBytes(text));
}

const summaries: fc.Arbitrary<DirectorySummary> = fc
  .record({
    time: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
    failures: fc.array(fc.string({ unit: "grapheme" }), { maxLength: 1 }),
    incomplete: fc.constantFrom("", "canceled"),
  })
  .map(({ time, failures, incomplete }) => {
    const builder = new SummaryBuilder();
    for (const path of failures) builder.addFailure(path, "no", false);
    return builder.build(time, incomplete);
  });

const entries: fc.Arbitrary<DirEntry> = fc
  .record({
    name: fc
      .oneof(
        fc.string({ unit: "grapheme", minLength: 1 }),
        fc.constantFrom("a&b", "<c>", '"', "\\", "...", ".a", "\u2028", "\u007f"),
      )
      .filter(isEntryName),
    type: fc.constantFrom("f", "s", "d", "", "?", "other"),
    mode: fc.nat(0o7777),
    sizeBytes: fc.maxSafeNat(),
    mtimeNs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
    uid: fc.nat(2 ** 32 - 1),
    gid: fc.nat(2 ** 32 - 1),
    object: fc.constantFrom(HEX, `k${HEX}`, `Ix${HEX}`, `ZD${HEX}`, "ab", `${HEX}~AA`),
    summary: fc.option(summaries, { nil: undefined }),
  })
  .map(({ summary, object, ...entry }) => {
    const known = { ...entry, object: object as ObjectId };
    return summary === undefined ? known : { ...known, summary };
  });

const directories: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.array(entries, { maxLength: 5 }), fc.option(summaries, { nil: undefined }))
  .map(([list, summary]) => encodeDirectory({ entries: list, summary }));

test("decodeChildren: gives what decodeDirectory gives, of all that it takes", () => {
  fc.assert(
    fc.property(directories, (bytes) => assertSame(bytes)),
    { numRuns: numRuns(200) },
  );
});

test("decodeChildren: refuses what decodeDirectory refuses, with the same words", () => {
  const plain = utf8ToBytes(`${HEAD}${FILE},${FILE}${TAIL}`);
  const changes = fc.array(fc.tuple(fc.nat(plain.length - 1), fc.integer({ min: 0, max: 127 })), {
    minLength: 1,
    maxLength: 2,
  });
  const mutated = changes.map((all) =>
    all.reduce((bytes, [at, byte]) => bytes.with(at, byte), plain),
  );
  const cut = fc
    .tuple(fc.nat(plain.length), fc.nat(plain.length))
    .map(([from, to]) => new Uint8Array([...plain.subarray(0, from), ...plain.subarray(to)]));
  fc.assert(
    fc.property(fc.oneof(mutated, cut, fc.uint8Array()), (bytes) => {
      assertSame(bytes);
    }),
    { numRuns: numRuns(1000) },
  );
});

test("decodeChildren: refuses every wrong field, for what a server takes in others have to read", () => {
  const wrong = [
    ['"a"', '""', '"."', '".."', '"a/b"', '"a\\u002fb"', '"a\\/b"', '"a\\u0000"', '"a\u0000"', "5"],
    ['"0644"', '"9x"', '"0x"', '"00"', '"01234567012345670"', "644"],
    ['"size":1', '"size":-1', '"size":01', '"size":"1"', '"size":9007199254740993', '"size":1.5'],
    [
      "2026-01-02T03:04:05.5Z",
      "yesterday",
      "2026-02-30T03:04:05Z",
      "2025-02-29T03:04:05Z",
      "2024-02-29T03:04:05Z",
      "2026-04-31T03:04:05Z",
      "2026-01-32T03:04:05Z",
      "2026-13-01T03:04:05Z",
      "2026-01-02T24:04:05Z",
      "2026-01-02T03:60:05Z",
      "2026-01-02T03:04:60Z",
      "2026-01-02T03:04:05.Z",
      "2026-01-02T03:04:05.1234567891Z",
      "2026-01-02T03:04:05+01:00",
      "2026-01-31T23:59:59Z",
    ],
    ['"uid":1', '"uid":4294967296', '"uid":4294967295', '"uid":3999999999', '"uid":-1'],
    [HEX, "", "abc", "../x", HEX.toUpperCase(), `x${HEX}`, `IIIIIIIII${HEX}`, HEX.repeat(3)],
    [`"obj":"${HEX}"`, `"obj":"${HEX}","obj":"ab"`, `"obj":"${HEX}","summ":5`, '"obj":null'],
    ['"type":"f"', '"type":5', '"type":null', '"type":"\\u0064"', '"type":"d","type":"f"'],
  ] as const;
  for (const [right, ...others] of wrong)
    for (const one of others) {
      const text = FILE.replace(right, one);
      assert.notEqual(text, FILE);
      isSame(`${HEAD}${FILE},${text}${TAIL}`);
      isSame(`${HEAD}${text}${TAIL}`);
    }
  for (const year of ["0000", "9999"])
    assert.ok(isSame(`${HEAD}${FILE.replace("2026", year)}${TAIL}`));
});

test("decodeChildren: objects of all lengths and kinds, one behind the other", () => {
  const texts = [HEX, HEX + HEX, `Ix${HEX}${HEX}`, "ab", HEX, `${HEX}${HEX}ab`, `x${HEX}`];
  for (const first of texts)
    for (const second of texts) {
      const list = [first, second, second, first].map((object) => FILE.replace(HEX, object));
      const isRight = !first.startsWith(HEX + HEX + "a") && !second.startsWith(HEX + HEX + "a");
      assert.equal(isSame(`${HEAD}${list.join(",")}${TAIL}`), isRight, `${first} ${second}`);
    }
});

test("decodeChildren: what stands beside the entries counts as it does for decodeDirectory", () => {
  const other = FILE.replace(HEX, "cd".repeat(16));
  const tails = [
    "]}",
    '],"summary":null}',
    '],"summary":5}',
    '],"summary":{"size":-1}}',
    `],"summary":${SUMMARY}} x`,
    `],"summary":${SUMMARY}}\n\n`,
    `],"summary":${SUMMARY},"future":"yes"}\n`,
    `],"entries":[${other}],"summary":${SUMMARY}}\n`,
    `],"\\u0065ntries":[${other}]}`,
    `],"entries":null,"summary":${SUMMARY}}\n`,
    `],"stream":"kopia:indirect","summary":${SUMMARY}}\n`,
    `],"summary":${SUMMARY},"summary":{"size":-1}}\n`,
    `,],"summary":${SUMMARY}}\n`,
    ` ],"summary":${SUMMARY}}\n`,
    `,5],"summary":${SUMMARY}}\n`,
    "",
  ];
  for (const tail of tails) isSame(`${HEAD}${FILE}${tail}`);
  for (const head of ["", "\ufeff", " ", '{"stream":"kopia:indirect","entries":[', "[", HEAD])
    isSame(`${head}${FILE}${TAIL}`);
  isSame(`${HEAD}${TAIL}`);
});

test("plainChildren: knows the shapes that Kopia and we write", () => {
  const time = 1_767_323_045_123_456_789n;
  const attributes = { mode: 0o40755, sizeBytes: 3, mtimeNs: time, uid: 1000, gid: 65_534 };
  const summary = summaryOf([], time);
  const bytes = encodeDirectory({
    entries: [
      { name: "sub", type: "d", object: `k${HEX}` as ObjectId, summary, ...attributes },
      { name: 'Tom & "<é>"', type: "f", object: HEX as ObjectId, ...attributes },
      { name: "long", type: "f", object: `Ix${HEX}` as ObjectId, ...attributes, mtimeNs: 0n },
      { name: "link", type: "s", object: HEX as ObjectId, ...attributes, mode: 0, uid: 0, gid: 0 },
    ],
    summary,
  });
  const types = plainChildren(new TextDecoder().decode(bytes))?.map(({ type }) => type);
  assert.deepEqual(types, ["d", "f", "f", "s"]);
  const { text = "" } =
    goldenVectors<Record<string, { text: string }>>("upperLayers")["directory"] ?? {};
  assert.notEqual(plainChildren(text), undefined);
  assertSame(bytes);
});

test("plainChildren: no listing takes long, whatever is wrong in it", () => {
  const long = 1 << 20;
  for (const text of [
    `${HEAD}{"name":"${"a".repeat(long)}`,
    `${HEAD}{"name":"${"\\\\".repeat(long / 2)}`,
    `${HEAD}{"name":"${"\\u0026a".repeat(long / 8)}","type":"f","obj":"${HEX}"`,
    `${HEAD}{"name":"a","type":"f","obj":"${"I".repeat(long)}`,
    `${HEAD}${`${FILE},`.repeat(long / FILE.length)}`,
  ]) {
    const startMs = performance.now();
    assert.equal(plainChildren(text), undefined);
    assert.ok(performance.now() - startMs < 2000, text.slice(0, 60));
  }
});
