import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { goJson } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import type { ObjectId } from "../object/index.ts";
import { FakeClock } from "../testkit/clock.ts";
import { goldenRepositories } from "../testkit/golden.ts";
import { type MemoryRepository, memoryRepository } from "../testkit/memory-repository.ts";
import { numRuns } from "../testkit/property.ts";
import {
  applyRetention,
  compressorOfFile,
  decodePolicy,
  type DirEntry,
  decodeSnapshot,
  DEFAULT_POLICY,
  deleteSnapshot,
  effectivePolicy,
  encodeDirectory,
  encodePolicy,
  findSnapshots,
  formatPolicyTarget,
  getPolicy,
  GLOBAL_TARGET,
  listPolicies,
  listSnapshots,
  parsePolicyTarget,
  parseSource,
  policyTree,
  type Policy,
  type PolicyTarget,
  previousSnapshots,
  removePolicy,
  resolveObjectPath,
  saveSnapshot,
  setPolicy,
  snapshotToJson,
  type SnapshotManifest,
  summaryOf,
} from "./index.ts";

const IDENTITY = { username: "user", hostname: "host" };
const GLOBAL: PolicyTarget = { hostname: "", username: "", path: "" };
const HASH = "0123456789abcdef0123456789abcdef";

interface GoldenManifest {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: unknown;
}

function policy(json: unknown): Policy {
  return decodePolicy(json, "test");
}

function at(path: string): PolicyTarget {
  return { ...IDENTITY, path };
}

function manifest(values: Partial<SnapshotManifest>): SnapshotManifest {
  return decodeSnapshot((values.id ?? "") as ManifestId, {
    ...snapshotToJson({
      id: "" as ManifestId,
      source: at("/data"),
      description: "",
      startTimeNs: 1n,
      endTimeNs: 1n,
      stats: {} as SnapshotManifest["stats"],
      rootEntry: undefined,
      tags: {},
      pins: [],
      unknown: {},
      ...values,
    }),
    stats: null,
  });
}

test("policies and snapshots of the golden repositories survive decoding and encoding byte for byte", () => {
  let count = 0;
  for (const { name, expected } of goldenRepositories()) {
    for (const { id, labels, data } of (expected["manifests"] ?? []) as GoldenManifest[]) {
      const type = labels["type"];
      if (type === "policy")
        assert.equal(
          goJson(encodePolicy(decodePolicy(data, "golden"))),
          goJson(data),
          `${name} ${id}`,
        );
      else if (type === "snapshot")
        assert.equal(
          goJson({ ...snapshotToJson(decodeSnapshot(id as ManifestId, data)), id: "" }),
          goJson(data),
          `${name} ${id}`,
        );
      else continue;
      count++;
    }
  }
  assert.ok(count > 30, `${count} items`);
});

test("effective policies are those that kopia shows", async () => {
  let count = 0;
  for (const { name, expected } of goldenRepositories()) {
    const repository = memoryRepository();
    for (const { labels, data } of (expected["manifests"] ?? []) as GoldenManifest[]) {
      if (labels["type"] === "policy") await repository.manifests.put(labels, data);
    }
    for (const [path, shown] of Object.entries(
      (expected["effectivePolicies"] ?? {}) as Record<string, unknown>,
    )) {
      const effective = await effectivePolicy(repository.manifests, {
        username: "fixuser",
        hostname: "fixhost",
        path,
      });
      assert.equal(goJson(encodePolicy(effective)), goJson(shown), `${name} ${path}`);
      count++;
    }
  }
  assert.ok(count > 0);
});

