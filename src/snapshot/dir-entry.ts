/**
 * Directory entries and summaries as JSON, in Go's bytes. One entry a file: the encoder writes text directly, the
 * decoder checks every field of what `JSON.parse` gives. Spec: kopia-snapshots 3.2.
 */
import { formatTimestamp, goJsonString } from "../bytes/index.ts";
import { isObjectId } from "../object/index.ts";
import {
  asArray,
  asCount,
  asObject,
  asText,
  asTime,
  corrupt,
  shown,
  unknownMembers,
  unknownText,
} from "./json-fields.ts";
import { formatMode, parseMode } from "./mode.ts";
import { isEntryName } from "./names.ts";
import type { DirectorySummary, DirEntry, FailedEntry } from "./types.ts";

const MAX_ID = 2 ** 32 - 1;
const ENTRY_MEMBERS = ["name", "type", "mode", "size", "mtime", "uid", "gid", "obj", "summ"];
const SUMMARY_MEMBERS = [
  "size",
  "files",
  "symlinks",
  "dirs",
  "maxTime",
  "incomplete",
  "numFailed",
  "numIgnoredErrors",
  "errors",
];

/** One entry, compact. */
export function entryText(entry: DirEntry): string {
  const mode = formatMode(entry.mode);
  let text = entry.name === "" ? "{" : `{"name":${goJsonString(entry.name)},`;
  if (entry.type !== "")
    text += `"type":${entry.type.length === 1 ? `"${entry.type}"` : goJsonString(entry.type)},`;
  if (mode !== "") text += `"mode":"${mode}",`;
  if (entry.sizeBytes !== 0) text += `"size":${entry.sizeBytes},`;
  if (entry.mtimeNs !== 0n) text += `"mtime":"${formatTimestamp(entry.mtimeNs)}",`;
  if (entry.uid !== 0) text += `"uid":${entry.uid},`;
  if (entry.gid !== 0) text += `"gid":${entry.gid},`;
  text += `"obj":"${entry.object}"`;
  if (entry.summary !== undefined) text += `,"summ":${summaryText(entry.summary)}`;
  return entry.unknown === undefined ? `${text}}` : `${text}${unknownText(entry.unknown)}}`;
}

export function summaryText(summary: DirectorySummary): string {
  const {
    sizeBytes,
    files,
    symlinks,
    directories,
    maxTimeNs,
    incomplete,
    failed,
    ignoredErrors,
    errors,
  } = summary;
  let text = `{"size":${sizeBytes},"files":${files},"symlinks":${symlinks},"dirs":${directories},"maxTime":"${formatTimestamp(maxTimeNs)}"`;
  if (incomplete !== undefined && incomplete !== "")
    text += `,"incomplete":${goJsonString(incomplete)}`;
  text += `,"numFailed":${failed}`;
  if (ignoredErrors !== 0) text += `,"numIgnoredErrors":${ignoredErrors}`;
  if (errors.length > 0) text += `,"errors":[${errors.map(failureText).join(",")}]`;
  return `${text}${unknownText(summary.unknown)}}`;
}

function failureText({ path, error }: FailedEntry): string {
  return `{"path":${goJsonString(path)},"error":${goJsonString(error)}}`;
}

/** An entry of a directory: its name must be one that a directory can hold. @throws SEJF_CORRUPT. */
export function decodeEntry(value: unknown, what: string): DirEntry {
  const entry = decodeRootEntry(value, what);
  if (!isEntryName(entry.name)) throw corrupt(`${what} has the name ${shown(entry.name)}`);
  return entry;
}

/** The root of a snapshot, whose name is only a label. @throws SEJF_CORRUPT. */
export function decodeRootEntry(value: unknown, what: string): DirEntry {
  const json = asObject(value, what);
  const object = json["obj"];
  if (typeof object !== "string" || !isObjectId(object))
    throw corrupt(`${what} has the object ID ${shown(object)}`);
  const entry = {
    name: asText(json["name"], what).toWellFormed(),
    type: asText(json["type"], what),
    mode: parseMode(json["mode"]),
    sizeBytes: asCount(json["size"], what),
    mtimeNs: asTime(json["mtime"], what),
    uid: asOwner(json["uid"], what),
    gid: asOwner(json["gid"], what),
    object,
  };
  const unknown = unknownMembers(json, ENTRY_MEMBERS);
  const known =
    json["summ"] === undefined || json["summ"] === null
      ? entry
      : { ...entry, summary: decodeSummary(json["summ"], what) };
  return unknown === undefined ? known : { ...known, unknown };
}

function asOwner(value: unknown, what: string): number {
  const id = asCount(value, what);
  if (id > MAX_ID) throw corrupt(`${what} has the owner ${id}`);
  return id;
}

/** @throws SEJF_CORRUPT. */
export function decodeSummary(value: unknown, what: string): DirectorySummary {
  const json = asObject(value, `summary of ${what}`);
  const incomplete = asText(json["incomplete"], what);
  const summary = {
    sizeBytes: asCount(json["size"], what),
    files: asCount(json["files"], what),
    symlinks: asCount(json["symlinks"], what),
    directories: asCount(json["dirs"], what),
    maxTimeNs: asTime(json["maxTime"], what),
    failed: asCount(json["numFailed"], what),
    ignoredErrors: asCount(json["numIgnoredErrors"], what),
    errors: asArray(json["errors"], what).map((failure) => decodeFailure(failure, what)),
  };
  const known = incomplete === "" ? summary : { ...summary, incomplete };
  const unknown = unknownMembers(json, SUMMARY_MEMBERS);
  return unknown === undefined ? known : { ...known, unknown };
}

function decodeFailure(value: unknown, what: string): FailedEntry {
  const json = asObject(value, `error of ${what}`);
  return { path: asText(json["path"], what), error: asText(json["error"], what) };
}
