/**
 * Snapshots that were deleted on a server and are kept for a while: each is an ordinary snapshot of the source
 * `trash@sejf:/<user@host>/<manifest ID>` with a pin, so that a stock kopia neither expires it nor collects its contents.
 * What it was is in a tag. Spec: sealed 9.
 */
import { formatTimestamp, type TimestampNs } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import type { Labels, Manifest, ManifestId } from "../manifest/index.ts";
import { asArray, asObject, asText, asTime, type JsonObject } from "./json-fields.ts";

const USERNAME = "trash";
const HOSTNAME = "sejf";
const PIN = "sejf-trash";
const TAG = "tag:sejf-trash";

/** Labels of everything in the trash. */
export const TRASH_LABELS: Labels = { type: "snapshot", username: USERNAME, hostname: HOSTNAME };

/** A snapshot in the trash. */
export interface TrashedManifest {
  /** That it had: what users know it by. */
  readonly id: ManifestId;
  /** The manifest in the trash. */
  readonly manifestId: ManifestId;
  /** `user@host` of its source. */
  readonly owner: string;
  readonly path: string;
  /** RFC 3339. */
  readonly startTime: string;
  /** By the clock of who deleted it, or of who wrote the manifest later. */
  readonly deletedNs: TimestampNs;
  /** To be put to bring it back. */
  readonly original: { readonly labels: Labels; readonly data: JsonObject };
}

/** Also what is damaged or no snapshot of ours, as long as it is filed there. */
export function isTrash(labels: Labels): boolean {
  return labels["username"] === USERNAME && labels["hostname"] === HOSTNAME;
}

/** The labels of one in the trash by its former ID. */
export function trashLabels(owner: string, id: string): Labels {
  return { ...TRASH_LABELS, path: `/${owner}/${id}` };
}

/** Whose it was; `undefined` for what is not in the trash. */
export function trashOwner(
  labels: Labels,
): { readonly username: string; readonly hostname: string } | undefined {
  const [, username, hostname] = isTrash(labels)
    ? (/^\/([^@/]+)@([^/]+)\/[0-9a-f]{32}$/.exec(labels["path"] ?? "") ?? [])
    : [];
  return username === undefined || hostname === undefined ? undefined : { username, hostname };
}

/** What is put in place of a snapshot that is deleted. @throws SEJF_CORRUPT for what is no snapshot. */
export function toTrash(
  { id, labels, data }: Manifest,
  deletedNs: TimestampNs,
): { readonly labels: Labels; readonly data: JsonObject } {
  const { source, pins, tags, ...rest } = asObject(data, `snapshot ${id}`);
  const { username = "", hostname = "" } = labels;
  const place = trashLabels(`${username}@${hostname}`, id);
  const kept = { v: 1, id, deleted: formatTimestamp(deletedNs), labels, source, pins, tags };
  const tag = { [TAG]: JSON.stringify(kept) };
  return {
    labels: { ...tag, ...place },
    data: {
      ...rest,
      id: "",
      source: { host: HOSTNAME, userName: USERNAME, path: place["path"] },
      tags: tag,
      pins: [PIN],
    },
  };
}

/** `undefined` for what cannot be understood: nobody can bring it back. */
export function readTrash(item: Manifest): TrashedManifest | undefined {
  try {
    return decodeTrash(item);
  } catch (error) {
    if (isSejfError(error, "SEJF_CORRUPT") || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function decodeTrash({ id: manifestId, data, modified }: Manifest): TrashedManifest | undefined {
  const { tags, pins: _pins, source: _source, ...rest } = asObject(data, `snapshot ${manifestId}`);
  const tag = asText(asObject(tags, "its tags")[TAG], "its tag");
  const kept = asObject(JSON.parse(tag), "its tag");
  const id = asText(kept["id"], "its former ID");
  if (kept["v"] !== 1 || !/^[0-9a-f]{32}$/.test(id)) return undefined;
  const labels = labelsIn(asObject(kept["labels"], "its former labels"));
  const { username, hostname, path } = labels;
  if (labels["type"] !== "snapshot" || isTrash(labels)) return undefined;
  if (username === undefined || hostname === undefined || path === undefined) return undefined;
  const deletedNs = asTime(kept["deleted"], "its time of deletion");
  return {
    id: id as ManifestId,
    manifestId,
    owner: `${username}@${hostname}`,
    path,
    startTime: asText(rest["startTime"], "its start"),
    deletedNs: modified > deletedNs ? modified : deletedNs,
    original: {
      labels,
      data: {
        ...rest,
        source: asObject(kept["source"], "its former source"),
        ...(kept["pins"] === undefined ? {} : { pins: asArray(kept["pins"], "its pins") }),
        ...(kept["tags"] === undefined ? {} : { tags: asObject(kept["tags"], "its tags") }),
      },
    },
  };
}

function labelsIn(json: JsonObject): Labels {
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name, asText(value, `the label ${name}`)]),
  );
}