test("decodePolicy: keeps what it does not know, in every place, and refuses wrong types", () => {
  const json = {
    retention: { keepLatest: 1, future: 2 },
    osSnapshots: { other: 1, volumeShadowCopy: { enable: 1, x: 1 } },
    actions: { beforeFolder: { script: "x", y: [1] } },
    new: { a: 1 },
  };
  const encoded = encodePolicy(policy(json));
  assert.deepEqual(encoded["retention"], json.retention);
  assert.deepEqual(encoded["osSnapshots"], json.osSnapshots);
  assert.deepEqual(encoded["actions"], json.actions);
  assert.deepEqual(encoded["new"], json.new);
  for (const bad of [
    5,
    [],
    { retention: 5 },
    { retention: { keepLatest: "1" } },
    { files: { ignore: "x" } },
    { files: { ignore: [1] } },
    { noParent: 1 },
    { scheduling: { timeOfDay: [{ hour: 24, min: 0 }] } },
  ]) {
    assert.throws(() => policy(bad), { code: "SEJF_CORRUPT" }, JSON.stringify(bad));
  }
});

test("decodePolicy, decodeSnapshot: any JSON gives a value or SEJF_CORRUPT", () => {
  const keys = fc.constantFrom(
    "retention",
    "files",
    "osSnapshots",
    "logging",
    "volumeShadowCopy",
    "entries",
    "source",
    "rootEntry",
    "stats",
    "tags",
    "pins",
    "obj",
    "startTime",
  );
  const shaped = fc.dictionary(keys, fc.oneof(fc.jsonValue(), fc.dictionary(keys, fc.jsonValue())));
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), shaped), (json) => {
      for (const decode of [
        (): unknown => decodePolicy(json, "x"),
        (): unknown => decodeSnapshot(HASH as ManifestId, json),
      ]) {
        try {
          decode();
        } catch (error) {
          assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
        }
      }
    }),
    { numRuns: numRuns(100) },
  );
});

test("merging: explicit zeros, whole lists, unions that can be stopped, and levels without a parent", async () => {
  const { manifests } = memoryRepository();
  await setPolicy(
    manifests,
    GLOBAL,
    policy({
      retention: { keepLatest: 5, keepDaily: 3 },
      files: { ignore: ["*.a"] },
      compression: { compressorName: "zstd", neverCompress: [".z", ".a"] },
      scheduling: { timeOfDay: [{ hour: 9, min: 0 }] },
    }),
  );
  await setPolicy(
    manifests,
    { ...GLOBAL, hostname: "host" },
    policy({ compression: { neverCompress: [".m"], minSize: 10 } }),
  );
  await setPolicy(
    manifests,
    at("/a"),
    policy({
      retention: { keepLatest: 0 },
      files: { ignore: ["*.b"] },
      compression: { neverCompress: [".b"] },
      scheduling: { timeOfDay: [{ hour: 8, min: 30 }] },
      actions: { beforeFolder: { script: "x" }, beforeSnapshotRoot: { script: "y" } },
    }),
  );
  const below = await effectivePolicy(manifests, at("/a/b"));
  assert.deepEqual(
    [below.retention.keepLatest, below.retention.keepDaily, below.retention.keepHourly],
    [0, 3, 48],
  );
  assert.deepEqual(below.files.ignore, ["*.b"]);
  assert.deepEqual(below.compression.neverCompress, [".a", ".b", ".m", ".z"]);
  assert.deepEqual(below.scheduling.timeOfDay, [
    { hour: 8, min: 30 },
    { hour: 9, min: 0 },
  ]);
  assert.deepEqual(
    [below.actions.beforeFolder, below.actions.beforeSnapshotRoot?.script],
    [undefined, "y"],
  );
  assert.equal((await effectivePolicy(manifests, at("/a"))).actions.beforeFolder?.script, "x");
  await setPolicy(
    manifests,
    at("/"),
    policy({ compression: { neverCompress: [".r"], noParentNeverCompress: true } }),
  );
  assert.deepEqual((await effectivePolicy(manifests, at("/a/b"))).compression.neverCompress, [
    ".b",
    ".r",
  ]);
  await setPolicy(manifests, at("/a"), policy({ noParent: true, retention: { keepLatest: 2 } }));
  const alone = await effectivePolicy(manifests, at("/a/b"));
  assert.deepEqual(
    [
      alone.retention.keepLatest,
      alone.retention.keepDaily,
      alone.metadataCompression.compressorName,
      alone.noParent,
    ],
    [2, undefined, undefined, undefined],
  );
  assert.deepEqual(await effectivePolicy(memoryRepository().manifests, at("/x")), DEFAULT_POLICY);
});

