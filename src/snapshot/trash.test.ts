import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Labels, Manifest, ManifestId } from "../manifest/index.ts";
import { numRuns } from "../testkit/property.ts";
import { decodeSnapshot } from "./manifest-json.ts";
import { isTrash, readTrash, toTrash, trashLabels, trashOwner } from "./trash.ts";

const ID = "0123456789abcdef0123456789abcdef" as ManifestId;
const LABELS: Labels = {
  type: "snapshot",
  username: "alice",
  hostname: "laptop",
  path: "/home/alice",
  "tag:kind": "weekly",
};
const DATA = {
  id: "",
  source: { host: "laptop", userName: "alice", path: "/home/alice" },
  description: "of <this> & that",
  startTime: "2026-08-01T12:00:00.5Z",
  endTime: "2026-08-01T12:01:00Z",
  rootEntry: { name: "alice", type: "d", mode: "0755", obj: `k${"ab".repeat(16)}` },
  tags: { "tag:kind": "weekly" },
  pins: ["forever"],
  ofLaterVersions: { kept: [1, 2] },
};

function manifest(labels: Labels, data: unknown, modified = 0n): Manifest {
  return { id: ID, labels, data, text: JSON.stringify(data), lengthBytes: 1, modified };
}

test("toTrash, readTrash: what comes back is what was deleted, with all that this program does not know", () => {
  const trashed = toTrash(manifest(LABELS, DATA), 7_000_000_000n);
  assert.ok(isTrash(trashed.labels));
  const { username, hostname, path } = trashed.labels;
  assert.deepEqual(trashOwner(trashed.labels), { username: "alice", hostname: "laptop" });
  assert.equal(trashOwner(LABELS), undefined);
  assert.equal(trashOwner({ ...trashed.labels, path: "/x" }), undefined);
  assert.deepEqual({ type: "snapshot", username, hostname, path }, trashLabels("alice@laptop", ID));
  const snapshot = decodeSnapshot(ID, trashed.data);
  assert.equal(snapshot.pins.length, 1, "a stock kopia keeps what has a pin");
  assert.deepEqual(snapshot.source, { username, hostname, path });
  assert.deepEqual(snapshot.rootEntry?.object, decodeSnapshot(ID, DATA).rootEntry?.object);
  const read = readTrash(manifest(trashed.labels, trashed.data, 9_000_000_000n));
  assert.deepEqual(read?.original, { labels: LABELS, data: DATA });
  assert.deepEqual(
    [read.id, read.owner, read.path, read.deletedNs],
    [ID, "alice@laptop", "/home/alice", 9_000_000_000n],
  );
  const plain = { ...DATA, pins: undefined, tags: undefined };
  const { pins: _pins, tags: _tags, ...bare } = plain;
  const again = toTrash(manifest(LABELS, bare), 0n);
  assert.deepEqual(readTrash(manifest(again.labels, again.data))?.original.data, bare);
});

test("readTrash: any JSON is read or is not, and nothing comes back as trash", () => {
  const { data } = toTrash(manifest(LABELS, DATA), 0n);
  const tag = Object.keys(data["tags"] as object)[0] ?? "";
  const ofTag = (text: string): unknown =>
    readTrash(manifest({}, { ...data, tags: { [tag]: text } }));
  const kept = JSON.parse((data["tags"] as Record<string, string>)[tag] ?? "") as object;
  assert.ok(ofTag(JSON.stringify(kept)) !== undefined);
  for (const change of [
    { v: 2 },
    { id: "x" },
    { labels: { ...LABELS, type: "policy" } },
    { labels: { ...LABELS, username: "trash", hostname: "sejf" } },
    { labels: { type: "snapshot" } },
    { labels: { ...LABELS, path: 3 } },
    { source: undefined },
    { deleted: "yesterday" },
  ])
    assert.equal(ofTag(JSON.stringify({ ...kept, ...change })), undefined, JSON.stringify(change));
  fc.assert(
    fc.property(fc.json(), fc.string(), (json, text) => {
      readTrash(manifest({}, JSON.parse(json)));
      assert.equal(ofTag(json), undefined);
      assert.equal(ofTag(text), undefined);
    }),
    { numRuns: numRuns() },
  );
});
