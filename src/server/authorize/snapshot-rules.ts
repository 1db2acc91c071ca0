/**
 * Snapshots from clients: what the JSON says must be what the labels say, which decide who may see it. From accounts
 * that may only add, the dates must be true: retention goes by them. Spec: kopia-server 8.3, 12; attacks 1.
 */
import {
  type CallOptions,
  type Clock,
  formatTimestamp,
  type TimestampNs,
} from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { Labels, ManifestId, ManifestStore } from "../../manifest/index.ts";
import { decodeSnapshot, type SnapshotManifest } from "../../snapshot/index.ts";
import { QuotaError } from "../holding/index.ts";
import type { AccessRights, Account } from "../types.ts";
import { assertExactMembers } from "./folded-members.ts";
import { kindOfLabels, tagLabels } from "./label-sets.ts";

const WINDOW_MS = 5 * 60_000;
const MEMBERS: readonly string[] = [
  "id",
  "source",
  "description",
  "startTime",
  "endTime",
  "stats",
  "incomplete",
  "rootEntry",
  "tags",
  "pins",
];
const ENTRY_MEMBERS: readonly string[] = [
  "name",
  "type",
  "mode",
  "size",
  "mtime",
  "uid",
  "gid",
  "obj",
  "summ",
];

export interface NewSnapshot {
  readonly account: Account;
  readonly rights: AccessRights;
  readonly labels: Labels;
  readonly json: object;
  readonly manifests: Pick<ManifestStore, "find" | "get">;
  readonly clock: Clock;
  /** Of an account that may only add; 0: any number. */
  readonly maxSnapshots: number;
}

/** @throws SEJF_INVALID_ARGUMENT, SEJF_CORRUPT, SEJF_ACCESS_DENIED. */
export async function assertSnapshot(snapshot: NewSnapshot, options: CallOptions): Promise<void> {
  const { account, rights, labels, json } = snapshot;
  assertExactMembers(json, MEMBERS, "the snapshot");
  const decoded = decodeSnapshot("" as ManifestId, json);
  assertExactMembers(
    (json as { source: object }).source,
    ["host", "userName", "path"],
    "its source",
  );
  const { rootEntry } = json as { readonly rootEntry?: object | null };
  if (rootEntry !== undefined && rootEntry !== null)
    assertExactMembers(rootEntry, ENTRY_MEMBERS, "its root");
  assertAgrees(labels, decoded);
  if (account.appendOnly || rights.manifest(labels) !== "FULL") {
    await assertDates(snapshot, decoded, options);
    await assertFew(snapshot, options);
  }
}

/**
 * What nobody may delete must not come without end: every manifest is in everybody's memory.
 * @throws QuotaError with SEJF_NO_SPACE.
 */
async function assertFew(
  { account, labels, manifests, maxSnapshots }: NewSnapshot,
  options: CallOptions,
): Promise<void> {
  if (maxSnapshots === 0) return;
  const { hostname = "", username = "" } = labels;
  const { length } = await manifests.find({ type: "snapshot", hostname, username }, options);
  if (length < maxSnapshots) return;
  throw new QuotaError(
    "SEJF_NO_SPACE",
    `${account.name} may only add and has ${length} snapshots already, at most ${maxSnapshots} are allowed`,
    { hint: "ask the server's operator, who has --append-only-max-snapshots and retention for it" },
  );
}

function assertAgrees(labels: Labels, { source, tags }: SnapshotManifest): void {
  for (const name of ["hostname", "username", "path"] as const) {
    if (source[name] !== labels[name])
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `the snapshot has ${name} ${JSON.stringify(source[name])}, its label says ${JSON.stringify(labels[name])}`,
      );
  }
  const labelled = tagLabels(labels);
  const keys = new Set([...Object.keys(labelled), ...Object.keys(tags)]);
  for (const key of keys) {
    if (!Object.hasOwn(tags, key) || tags[key] !== labelled[key])
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `the tag ${JSON.stringify(key)} of the snapshot differs from its label`,
      );
  }
}

/** Ends about now, and begins after the last complete one of the source did. */
async function assertDates(
  snapshot: NewSnapshot,
  { startTimeNs, endTimeNs, incomplete }: SnapshotManifest,
  options: CallOptions,
): Promise<void> {
  const nowMs = snapshot.clock.nowMs();
  const windowNs = BigInt(WINDOW_MS) * 1_000_000n;
  const nowNs = BigInt(Math.round(nowMs)) * 1_000_000n;
  if (endTimeNs > nowNs + windowNs || endTimeNs < nowNs - windowNs)
    throw wrongDate(
      `the snapshot ends at ${formatTimestamp(endTimeNs)}, and it is ${formatTimestamp(nowNs)} here`,
      "set the client's clock; an account that may only add cannot choose the time of a snapshot",
    );
  if (startTimeNs > endTimeNs) throw wrongDate("the snapshot begins after its end");
  if (incomplete !== undefined) return;
  const previous = await newestStart(snapshot, nowNs + windowNs, options);
  if (previous !== undefined && startTimeNs <= previous)
    throw wrongDate(
      `the snapshot begins at ${formatTimestamp(startTimeNs)}, not after the last one of ${formatTimestamp(previous)}`,
      "if two backups of it ran at once, the other one is stored: nothing is lost",
    );
}

/**
 * Of the complete one received last. One that lies in the future, from a time when the account was free to choose, does
 * not count: it would forbid all others.
 */
async function newestStart(
  { labels, manifests }: NewSnapshot,
  latestNs: TimestampNs,
  options: CallOptions,
): Promise<TimestampNs | undefined> {
  const { hostname = "", username = "", path = "" } = labels;
  const found = await manifests.find({ type: "snapshot", hostname, username, path }, options);
  for (const { id, labels: theirs } of found.toReversed()) {
    if (kindOfLabels(theirs) !== "snapshot") continue;
    const { incomplete, startTimeNs } = decodeSnapshot(id, (await manifests.get(id, options)).data);
    if (incomplete === undefined && startTimeNs <= latestNs) return startTimeNs;
  }
  return undefined;
}

function wrongDate(message: string, hint?: string): SejfError {
  return new SejfError("SEJF_ACCESS_DENIED", `access denied: ${message}`, { hint });
}