test("policies are stored by target: set replaces, remove removes, the list has the newest", async () => {
  const { manifests } = memoryRepository();
  const target = at("/a");
  assert.equal(await getPolicy(manifests, target), undefined);
  await setPolicy(manifests, target, policy({ retention: { keepLatest: 1 } }));
  const id = await setPolicy(manifests, target, policy({ retention: { keepLatest: 2 } }));
  await setPolicy(manifests, { ...GLOBAL, hostname: "host" }, policy({}));
  assert.deepEqual((await getPolicy(manifests, target))?.id, id);
  assert.deepEqual(
    (await listPolicies(manifests)).map((one) => formatPolicyTarget(one.target)),
    ["@host", "user@host:/a"],
  );
  assert.equal((await manifests.find({ type: "policy" })).length, 2);
  assert.deepEqual(
    [await removePolicy(manifests, target), await removePolicy(manifests, target)],
    [true, false],
  );
});

test("parsePolicyTarget and parseSource: all forms, this client's parts filled in", () => {
  assert.deepEqual(parsePolicyTarget("(global)", IDENTITY), GLOBAL);
  assert.deepEqual(parsePolicyTarget("@other", IDENTITY), { ...GLOBAL, hostname: "other" });
  assert.deepEqual(parsePolicyTarget("me@other", IDENTITY), {
    username: "me",
    hostname: "other",
    path: "",
  });
  assert.deepEqual(parsePolicyTarget("me@other:/a/b/", IDENTITY), {
    username: "me",
    hostname: "other",
    path: "/a/b",
  });
  assert.deepEqual(parsePolicyTarget("/x/../a", IDENTITY), at("/a"));
  assert.deepEqual(parseSource("@:/a", IDENTITY), at("/a"));
  assert.throws(() => parseSource("me@other:", IDENTITY), { code: "SEJF_INVALID_ARGUMENT" });
});

test("compressorOfFile: sizes, extensions and names", () => {
  const on = policy({
    compression: {
      compressorName: "gzip",
      minSize: 10,
      maxSize: 100,
      onlyCompress: [".txt"],
      neverCompress: [".txt", ".zip"],
    },
  });
  assert.deepEqual(
    [9, 10, 100, 101].map((size) => compressorOfFile(on, "a", size)),
    [undefined, 0x1000, 0x1000, undefined],
  );
  assert.deepEqual(
    ["a.zip", "a.txt", "a.TXT", ".zip", "zip"].map((name) => compressorOfFile(on, name, 50)),
    [undefined, 0x1000, 0x1000, undefined, 0x1000],
  );
  assert.equal(
    compressorOfFile(policy({ compression: { compressorName: "none" } }), "a", 50),
    undefined,
  );
  assert.equal(compressorOfFile(policy({}), "a", 50), undefined);
});

test("policyTree: a stored policy is used alone for its directory and below", async () => {
  const { manifests } = memoryRepository();
  await setPolicy(manifests, GLOBAL, policy({ compression: { compressorName: "zstd" } }));
  await setPolicy(manifests, at("/data/a/b"), policy({ compression: { compressorName: "gzip" } }));
  await setPolicy(manifests, at("/database"), policy({}));
  const root = await policyTree(manifests, at("/data"));
  const name = (tree: typeof root): string | undefined => tree.policy.compression.compressorName;
  assert.deepEqual(
    [
      name(root),
      name(root.child("a")),
      name(root.child("a").child("b")),
      name(root.child("a").child("b").child("c")),
      name(root.child("x")),
    ],
    ["zstd", "zstd", "gzip", "gzip", "zstd"],
  );
  assert.equal(root.child("a").own, undefined);
  assert.equal(root.child("a").child("b").child("c").own, undefined);
  assert.equal(root.child("a").child("b").policy.metadataCompression.compressorName, undefined);
});

