/** From what a user types to an entry of a tree: snapshot IDs, object IDs, paths of sources. Spec: kopia-snapshots 3.4, 6.1. */
import type { CallOptions, TimestampNs } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import { type ObjectId, objectPrefix, openObject, toObjectId } from "../object/index.ts";
import { isObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { entryText } from "./dir-entry.ts";
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

/** Which snapshot is meant where a path is given. */
export interface SnapshotChoice {
  /** Only snapshots that started no later count. */
  readonly notAfterNs?: TimestampNs | undefined;
  /** Of these the newest that has the path, or the oldest. Default newest. */
  readonly order?: "newest" | "oldest" | undefined;
}

export interface ResolveOptions extends CallOptions, SnapshotChoice {
  /** Refuses an object that is the root of several snapshots which differ in its attributes; else the newest's count. */
  readonly consistentAttributes?: boolean | undefined;
}

/**
 * `<snapshot ID>[/path]`, `<object ID>[/path]`, or a path of a source, `[user@host:]path`: in the newest complete
 * snapshot, of it or of a folder above it, that has it. @throws SEJF_NOT_FOUND; SEJF_INVALID_ARGUMENT for no path and
 * for attributes that are not consistent.
 */
export async function resolveObjectPath(
  repository: Repository,
  text: string,
  options: ResolveOptions = {},
): Promise<ResolvedObject> {
  const [head = "", ...rest] = text.split("/");
  const path = rest.filter((part) => part !== "");
  const consistentAttributes = options.consistentAttributes === true && path.length === 0;
  const start = await resolveStart(repository, head, { ...options, consistentAttributes });
  if (start !== undefined)
    return {
      ...start,
      entry: await findEntry(repository, start.entry, path, options),
      path: path.join("/"),
    };
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
  const snapshots = (await listSnapshots(repository, { signal: options.signal })).filter(
    (one) => one.rootEntry?.object === object,
  );
  if (options.consistentAttributes === true) assertConsistent(object, snapshots);
  const snapshot = byTime(snapshots, "newest")[0];
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

function assertConsistent(object: ObjectId, snapshots: readonly SnapshotManifest[]): void {
  const roots = new Set(snapshots.map((snapshot) => entryText(rootOf(snapshot))));
  if (roots.size <= 1) return;
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `${object} is the root of ${snapshots.length} snapshots, which differ in its attributes`,
    { hint: "give the ID of the snapshot that is meant; `snapshot list` shows them" },
  );
}

function byTime(
  snapshots: readonly SnapshotManifest[],
  order: "newest" | "oldest",
): readonly SnapshotManifest[] {
  const sign = order === "oldest" ? 1 : -1;
  return snapshots.toSorted((a, b) =>
    a.startTimeNs === b.startTimeNs ? 0 : a.startTimeNs < b.startTimeNs ? -sign : sign,
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
  const { sizeBytes } = await openNamed(repository, object, options);
  return { ...common, name: object, type: "f", mode: 0o644, sizeBytes };
}

/** Snapshot IDs look like object IDs: what was not found may have been meant as either. */
async function openNamed(
  repository: Repository,
  object: ObjectId,
  options: CallOptions,
): Promise<{ readonly sizeBytes: number }> {
  try {
    return await openObject(repository.contents, object, options);
  } catch (error) {
    if (!isSejfError(error, "SEJF_CONTENT_NOT_FOUND")) throw error;
    throw new SejfError("SEJF_NOT_FOUND", `there is no snapshot or object ${object}`, {
      cause: error,
      hint: "`snapshot list` shows the IDs of snapshots, `ls` those of the objects in them",
    });
  }
}

/** In the first snapshot, by the order asked for, that has the path: whether it is of the path or of a folder above. */
async function resolvePath(
  repository: Repository,
  source: SnapshotSource,
  options: ResolveOptions,
): Promise<ResolvedObject> {
  const { signal, notAfterNs, order = "newest" } = options;
  const { username, hostname } = source;
  const levels = new Map(pathAndParents(source.path));
  const all = (await listSnapshots(repository, { signal, source: { username, hostname } })).filter(
    (one) =>
      one.incomplete === undefined &&
      one.rootEntry !== undefined &&
      levels.has(one.source.path) &&
      (notAfterNs === undefined || one.startTimeNs <= notAfterNs),
  );
  for (const snapshot of byTime(all, order)) {
    const below = levels.get(snapshot.source.path) ?? [];
    try {
      const entry = await findEntry(repository, rootOf(snapshot), below, { signal });
      return { snapshot, entry, path: below.join("/") };
    } catch (error) {
      if (!isSejfError(error, "SEJF_NOT_FOUND")) throw error;
    }
  }
  throw new SejfError(
    "SEJF_NOT_FOUND",
    all.length === 0
      ? `there is no complete snapshot of ${formatSource(source)} or of a folder above it`
      : `none of ${all.length} snapshots has ${formatSource(source)}`,
    {
      hint: "`snapshot list --all` shows what there is; any snapshot or object can be named by its ID",
    },
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
