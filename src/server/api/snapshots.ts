/** `snapshots`: lists, deletions, descriptions and pins. Spec: kopia-server 9. */
import type { Hono } from "hono";
import { z } from "zod";
import type { CallOptions } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import {
  changePins,
  compactPins,
  compactReasons,
  editSnapshot,
  effectivePolicy,
  formatSource,
  isTrash,
  loadSnapshot,
  loadSnapshots,
  removePolicy,
  retentionReasons,
  type SnapshotManifest,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { viewPolicies } from "../jobs/policy-view.ts";
import { ApiFailure, malformed } from "./failure.ts";
import { type SnapshotRow, snapshotRow } from "./json.ts";
import {
  absentOr,
  type ApiContext,
  bodyOf,
  fromJsonSource,
  recorded,
  servedBy,
  sourceOf,
  sourceSchema,
  text,
} from "./request.ts";
import type { ApiOptions, ServedRepository } from "./types.ts";

const idSchema = z.string().regex(/^[0-9a-f]{32}$/, "expected 32 hex digits");
const deleteSchema = z.object({
  source: sourceSchema,
  snapshotManifestIds: absentOr(z.array(idSchema)),
  deleteSourceAndPolicy: absentOr(z.boolean()),
});
const editSchema = z.object({
  snapshots: absentOr(z.array(idSchema)),
  description: absentOr(text),
  addPins: absentOr(z.array(text.min(1))),
  removePins: absentOr(z.array(text)),
});
type EditRequest = z.infer<typeof editSchema>;

export function addSnapshotRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.get("/snapshots", async (context) => jsonReply(await list(options, context)));
  app.post("/snapshots/delete", async (context) => {
    await deleteSnapshots(options, context);
    return jsonReply({});
  });
  app.post("/snapshots/edit", async (context) => jsonReply(await edit(options, context)));
}

async function list(options: ApiOptions, context: ApiContext): Promise<unknown> {
  const { repository } = servedBy(options);
  const { signal } = context.req.raw;
  const source = sourceOf(context);
  const { snapshots, unreadable } = await loadSnapshots(repository, source, { signal });
  for (const { id, message } of unreadable)
    options.log.warn({ manifest: id }, `a snapshot cannot be read and is left out: ${message}`);
  const sorted = snapshots.toSorted((a, b) => (a.startTimeNs < b.startTimeNs ? -1 : 1));
  const reasons = await reasonsOf(options, source, sorted, { signal });
  const rows = sorted.map((snapshot, index) => snapshotRow(snapshot, reasons[index] ?? []));
  const unique = uniqueRows(rows);
  return {
    snapshots: (context.req.query("all") ?? "") === "" ? unique : rows,
    unfilteredCount: rows.length,
    uniqueCount: unique.length,
  };
}

/** None where the policy cannot be read: the list is not worse for it. */
async function reasonsOf(
  options: ApiOptions,
  source: SnapshotSource,
  snapshots: readonly SnapshotManifest[],
  callOptions: CallOptions,
): Promise<readonly (readonly string[])[]> {
  const { repository } = servedBy(options);
  try {
    const view = await viewPolicies(repository.manifests, callOptions);
    const { retention } = await effectivePolicy(view, source, callOptions);
    return retentionReasons(snapshots, retention);
  } catch (error) {
    callOptions.signal?.throwIfAborted();
    const owner = `${source.username}@${source.hostname}`;
    const { code } = errorFromUnknown(error, "reading it");
    options.log.warn({ owner, code }, "a policy cannot be used");
    return [];
  }
}

/** Snapshots of one content are one row, with the reasons and pins of all. */
function uniqueRows(rows: readonly SnapshotRow[]): readonly SnapshotRow[] {
  const byRoot = new Map<string, SnapshotRow>();
  for (const row of rows) {
    const first = byRoot.get(row.rootID);
    byRoot.set(
      row.rootID,
      first === undefined
        ? row
        : {
            ...first,
            retention: [...first.retention, ...row.retention],
            pins: [...first.pins, ...row.pins],
          },
    );
  }
  return [...byRoot.values()].map((row) => ({
    ...row,
    retention: compactReasons(row.retention),
    pins: compactPins(row.pins),
  }));
}

async function deleteSnapshots(options: ApiOptions, context: ApiContext): Promise<void> {
  const served = servedBy(options);
  const request = await bodyOf(context, deleteSchema);
  const source = fromJsonSource(request.source);
  const target = formatSource(source);
  const all = request.deleteSourceAndPolicy === true;
  const action = all ? "source.delete" : "snapshot.delete";
  await recorded(options, context, { action, target }, async () => {
    await served.jobs.sources.list(source);
    if (!served.jobs.sources.has(source)) throw new ApiFailure("NOT_FOUND", "unknown source", 400);
    const ids = all
      ? await allOf(served, source)
      : await checkedIds(served, source, (request.snapshotManifestIds ?? []) as ManifestId[]);
    if (all) await served.jobs.sources.remove(source);
    const { manifests } = served.repository;
    const removed = served.trash?.manifests ?? manifests;
    for (const id of ids) await removed.delete(id);
    if (all) await removePolicy(manifests, source);
    await served.jobs.flush();
  });
}

/** Also those that cannot be read. */
async function allOf(
  { repository }: ServedRepository,
  { username, hostname, path }: SnapshotSource,
): Promise<readonly ManifestId[]> {
  if (username === "" || hostname === "" || path === "")
    throw malformed("a source has a host, a userName and a path");
  const labels = { type: "snapshot", username, hostname, path };
  return (await repository.manifests.find(labels)).map(({ id }) => id);
}

/** All are of the source, or none is deleted. */
async function checkedIds(
  { repository }: ServedRepository,
  source: SnapshotSource,
  ids: readonly ManifestId[],
): Promise<readonly ManifestId[]> {
  for (const id of ids) {
    const snapshot = await loadSnapshot(repository, id);
    if (formatSource(snapshot.source) !== formatSource(source))
      throw malformed(`snapshot ${id} is not of this source`);
  }
  return ids;
}

async function edit(options: ApiOptions, context: ApiContext): Promise<unknown> {
  const served = servedBy(options);
  const request = await bodyOf(context, editSchema);
  const rows: SnapshotRow[] = [];
  const ids = (request.snapshots ?? []) as ManifestId[];
  for (const id of ids) assertNoTrash(await loadSnapshot(served.repository, id)); // all or none
  await recorded(options, context, { action: "snapshot.edit", target: ids.join(" ") }, async () => {
    for (const id of ids) rows.push(snapshotRow(await editOne(served, id, request), []));
    await served.jobs.flush();
  });
  return rows;
}

/** Without its pin it would expire. */
function assertNoTrash({ id, source: { username, hostname } }: SnapshotManifest): void {
  if (isTrash({ username, hostname })) throw malformed(`snapshot ${id} is in the trash`);
}

async function editOne(
  { repository }: ServedRepository,
  id: ManifestId,
  { description, addPins, removePins }: EditRequest,
): Promise<SnapshotManifest> {
  let snapshot = await loadSnapshot(repository, id);
  snapshot = (await changePins(repository, snapshot, addPins ?? [], removePins ?? [])) ?? snapshot;
  if (typeof description !== "string") return snapshot;
  const newId = await editSnapshot(repository, snapshot.id, { description });
  return { ...snapshot, id: newId, description };
}
