/** Epochs and the old index manager: kopia's listings, and the decisions of maintenance. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type BlobMetadata, isBlobId, toBlobId } from "../blob/index.ts";
import { bytesToUtf8, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import {
  DEFAULT_EPOCH_PARAMETERS,
  type Decoded,
  decodeCleanupSchedule,
  decodeCompactionLog,
  dueCleanups,
  EPOCH_STATE_PREFIXES,
  type EpochSnapshot,
  encodeCleanupSchedule,
  encodeCompactionLog,
  epochCleanup,
  epochMarkerBlob,
  epochOf,
  epochOfUncompacted,
  indexSuffix,
  oldIndexCleanup,
  oldIndexesToCompact,
  POISON_BLOB_ID,
  rangeIndexPrefix,
  rangeToCompact,
  resolveCompactionLogs,
  resolveEpochs,
  shouldAdvanceEpoch,
  singleEpochIndexPrefix,
  singleEpochToCompact,
  watermarkBlob,
} from "./index.ts";

const HOUR = 3_600_000_000_000n;

function blob(id: string, timestamp = 0n, lengthBytes = 100): BlobMetadata {
  return { id: toBlobId(id), lengthBytes, timestamp };
}

function blobs(...ids: string[]): readonly BlobMetadata[] {
  return ids.map((id) => blob(id));
}

function ids(list: readonly BlobMetadata[]): readonly string[] {
  return list.map(({ id }) => String(id)).toSorted();
}

/** As a caller does it: two rounds of listing by prefix. */
function resolve(all: readonly BlobMetadata[]): {
  readonly snapshot: EpochSnapshot;
  readonly active: readonly string[];
} {
  const listed = (prefixes: readonly string[]): readonly BlobMetadata[] =>
    prefixes.flatMap((prefix) => all.filter(({ id }) => id.startsWith(prefix)));
  const snapshot = resolveEpochs(listed(EPOCH_STATE_PREFIXES));
  return { snapshot, active: ids(snapshot.activeFor(listed(snapshot.uncompactedPrefixes()))) };
}

for (const vector of goldenVectors<
  readonly {
    readonly name: string;
    readonly blobs: readonly string[];
    readonly active: readonly string[];
    readonly writeEpoch: number;
    readonly deletionWatermark: number;
  }[]
>("epochs")) {
  test(`resolveEpochs: ${vector.name}`, () => {
    const all = vector.blobs.filter(isBlobId).map((id) => blob(id));
    const { snapshot, active } = resolve(all);
    assert.equal(snapshot.writeEpoch, vector.writeEpoch);
    assert.equal(snapshot.deletionWatermarkS ?? 0, vector.deletionWatermark);
    assert.deepEqual(active, vector.active.toSorted());
    // one listing of everything gives the same
    assert.deepEqual(ids(resolveEpochs(all).activeFor(all)), vector.active.toSorted());
  });
}

test("resolveEpochs: xn1_ is not epoch 10, and stray names are passed over", () => {
  const { active } = resolve(
    blobs(
      "xe1",
      "xn1_aa-s1-c1",
      "xn10_bb-s1-c1",
      "xnfoo_1",
      "xn",
      "xr1",
      "xrx_y_z",
      "xs_",
      "xwx",
      "xe",
      "xn01_cc-s1-c1",
    ),
  );
  assert.deepEqual(active, ["xn1_aa-s1-c1"]);
});

test("resolveEpochs: the first complete set wins, in the order of the listing", () => {
  const sets = ["xs0_1-sa-c2", "xs0_2-sb-c1", "xs0_3-sa-c2"];
  assert.deepEqual(resolve(blobs("xe5", ...sets)).active, ["xs0_2-sb-c1"]);
  assert.deepEqual(resolve(blobs("xe5", "xs0_1-sa-c2", "xs0_3-sa-c2", "xs0_2-sb-c1")).active, [
    "xs0_1-sa-c2",
    "xs0_3-sa-c2",
  ]);
  assert.deepEqual(resolve(blobs("xe5", "xs0_1-sa-c2", "xs0_noset", "xs0_3-sa-c2")).active, [
    "xs0_noset",
  ]);
});

