/** The stored form of items: a gzip stream of one JSON object with the entries of a flush. Spec: kopia-snapshots 2.1. */
import {
  bytesToUtf8,
  formatTimestamp,
  goJson,
  goJsonString,
  type OwnedBytes,
  parseTimestamp,
  type TimestampNs,
  utf8ToBytes,
} from "../bytes/index.ts";
import type { CompressionEngine } from "../compress/index.ts";
import { SejfError } from "../errors/index.ts";
import { arrayElements, objectMembers } from "./json-spans.ts";
import type { Labels, ManifestId } from "./types.ts";

/** A content is never longer, and no more is ever inflated. */
const MAX_PLAIN_BYTES = 2 ** 28;
const GZIP_LEVEL = 6;

/** An item or the deletion of one. */
export interface StoredEntry {
  readonly id: ManifestId;
  /** Empty for a deletion. */
  readonly labels: Labels;
  readonly modified: TimestampNs;
  readonly deleted: boolean;
  /** The item as JSON text; `null` for a deletion. */
  readonly data: string;
  /** The whole entry as JSON text, members that this program does not know included. */
  readonly text: string;
}

/** 32 lower-case hex digits, as Kopia makes them. */
export function isManifestId(text: string): text is ManifestId {
  return /^[0-9a-f]{32}$/.test(text);
}

export function itemEntry(
  id: ManifestId,
  labels: Labels,
  modified: TimestampNs,
  data: string,
): StoredEntry {
  const sorted = Object.keys(labels).toSorted(compareBytes);
  const labelsText = sorted
    .map((key) => `${goJsonString(key)}:${goJsonString(labels[key] as string)}`)
    .join(",");
  const text = `{"id":"${id}","labels":{${labelsText}},"modified":"${formatTimestamp(modified)}","data":${data}}`;
  return { id, labels: { ...labels }, modified, deleted: false, data, text };
}

export function deletionEntry(id: ManifestId, modified: TimestampNs): StoredEntry {
  const text = `{"id":${goJson(id)},"labels":null,"modified":"${formatTimestamp(modified)}","deleted":true,"data":null}`;
  return { id, labels: {}, modified, deleted: true, data: "null", text };
}

function compareBytes(a: string, b: string): number {
  const left = utf8ToBytes(a);
  const right = utf8ToBytes(b);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function encodeEntries(
  entries: readonly StoredEntry[],
  compression: CompressionEngine,
): OwnedBytes {
  return compression.gzip(
    utf8ToBytes(`{"entries":[${entries.map((entry) => entry.text).join(",")}]}\n`),
    GZIP_LEVEL,
  );
}

/** @throws SEJF_CORRUPT. */
export function decodeEntries(
  payload: Uint8Array,
  compression: CompressionEngine,
): readonly StoredEntry[] {
  const members = objectMembers(bytesToUtf8(compression.gunzip(payload, MAX_PLAIN_BYTES)));
  const found = [...members].filter(([key]) => key.toLowerCase() === "entries");
  if (found.length > 1) throw corrupt("entries are there twice");
  return arrayElements(found[0]?.[1] ?? "null").map(decodeEntry);
}

function decodeEntry(text: string): StoredEntry {
  const members = objectMembers(text);
  const id = parseMember(members, "id");
  if (typeof id !== "string" || id === "") throw corrupt("an item has no ID");
  const modified = parseMember(members, "modified");
  if (typeof modified !== "string") throw corrupt(`item ${id} has no time`);
  const deleted = parseMember(members, "deleted") ?? false;
  if (typeof deleted !== "boolean")
    throw corrupt(`item ${id} has a mark of deletion that is no boolean`);
  const data = members.get("data") ?? "null";
  parseText(data);
  return {
    id: id as ManifestId,
    labels: decodeLabels(parseMember(members, "labels"), id),
    modified: parseTimestamp(modified),
    deleted,
    data,
    text,
  };
}

function decodeLabels(value: unknown, id: string): Labels {
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw corrupt(`item ${id} has labels that are no object`);
  const labels = Object.entries(value as Readonly<Record<string, unknown>>);
  for (const [key, label] of labels) {
    if (typeof label !== "string")
      throw corrupt(`item ${id} has a label ${JSON.stringify(key)} that is no text`);
  }
  return Object.fromEntries(labels) as Labels;
}

function parseMember(members: ReadonlyMap<string, string>, key: string): unknown {
  const text = members.get(key);
  return text === undefined ? undefined : parseText(text);
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", "malformed JSON in an item", { cause: error });
  }
}

function corrupt(what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", what);
}