test("saveSnapshot: refuses what could not be found again; pins change the ID", async () => {
  const repository = memoryRepository();
  await assert.rejects(saveSnapshot(repository, manifest({ source: at("") })), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  await assert.rejects(saveSnapshot(repository, manifest({ tags: { path: "x" } })), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  await assert.rejects(saveSnapshot(repository, manifest({ description: "ü".repeat(513) })), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  const first = await saveSnapshot(repository, manifest({ unknown: { future: 1 } }));
  const pinned = await saveSnapshot(
    repository,
    { ...first, pins: ["b", "a"] },
    { replaces: first.id },
  );
  assert.deepEqual(
    (await listSnapshots(repository)).map(({ id, pins, unknown }) => [id, pins, unknown]),
    [[pinned.id, ["a", "b"], { future: 1 }]],
  );
  await deleteSnapshot(repository, pinned.id);
  await assert.rejects(deleteSnapshot(repository, pinned.id), { code: "SEJF_NOT_FOUND" });
  await assert.rejects(findSnapshots(repository, HASH), { code: "SEJF_NOT_FOUND" });
});

test("previousSnapshots: the newest complete one, then later incomplete ones", () => {
  const one = (id: string, startTimeNs: bigint, incomplete?: string): SnapshotManifest => ({
    ...manifest({ id: id as ManifestId, startTimeNs }),
    ...(incomplete === undefined ? {} : { incomplete }),
  });
  const ids = (...list: SnapshotManifest[]): string[] =>
    previousSnapshots(list).map(({ id }) => id);
  assert.deepEqual(
    ids(
      one("a", 1n),
      one("b", 2n, "canceled"),
      one("c", 3n),
      one("d", 4n, "checkpoint"),
      one("e", 5n, "checkpoint"),
    ),
    ["c", "d", "e"],
  );
  assert.deepEqual(ids(one("b", 2n, "canceled")), ["b"]);
  assert.deepEqual(ids(), []);
});

test("applyRetention: deletes what nothing keeps, spares pins, and only looks in a dry run", async () => {
  const repository = memoryRepository();
  await setPolicy(
    repository.manifests,
    GLOBAL,
    policy({
      retention: {
        keepLatest: 1,
        keepHourly: 0,
        keepDaily: 0,
        keepWeekly: 0,
        keepMonthly: 0,
        keepAnnual: 0,
      },
    }),
  );
  const day = 86_400_000_000_000n;
  for (const [startTimeNs, pins] of [
    [day, ["keep"]],
    [2n * day, []],
    [3n * day, []],
  ] as const)
    await saveSnapshot(repository, manifest({ startTimeNs, endTimeNs: startTimeNs, pins }));
  assert.deepEqual(
    (await applyRetention(repository, at("/data"), { dryRun: true })).map((one) => one.startTimeNs),
    [2n * day],
  );
  assert.equal((await listSnapshots(repository)).length, 3);
  await applyRetention(repository, at("/data"));
  assert.deepEqual(
    (await listSnapshots(repository)).map((one) => one.startTimeNs),
    [day, 3n * day],
  );
});

async function repositoryWithTree(): Promise<{
  readonly repository: MemoryRepository;
  readonly snapshots: readonly SnapshotManifest[];
  readonly sub: ObjectId;
}> {
  const repository = memoryRepository({ clock: new FakeClock() });
  const base = { mode: 0o644, mtimeNs: 5n, uid: 1, gid: 2 };
  const file = {
    ...base,
    name: "f",
    type: "f",
    sizeBytes: 1,
    object: repository.contents.put(new Uint8Array(1)) as string as ObjectId,
  };
  const sub = repository.contents.put(
    encodeDirectory({ entries: [file], summary: summaryOf([file], 0n) }),
    "k",
  ) as string as ObjectId;
  const subEntry = {
    ...base,
    name: "sub",
    type: "d",
    sizeBytes: 0,
    object: sub,
    summary: summaryOf([file], 0n),
  };
  const root = repository.contents.put(
    encodeDirectory({ entries: [subEntry], summary: summaryOf([subEntry], 0n) }),
    "k",
  ) as string as ObjectId;
  const rootEntry = {
    ...base,
    name: "data",
    type: "d",
    sizeBytes: 0,
    object: root,
    summary: summaryOf([subEntry], 0n),
  };
  const snapshots: SnapshotManifest[] = [];
  for (const startTimeNs of [10n, 20n])
    snapshots.push(
      await saveSnapshot(repository, manifest({ startTimeNs, endTimeNs: startTimeNs, rootEntry })),
    );
  return { repository, snapshots, sub };
}

test("resolveObjectPath: snapshot IDs, object IDs and paths of sources, each with a path below", async () => {
  const { repository, snapshots, sub } = await repositoryWithTree();
  const resolve = async (text: string, notAfterNs?: bigint): Promise<unknown[]> => {
    const { entry, snapshot, path } = await resolveObjectPath(repository, text, { notAfterNs });
    return [entry.name, entry.type, snapshot?.startTimeNs, path];
  };
  const [first, second] = snapshots;
  assert.deepEqual(await resolve(`${first?.id}`), ["data", "d", 10n, ""]);
  assert.deepEqual(await resolve(`${first?.id}/sub/f`), ["f", "f", 10n, "sub/f"]);
  assert.deepEqual(await resolve(`${second?.rootEntry?.object}/sub/`), ["sub", "d", 20n, "sub"]);
  assert.deepEqual(await resolve(`${sub}/f`), ["f", "f", undefined, "f"]);
  assert.deepEqual(await resolve("/data/sub/f"), ["f", "f", 20n, "sub/f"]);
  assert.deepEqual(await resolve("user@host:/data", 15n), ["data", "d", 10n, ""]);
  const bare = await resolveObjectPath(repository, sub);
  assert.deepEqual([bare.entry.name, bare.entry.mode], ["/", 0o555]);
  for (const missing of [
    "/other",
    "/data/none",
    `${first?.id}/sub/f/x`,
    "user@host:/data2",
    HASH,
    "nonsense",
    `k${HASH}/x`,
  ]) {
    await assert.rejects(
      resolve(missing),
      (error) =>
        isSejfError(error, "SEJF_NOT_FOUND") || isSejfError(error, "SEJF_CONTENT_NOT_FOUND"),
      missing,
    );
  }
  await assert.rejects(resolve("/data", 5n), { code: "SEJF_NOT_FOUND" });
  assert.deepEqual(
    (await findSnapshots(repository, snapshots[0]?.rootEntry?.object as string)).map(
      (one) => one.startTimeNs,
    ),
    [10n, 20n],
  );
  // The newest that has the path, of whichever folder above; incomplete ones do not count.
  const base = second as SnapshotManifest;
  const save = async (
    path: string,
    startTimeNs: bigint,
    more: Partial<SnapshotManifest>,
  ): Promise<unknown> =>
    await saveSnapshot(repository, {
      ...base,
      startTimeNs,
      source: { ...IDENTITY, path },
      ...more,
    });
  await save("/data/sub", 15n, {
    rootEntry: (await resolveObjectPath(repository, `${first?.id}/sub`)).entry,
  });
  await save("/data", 30n, { incomplete: "checkpoint" });
  await save("/data", 40n, {
    rootEntry: { ...(base.rootEntry as DirEntry), object: bare.entry.object },
  });
  assert.deepEqual(await resolve("/data/sub/f"), ["f", "f", 20n, "sub/f"]);
  assert.deepEqual(await resolve("/data/sub/f", 19n), ["f", "f", 15n, "f"]);
  const oldest = await resolveObjectPath(repository, "/data/sub/f", { order: "oldest" });
  assert.equal(oldest.snapshot?.startTimeNs, 10n);
});

test("effectivePolicy: what has more labels than its target is nobody's policy", async () => {
  const { manifests } = memoryRepository();
  const planted = { username: "mallory", hostname: "host" };
  const data = { files: { ignore: ["*"] } };
  await manifests.put({ type: "policy", policyType: "global", ...planted }, data);
  await manifests.put({ type: "policy", policyType: "host", ...planted }, data);
  const target = { username: "alice", hostname: "host", path: "/data" };
  const { files } = await effectivePolicy(manifests, target);
  assert.deepEqual(files.ignore ?? [], []);
  assert.equal(await getPolicy(manifests, GLOBAL_TARGET), undefined);
});
