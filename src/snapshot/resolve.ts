/** From what a user types to an entry of a tree: snapshot IDs, object IDs, paths of sources. Spec: kopia-snapshots 3.4, 6.1. */
import type { CallOptions, TimestampNs } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import { type ObjectId, objectPrefix, openObject, toObjectId } from "../object/index.ts";
import { isObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { listSnapshots, loadSnapshot } from "./snapshots.ts";
import { formatSource, parseSource } from "./source.ts";
import { findEntry } from "./tree.ts";
import type { DirEntry, SnapshotManifest, SnapshotSource } from "./types.ts";

const MANIFEST_ID = /^[0-9a-f]{32}$/;

export interface ResolvedObject {
  /** Name, type, attributes and object; of a bare object ID made up as Kopia does: directory 0555, file 0644. */
  readonly entry: DirEntry;
  /** The snapshot it was found in. */
  readonly snapshot: SnapshotManifest | undefined;
  /** Below the snapshot's (or object's) root, empty for the root. */
  readonly path: string;
}

export interface ResolveOptions extends CallOptions {
  /** Only snapshots that started no later count, where one is chosen by path or object. */
  readonly notAfterNs?: TimestampNs | undefined;
}

/**
 * `<snapshot ID>[/path]`, `<object ID>[/path]`, or `[user@host:]/path`: the newest snapshot of that path or of the
 * nearest parent. @throws SEJF_NOT_FOUND; SEJF_INVALID_ID for what is none of these.
 */
export async function resolveObjectPath(
  repository: Repository,
  text: string,
  options: ResolveOptions = {},
): Promise<ResolvedObject> {
  const [head = "", ...rest] = text.split("/");
  const path = rest.filter((part) => part !== "");
  const start = await resolveStart(repository, head, options);
  if (start !== undefined)
    return {
      ...start,
      entry: await findEntry(repository, start.entry, path, options),
      path: path.join("/"),
    };
  if (!text.includes("/") && !text.includes("\\")) {
    throw new SejfError("SEJF_NOT_FOUND", `there is no snapshot or object ${text}`, {
      hint: "give the ID of a snapshot or an object, or a path; `snapshot list` shows the snapshots",
    });
  }
  return resolvePath(repository, parseSource(text, repository.identity), options);
}

async function resolveStart(
  repository: Repository,
  head: string,
  options: ResolveOptions,
): Promise<Omit<ResolvedObject, "path"> | undefined> {
  if (MANIFEST_ID.test(head)) {
    const snapshot = await snapshotOrNothing(repository, head as ManifestId, options);
    if (snapshot !== undefined) return { snapshot, entry: rootOf(snapshot) };
  }
  if (!isObjectId(head)) return undefined;
  const object = toObjectId(head);
  const snapshots = (await listSnapshots(repository, options)).filter(
    (one) => one.rootEntry?.object === object && isInTime(one, options),
  );
  const snapshot = newest(snapshots);
  return snapshot === undefined
    ? { snapshot, entry: await madeUpEntry(repository, object, options) }
    : { snapshot, entry: rootOf(snapshot) };
}

async function snapshotOrNothing(
  repository: Repository,
  id: ManifestId,
  options: CallOptions,
): Promise<SnapshotManifest | undefined> {
  try {
    return await loadSnapshot(repository, id, options);
  } catch (error) {
    if (isSejfError(error, "SEJF_NOT_FOUND")) return undefined;
    throw error;
  }
}

function rootOf(snapshot: SnapshotManifest): DirEntry {
  if (snapshot.rootEntry === undefined)
    throw new SejfError("SEJF_NOT_FOUND", `snapshot ${snapshot.id} has no root`);
  return snapshot.rootEntry;
}

function isInTime(snapshot: SnapshotManifest, { notAfterNs }: ResolveOptions): boolean {
  return notAfterNs === undefined || snapshot.startTimeNs <= notAfterNs;
}

function newest(snapshots: readonly SnapshotManifest[]): SnapshotManifest | undefined {
  return snapshots.reduce<SnapshotManifest | undefined>(
    (best, one) => (best === undefined || one.startTimeNs > best.startTimeNs ? one : best),
    undefined,
  );
}

/** An object says nothing of its name and attributes. */
async function madeUpEntry(
  repository: Repository,
  object: ObjectId,
  options: CallOptions,
): Promise<DirEntry> {
  const common = { mtimeNs: 0n, uid: 0, gid: 0, object };
  if (objectPrefix(object) === "k")
    return { ...common, name: "/", type: "d", mode: 0o555, sizeBytes: 0 };
  const { sizeBytes } = await openObject(repository.contents, object, options);
  return { ...common, name: object, type: "f", mode: 0o644, sizeBytes };
}

/** The newest snapshot of the path, else of the nearest parent that has one. */
async function resolvePath(
  repository: Repository,
  source: SnapshotSource,
  options: ResolveOptions,
): Promise<ResolvedObject> {
  const { username, hostname } = source;
  const all = await listSnapshots(repository, {
    signal: options.signal,
    source: { username, hostname },
  });
  for (const [path, below] of pathAndParents(source.path)) {
    const snapshot = newest(
      all.filter(
        (one) => one.source.path === path && isInTime(one, options) && one.rootEntry !== undefined,
      ),
    );
    if (snapshot === undefined) continue;
    return {
      snapshot,
      entry: await findEntry(repository, rootOf(snapshot), below, options),
      path: below.join("/"),
    };
  }
  throw new SejfError(
    "SEJF_NOT_FOUND",
    `there is no snapshot of ${formatSource(source)} or of a folder above it`,
    { hint: "`snapshot list --all` shows what there is" },
  );
}

/** The path itself, then its parents up to the root, each with what lies below it. */
function* pathAndParents(
  path: string,
): Generator<readonly [path: string, below: readonly string[]], void, void> {
  const separator = path.includes("/") ? "/" : "\\";
  const below: string[] = [];
  let at = path;
  for (;;) {
    yield [at, [...below]];
    const cut = at.lastIndexOf(separator);
    if (cut === -1 || at === separator || at.endsWith(`:${separator}`)) return;
    below.unshift(at.slice(cut + 1));
    at = cut === 0 || at[cut - 1] === ":" ? at.slice(0, cut + 1) : at.slice(0, cut);
  }
}