test("resolveEpochs: an absurd epoch number costs neither time nor memory", () => {
  const { snapshot, active } = resolve(
    blobs(
      "xe9007199254740000",
      "xe99999999999999999999",
      "xn5_1-s1-c1",
      "xn9007199254740000_2-s1-c1",
      "xs7_3-sa-c1",
    ),
  );
  assert.equal(snapshot.writeEpoch, 9007199254740000);
  assert.deepEqual(snapshot.uncompactedPrefixes(), ["xn"]);
  assert.deepEqual(active, ["xn5_1-s1-c1", "xn9007199254740000_2-s1-c1", "xs7_3-sa-c1"]);
});

test("resolveEpochs: ranges that run backwards are passed over", () => {
  assert.deepEqual(
    resolve(blobs("xe9", "xr0_3_1-sa-c1", "xr4_2_2-sb-c1", "xr4_0_2-sb-c1")).active,
    ["xr0_3_1-sa-c1"],
  );
});

const stateName = fc.oneof(
  fc.tuple(fc.nat(9), fc.nat(3)).map(([e, h]) => `xn${e}_${h}-s1-c1`),
  fc
    .tuple(fc.nat(9), fc.nat(3), fc.integer({ min: 1, max: 3 }))
    .map(([e, h, c]) => `xs${e}_${h}-s${h}-c${c}`),
  fc.tuple(fc.nat(9), fc.nat(9), fc.nat(3)).map(([a, b, h]) => `xr${a}_${b}_${h}-s${h}-c1`),
  fc.nat(9).map((e) => `xe${e}`),
  fc
    .string({ maxLength: 12 })
    .map((text) => `x${text}`)
    .filter(isBlobId),
);

test("resolveEpochs: any names resolve; every epoch is covered at most once, and by what is there", () => {
  fc.assert(
    fc.property(fc.uniqueArray(stateName, { maxLength: 40 }), (names) => {
      const { snapshot, active } = resolve(blobs(...names));
      assert.equal(new Set(active).size, active.length);
      for (const id of active) assert.ok(names.includes(id));
      for (const range of snapshot.ranges) assert.ok(range.max >= range.min);
      assert.equal(snapshot.ranges[0]?.min ?? 0, 0);
      snapshot.ranges.forEach((range, i) =>
        assert.equal(range.min, i === 0 ? 0 : snapshot.ranges[i - 1]!.max + 1),
      );
      for (const id of active.filter((each) => each.startsWith("xn"))) {
        const epoch = epochOfUncompacted(toBlobId(id))!;
        assert.ok(epoch <= snapshot.writeEpoch + 1);
        assert.ok(!active.some((other) => other.startsWith(singleEpochIndexPrefix(epoch))));
      }
    }),
    { numRuns: numRuns(200) },
  );
});

test("names of epochs, sets, ranges, markers and watermarks", () => {
  assert.equal(indexSuffix("s1", 2), "s1-c2");
  assert.equal(rangeIndexPrefix(0, 7), "xr0_7_");
  assert.deepEqual(epochMarkerBlob(3), { id: toBlobId("xe3"), data: utf8ToBytes("epoch-marker") });
  assert.deepEqual(watermarkBlob(17), {
    id: toBlobId("xw17"),
    data: utf8ToBytes("deletion-watermark"),
  });
  assert.equal(epochOf(toBlobId("xn12_ab")), 12);
  assert.equal(epochOf(toBlobId("xnfoo_ab")), undefined);
});

test("shouldAdvanceEpoch: old enough, and enough blobs or bytes", () => {
  const p = { ...DEFAULT_EPOCH_PARAMETERS, advanceOnCount: 10 };
  const series = (count: number, spanNs: bigint, length: number): readonly BlobMetadata[] =>
    Array.from({ length: count }, (_, i) => blob(`xn0_${i}`, i === 0 ? spanNs : 0n, length));
  assert.equal(shouldAdvanceEpoch(p, []), false);
  assert.equal(shouldAdvanceEpoch(p, series(10, 24n * HOUR - 1n, 1)), false);
  assert.equal(shouldAdvanceEpoch(p, series(10, 24n * HOUR, 1)), true);
  assert.equal(shouldAdvanceEpoch(p, series(9, 24n * HOUR, 1)), false);
  assert.equal(shouldAdvanceEpoch(p, series(2, 24n * HOUR, 5 << 20)), true);
});

