/** Rules that need no golden value: epoch parameters, required features, the upgrade lock, sessions, blob names. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toBlobId } from "../blob/index.ts";
import { bytesToUtf8, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { FakeClock } from "../testkit/clock.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import {
  assertNotLockedForUpgrade,
  blobKind,
  checkRequiredFeatures,
  DEFAULT_EPOCH_PARAMETERS,
  DISABLED_EPOCH_PARAMETERS,
  decodeSessionMarker,
  type EpochParameters,
  encodeSessionMarker,
  isSessionId,
  newCompactionSetId,
  newPackId,
  newSessionId,
  type RequiredFeature,
  sessionOfBlob,
  type UpgradeLock,
  upgradeLockState,
  validateEpochParameters,
} from "./index.ts";
import { JsonObject } from "./json-members.ts";
import { requiredFeatureFromJson, requiredFeatureToJson } from "./required-features.ts";
import { upgradeLockFromJson, upgradeLockToJson } from "./upgrade-lock.ts";

const MINUTE = 60_000_000_000n;

test("validateEpochParameters: defaults and disabled ones pass, each rule refuses by name", () => {
  validateEpochParameters(DEFAULT_EPOCH_PARAMETERS);
  validateEpochParameters(DISABLED_EPOCH_PARAMETERS);
  const wrong: readonly [Partial<EpochParameters>, RegExp][] = [
    [
      { minEpochDurationNs: 10n * MINUTE - 1n, refreshFrequencyNs: MINUTE },
      /minimum epoch duration/,
    ],
    [{ refreshFrequencyNs: 8n * 60n * MINUTE + 1n }, /refresh frequency/],
    [{ fullCheckpointFrequency: 0 }, /checkpoint frequency/],
    [{ cleanupSafetyMarginNs: 60n * MINUTE - 1n }, /safety margin/],
    [{ advanceOnCount: 9 }, /number of blobs/],
    [{ advanceOnTotalSizeBytes: (1 << 20) - 1 }, /number of bytes/],
  ];
  for (const [change, message] of wrong) {
    assert.throws(
      () => validateEpochParameters({ ...DEFAULT_EPOCH_PARAMETERS, ...change }),
      (error) => isSejfError(error, "SEJF_INVALID_ARGUMENT") && message.test(error.message),
    );
  }
  validateEpochParameters({
    ...DEFAULT_EPOCH_PARAMETERS,
    minEpochDurationNs: 10n * MINUTE,
    refreshFrequencyNs: 3n * MINUTE,
    cleanupSafetyMarginNs: 9n * MINUTE,
    advanceOnCount: 10,
    advanceOnTotalSizeBytes: 1 << 20,
    fullCheckpointFrequency: 1,
  });
});

const feature = (name: string, warn: boolean): RequiredFeature => ({
  feature: name,
  ifNotUnderstood: {
    warn,
    message: "needs more",
    url: "https://x.example",
    upgradeToVersion: "9.9",
    unknown: {},
  },
  unknown: {},
});

test("checkRequiredFeatures: known ones pass, unknown ones refuse or warn", () => {
  assert.deepEqual(
    checkRequiredFeatures([feature("index-v1", false), feature("index-v2", false)]),
    [],
  );
  assert.match(checkRequiredFeatures([feature("telepathy", true)])[0]!, /telepathy.*needs more/);
  assert.throws(
    () => checkRequiredFeatures([feature("telepathy", false)]),
    (error) =>
      isSejfError(error, "SEJF_UNSUPPORTED_FORMAT") && /9\.9.*x\.example/.test(error.hint ?? ""),
  );
});

test("required features and the upgrade lock survive a rewrite, unknown members too", () => {
  const text = `{"feature":"f","ifNotUnderstood":{"warn":false,"message":"m","new":[1]},"other":true}`;
  const read = requiredFeatureFromJson(JsonObject.decode(utf8ToBytes(text), "x"));
  assert.equal(JSON.stringify(requiredFeatureToJson(read)), text);
  const lockText = `{"ownerID":"o","creationTime":"2026-01-02T03:04:05.5+01:00","ioDrainTimeout":60000000000,"new":1}`;
  const lock = upgradeLockFromJson(JsonObject.decode(utf8ToBytes(lockText), "x"));
  assert.equal(lock.ioDrainTimeoutNs, MINUTE);
  const again = upgradeLockToJson(lock) as Readonly<Record<string, unknown>>;
  assert.equal(again["creationTime"], "2026-01-02T02:04:05.5Z");
  assert.equal(again["new"], 1);
  assert.equal(again["message"], undefined);
});

test("upgradeLockState: locks at once without notice, else one drain before its end", () => {
  const lock: UpgradeLock = {
    ownerId: "o",
    creationTime: 1000n * MINUTE,
    advanceNoticeNs: 0n,
    ioDrainTimeoutNs: 2n * MINUTE,
    statusPollIntervalNs: MINUTE,
    message: "m",
    maxPermittedClockDriftNs: MINUTE,
    unknown: {},
  };
  const at = (minutes: bigint, notice: bigint): object =>
    upgradeLockState({ ...lock, advanceNoticeNs: notice * MINUTE }, minutes * MINUTE);
  assert.deepEqual(upgradeLockState(undefined, 0n), { locked: false, writersDrained: false });
  assert.deepEqual(at(1000n, 0n), { locked: true, writersDrained: false });
  assert.deepEqual(at(1005n, 0n), { locked: true, writersDrained: true });
  assert.deepEqual(at(1014n, 20n), { locked: false, writersDrained: false });
  assert.deepEqual(at(1015n, 20n), { locked: true, writersDrained: false });
  assert.deepEqual(at(1020n, 20n), { locked: true, writersDrained: true });
  assertNotLockedForUpgrade(lock, "o", lock.creationTime);
  assert.throws(() => assertNotLockedForUpgrade(lock, "other", lock.creationTime), {
    code: "SEJF_UPGRADE_IN_PROGRESS",
  });
});

test("newSessionId: 16 random digits and the months since 2000, as kopia counts them", () => {
  const id = newSessionId(new FakeClock(Date.UTC(2026, 10, 23, 16, 59)), new SeededRandom(1));
  assert.match(id, /^s[0-9a-f]{16}147$/);
  assert.ok(isSessionId(id));
  assert.match(newCompactionSetId(new SeededRandom(1)), /^s[0-9a-f]{16}$/);
  const pack = newPackId("q", id, new SeededRandom(2));
  assert.match(pack, /^q[0-9a-f]{32}-s[0-9a-f]{16}147$/);
  assert.equal(sessionOfBlob(pack), id);
});

test("sessionOfBlob: the first part behind a dash that begins with s", () => {
  assert.equal(sessionOfBlob(toBlobId("xn0_ab-s0e9099296a9b76fa147-c1")), "s0e9099296a9b76fa147");
  assert.equal(sessionOfBlob(toBlobId("xn0_ab--c1")), undefined);
  assert.equal(sessionOfBlob(toBlobId("sab")), undefined);
});

test("session markers: as kopia writes them, and read back", () => {
  const marker = {
    id: newSessionId(new FakeClock(), new SeededRandom(1)),
    startTime: 1_795_000_000_100_000_000n,
    checkpointTime: 1_795_000_001_000_000_000n,
    username: "alice",
    hostname: "laptop",
  };
  const bytes = encodeSessionMarker(marker);
  assert.match(
    bytesToUtf8(bytes),
    /^\{"id":"s[0-9a-f]+","startTime":"2026-11-18T11:06:40\.1Z","checkpointTime":"2026-11-18T11:06:41Z","username":"alice","hostname":"laptop"\}$/,
  );
  assert.deepEqual(decodeSessionMarker(bytes), marker);
});

test("decodeSessionMarker: any bytes give a marker or SEJF_CORRUPT", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.json().map(utf8ToBytes)),
      (bytes) => {
        try {
          decodeSessionMarker(bytes);
        } catch (error) {
          assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
        }
      },
    ),
    { numRuns: numRuns() },
  );
});

test("blobKind: by the beginning of the name, longer prefixes first", () => {
  const kinds: Readonly<Record<string, string>> = {
    "kopia.repository": "format",
    "kopia.blobcfg": "blob-config",
    "kopia.maintenance": "maintenance",
    "kopia.repository.backup.o": "format-backup",
    "kopia.repositoryx": "unknown",
    p12: "data-pack",
    q12: "metadata-pack",
    xn0_1: "uncompacted-index",
    xs0_1: "single-epoch-index",
    xr0_1_1: "range-index",
    xe1: "epoch-marker",
    xw1: "watermark",
    xz: "unknown",
    n1: "old-index",
    m1: "compaction-log",
    l1: "cleanup-schedule",
    s1: "session",
    _log_1: "log",
    constructor: "unknown",
  };
  for (const [id, kind] of Object.entries(kinds)) assert.equal(blobKind(toBlobId(id)), kind, id);
});
