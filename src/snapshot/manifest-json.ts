/** Snapshot manifests as JSON. Spec: kopia-snapshots 3.4. */
import { formatTimestamp } from "../bytes/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import { decodeRootEntry, entryText } from "./dir-entry.ts";
import {
  asArray,
  asCount,
  asObject,
  asText,
  asTime,
  corrupt,
  type JsonObject,
} from "./json-fields.ts";
import type { SnapshotManifest, SnapshotSource, SnapshotStats } from "./types.ts";

const KNOWN = new Set([
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
]);

const STATS_KEYS = [
  "totalSize",
  "excludedTotalSize",
  "fileCount",
  "cachedFiles",
  "nonCachedFiles",
  "dirCount",
  "excludedFileCount",
  "excludedDirCount",
  "ignoredErrorCount",
  "errorCount",
] as const satisfies readonly (keyof SnapshotStats)[];

export const NO_STATS: SnapshotStats = Object.fromEntries(
  STATS_KEYS.map((key) => [key, 0]),
) as unknown as SnapshotStats;

/** @throws SEJF_CORRUPT, naming the manifest. */
export function decodeSnapshot(id: ManifestId, data: unknown): SnapshotManifest {
  const what = `snapshot ${id}`;
  const json = asObject(data, what);
  const source = asObject(json["source"], `source of ${what}`);
  const root = json["rootEntry"];
  const incomplete = asText(json["incomplete"], what);
  const manifest = {
    id,
    source: {
      hostname: asText(source["host"], what),
      username: asText(source["userName"], what),
      path: asText(source["path"], what),
    },
    description: asText(json["description"], what),
    startTimeNs: asTime(json["startTime"], what),
    endTimeNs: asTime(json["endTime"], what),
    stats: decodeStats(json["stats"], what),
    rootEntry:
      root === undefined || root === null
        ? undefined
        : decodeRootEntry(root, `root entry of ${what}`),
    tags: decodeTags(json["tags"], what),
    pins: asArray(json["pins"], what).map((pin) => asText(pin, what)),
    unknown: Object.fromEntries(Object.entries(json).filter(([key]) => !KNOWN.has(key))),
  };
  return incomplete === "" ? manifest : { ...manifest, incomplete };
}

function decodeStats(value: unknown, what: string): SnapshotStats {
  if (value === undefined || value === null) return NO_STATS;
  const json = asObject(value, `stats of ${what}`);
  return Object.fromEntries(
    STATS_KEYS.map((key) => [key, asCount(json[key], what)]),
  ) as unknown as SnapshotStats;
}

function decodeTags(value: unknown, what: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  return Object.fromEntries(
    Object.entries(asObject(value, `tags of ${what}`)).map(([key, text]) => {
      if (typeof text !== "string")
        throw corrupt(`${what} has a tag ${JSON.stringify(key)} that is no text`);
      return [key, text];
    }),
  );
}

/** In Kopia's order of keys, the real ID included. `withStats` false leaves the counts of the run out. */
export function snapshotToJson(
  manifest: SnapshotManifest,
  options: { readonly withStats?: boolean | undefined } = {},
): Record<string, unknown> {
  const {
    id,
    source,
    description,
    startTimeNs,
    endTimeNs,
    stats,
    incomplete,
    rootEntry,
    tags,
    pins,
    unknown,
  } = manifest;
  return {
    id,
    source: sourceToJson(source),
    description,
    startTime: formatTimestamp(startTimeNs),
    endTime: formatTimestamp(endTimeNs),
    ...(options.withStats === false ? {} : { stats: statsToJson(stats) }),
    ...(incomplete === undefined ? {} : { incomplete }),
    rootEntry: rootEntry === undefined ? null : (JSON.parse(entryText(rootEntry)) as JsonObject),
    ...(Object.keys(tags).length === 0
      ? {}
      : {
          tags: Object.fromEntries(Object.entries(tags).toSorted(([a], [b]) => (a < b ? -1 : 1))),
        }),
    ...unknown,
    ...(pins.length === 0 ? {} : { pins }),
  };
}

function statsToJson(stats: SnapshotStats): Record<string, number> {
  return Object.fromEntries(STATS_KEYS.map((key) => [key, stats[key]]));
}

export function sourceToJson({ hostname, username, path }: SnapshotSource): Record<string, string> {
  return { host: hostname, userName: username, path };
}