test("singleEpochToCompact: behind the ranges and the sets that follow, settled epochs only", () => {
  const at = (...names: string[]): number | undefined =>
    singleEpochToCompact(resolveEpochs(blobs(...names)));
  assert.equal(at("xe1"), undefined);
  assert.equal(at("xe2"), 0);
  assert.equal(at("xe9", "xr0_3_1-sa-c1"), 4);
  assert.equal(at("xe9", "xr0_3_1-sa-c1", "xs4_1-sa-c1", "xs5_1-sa-c1", "xs7_1-sa-c1"), 6);
  assert.equal(at("xe6", "xr0_3_1-sa-c1", "xs4_1-sa-c1"), undefined);
});

test("rangeToCompact: when enough settled epochs are behind the last range", () => {
  const p = { ...DEFAULT_EPOCH_PARAMETERS, fullCheckpointFrequency: 3 };
  const at = (...names: string[]): object | undefined =>
    rangeToCompact(resolveEpochs(blobs(...names)), p);
  assert.equal(at("xe1"), undefined);
  assert.equal(at("xe4"), undefined);
  assert.deepEqual(at("xe5"), { min: 0, max: 3 });
  assert.equal(at("xe8", "xr0_3_1-sa-c1"), undefined);
  assert.deepEqual(at("xe9", "xr0_3_1-sa-c1"), { min: 4, max: 7 });
});

test("epochCleanup: only what was replaced long before the newest write", () => {
  const now = 100n * HOUR;
  const margin = DEFAULT_EPOCH_PARAMETERS.cleanupSafetyMarginNs;
  const listing = [
    blob("xe1"),
    blob("xe2"),
    blob("xe3"),
    blob("xe4"),
    blob("xw10", 0n),
    blob("xw20", now - margin),
    blob("xw30", 0n),
    blob("xn0_1-s1-c1"),
    blob("xn0_2-s1-c1"),
    blob("xn1_1-s1-c1"),
    blob("xn2_1-s1-c1"),
    blob("xs0_9-sa-c1", now - margin - 1n),
    blob("xs1_9-sa-c1", now - margin),
    blob("xs2_9-sa-c2", 0n),
    blob("xn4_1-s1-c1", now),
    blob("xn3_1-s1-c1", 1n),
  ];
  const cleanup = epochCleanup(listing, DEFAULT_EPOCH_PARAMETERS);
  assert.deepEqual(ids(cleanup.indexes), ["xn0_1-s1-c1", "xn0_2-s1-c1"]);
  assert.deepEqual(ids(cleanup.markers), ["xe1", "xe2"]);
  assert.deepEqual(ids(cleanup.watermarks), ["xw10"]);
  const silent = epochCleanup(
    listing.filter(({ id }) => !/^xn[34]/.test(id)),
    DEFAULT_EPOCH_PARAMETERS,
  );
  assert.deepEqual(silent, { indexes: [], markers: [], watermarks: [] });
});

// --- old manager ---------------------------------------------------------------------------------------------------

test("resolveCompactionLogs: a log counts when all its outputs are there", () => {
  const listing = blobs("n1", "n2", "n3", "n4");
  const log = { inputs: blobs("n1", "n2"), outputs: blobs("n3") };
  assert.deepEqual(ids(resolveCompactionLogs(listing, [])), ["n1", "n2", "n3", "n4"]);
  assert.deepEqual(ids(resolveCompactionLogs(listing, [log])), ["n3", "n4"]);
  assert.deepEqual(ids(resolveCompactionLogs(listing, [{ ...log, outputs: blobs("n3", "n9") }])), [
    "n1",
    "n2",
    "n3",
    "n4",
  ]);
  // a later compaction took the output away again: both count, as the output is still listed
  assert.deepEqual(
    ids(resolveCompactionLogs(listing, [log, { inputs: blobs("n3"), outputs: blobs("n4") }])),
    ["n4"],
  );
});

