import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Labels, Manifest, ManifestId } from "../../manifest/index.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { numRuns } from "../../testkit/property.ts";
import type { AccountName } from "../types.ts";
import { decode, encode, labelsOf } from "./record-codec.ts";

const ALICE = "alice@laptop" as AccountName;
const ID = "0123456789abcdef0123456789abcdef" as ManifestId;
const HASH = "ab".repeat(32);

function manifest(labels: Labels, data: unknown): Manifest {
  const stored: unknown = JSON.parse(JSON.stringify(data));
  return { id: ID, labels, data: stored, text: "", lengthBytes: 0, modified: 0n };
}

test("records: what is written is read", () => {
  const login = {
    id: ID,
    setup: ID,
    login: "record",
    delete: undefined,
    recipient: "age1pq1x",
    signingKey: new SeededRandom(1).bytes(32),
    escrow: ["0123456789abcdef"],
    enrolled: "2026-01-01T00:00:00Z",
    resetMs: 1_700_000_000_000,
  };
  assert.deepEqual(decode.login(manifest(labelsOf.login(ALICE), encode.login(login))), login);
  const device = {
    id: ID,
    device: "0123456789abcdef",
    name: "laptop",
    certificate: "{}\n",
    added: "2026-01-01T00:00:00Z",
    scope: "reader" as const,
    tokenSha256: HASH,
    revoked: undefined,
  };
  const labels = labelsOf.device(ALICE, device.device);
  assert.deepEqual(decode.device(manifest(labels, encode.device(device))), device);
  const session = decode.session(
    manifest(labelsOf.session(ALICE), encode.session(HASH, 1_700_000_000_999, ID)),
  );
  assert.deepEqual(session, { id: ID, tokenSha256: HASH, expiresMs: 1_700_000_000_000, login: ID });
  assert.deepEqual(decode.document(manifest(labelsOf.document(ALICE, "keyring", 12), {})), {
    id: ID,
    version: 12,
  });
  const group = {
    manifestId: ID,
    id: "0123456789abcdef".repeat(2),
    epoch: 3,
    file: "file",
    members: [ALICE],
    admins: [ALICE],
    probe: "own" as const,
    keep: true,
  };
  for (const one of [group, { ...group, keep: false }])
    assert.deepEqual(decode.group(manifest(labelsOf.group(group.id, 3), encode.group(one))), one);
  const join = {
    manifestId: ID,
    inviteId: group.id,
    group: group.id,
    account: ALICE,
    recipient: "age1pq1x",
    mac: "mac",
    key: "key",
    keyMac: "of the key",
  };
  for (const one of [join, { ...join, key: undefined, keyMac: undefined }])
    assert.deepEqual(decode.join(manifest(labelsOf.join(group.id, ALICE), encode.join(one))), one);
});

test("records: any data and any labels give a record or nothing, never an error", () => {
  const anything = fc.record({
    labels: fc.dictionary(fc.string({ maxLength: 8 }), fc.string({ maxLength: 20 })),
    data: fc.oneof(
      fc.jsonValue(),
      fc.record({ v: fc.constant(1), expires: fc.string(), version: fc.nat(), text: fc.string() }),
    ),
  });
  fc.assert(
    fc.property(anything, ({ labels, data }) => {
      const item = manifest(labels, data);
      for (const one of Object.values(decode)) one(item);
    }),
    { numRuns: numRuns() },
  );
});

test("decode.document: versions that are no number count as no document", () => {
  for (const version of ["0", "-1", "1e3", "01", "9".repeat(20), ""])
    assert.equal(
      decode.document(manifest({ type: "x", username: ALICE, name: "keyring", version }, {})),
      undefined,
      version,
    );
});