test("compaction logs and cleanup schedules: kopia's members, and back", () => {
  const log = { inputs: [blob("n1", 1_500_000_000n, 7)], outputs: [blob("n2", 2_000_000_000n, 9)] };
  const bytes = encodeCompactionLog(log);
  assert.equal(
    bytesToUtf8(bytes),
    '{"inputMetadata":[{"id":"n1","length":7,"timestamp":"1970-01-01T00:00:01.5Z"}],"outputMetadata":[{"id":"n2","length":9,"timestamp":"1970-01-01T00:00:02Z"}]}',
  );
  assert.deepEqual(decodeCompactionLog(bytes), log);
  const schedule = { blobIds: [toBlobId("m1")], cleanupTime: 1_000_000_000n };
  const scheduleBytes = encodeCleanupSchedule(schedule);
  assert.equal(
    bytesToUtf8(scheduleBytes),
    '{"blobIDs":["m1"],"cleanupScheduleTime":"1970-01-01T00:00:01Z"}',
  );
  assert.deepEqual(decodeCleanupSchedule(scheduleBytes), schedule);
});

test("decodeCompactionLog and decodeCleanupSchedule: any bytes give a value or SEJF_CORRUPT", () => {
  const document = fc.record({
    inputMetadata: fc.oneof(
      fc.jsonValue(),
      fc.array(
        fc.record({ id: fc.jsonValue(), length: fc.jsonValue(), timestamp: fc.jsonValue() }),
      ),
    ),
    blobIDs: fc.jsonValue(),
    cleanupScheduleTime: fc.jsonValue(),
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 80 }),
        document.map((value) => utf8ToBytes(JSON.stringify(value))),
      ),
      (bytes) => {
        for (const decode of [decodeCompactionLog, decodeCleanupSchedule]) {
          try {
            decode(bytes);
          } catch (error) {
            assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
          }
        }
      },
    ),
    { numRuns: numRuns(100) },
  );
});

test("oldIndexesToCompact: enough of them, small ones first, never the poison blob", () => {
  const small = Array.from({ length: 8 }, (_, i) => blob(`n${i}`, 0n, 10));
  const medium = Array.from({ length: 7 }, (_, i) => blob(`na${i}`, 0n, 600));
  const options = { maxPackSize: 1000 };
  assert.deepEqual(oldIndexesToCompact(small.slice(1), options), []);
  assert.deepEqual(
    oldIndexesToCompact([...small.slice(1), blob(POISON_BLOB_ID, 0n, 10)], options),
    [],
  );
  assert.equal(oldIndexesToCompact(small, options).length, 8);
  assert.equal(oldIndexesToCompact([...small, ...medium.slice(0, 6)], options).length, 8);
  assert.equal(oldIndexesToCompact([...small, ...medium], options).length, 15);
  assert.equal(oldIndexesToCompact([...small, blob("nbig", 0n, 5000)], options).length, 8);
  assert.equal(
    oldIndexesToCompact([...small, blob("nbig", 0n, 5000)], { ...options, all: true }).length,
    8,
  );
  assert.equal(
    oldIndexesToCompact([small[0]!, blob("nbig", 0n, 5000)], { ...options, all: true, minCount: 2 })
      .length,
    2,
  );
});

test("oldIndexCleanup and dueCleanups: an hour behind, indexes before logs before schedules", () => {
  const log = (
    id: string,
    hours: bigint,
    ...inputs: string[]
  ): Decoded<{
    readonly inputs: readonly BlobMetadata[];
    readonly outputs: readonly BlobMetadata[];
  }> => ({
    blob: blob(id, hours * HOUR),
    value: { inputs: blobs(...inputs), outputs: [] },
  });
  const latest = blob("m3", 10n * HOUR);
  const cleanup = oldIndexCleanup(
    [log("m1", 8n, "n1", "n2"), log("m2", 9n, "n2"), log("m4", 10n, "n4"), log("m3", 10n, "n3")],
    latest,
  );
  assert.deepEqual(cleanup, { indexes: ["n1", "n2"], logs: ["m1", "m2"] });
  const schedule = (
    id: string,
    written: bigint,
    time: bigint,
    ...logs: string[]
  ): Decoded<ReturnType<typeof decodeCleanupSchedule>> => ({
    blob: blob(id, written),
    value: { blobIds: logs.map(toBlobId), cleanupTime: time },
  });
  const due = dueCleanups([
    schedule("l1", 10n * HOUR, 10n * HOUR, "m1"),
    schedule("l2", 11n * HOUR, 11n * HOUR, "m2"),
  ]);
  assert.deepEqual(due, { logs: ["m1"], schedules: ["l1"] });
  assert.deepEqual(dueCleanups([]), { logs: [], schedules: [] });
});
