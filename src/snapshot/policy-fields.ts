/**
 * One table of all policy fields: their order in JSON, their types, how they are merged. Checking, writing and merging
 * go by it. By hand and not by a schema library because every snapshot command waits for it: loading one takes longer
 * than reading all policies. Spec: kopia-snapshots 5.2, 5.4.
 */
import { asArray, asObject, corrupt, type JsonObject, shown } from "./json-fields.ts";

export type FieldKind = "flag" | "count" | "text" | "texts" | "times" | "action";

/**
 * `first`: the first level that sets it, zero and false included. `nonZero`: the first level where it is not empty.
 * `union`: all levels, up to the one that says stop. `times`: the same for times of day. `own`: never inherited.
 */
export type MergeRule = "first" | "nonZero" | "union" | "times" | "own";

export interface Field {
  readonly kind: FieldKind;
  readonly merge: MergeRule;
  /** The flag beside it that ends a union. */
  readonly stop?: string;
}

type Group = Readonly<Record<string, Field>>;

const field = (kind: FieldKind, merge: MergeRule): Field => ({ kind, merge });
const optionalFlag = field("flag", "first");
const optionalCount = field("count", "first");
const flag = field("flag", "nonZero");
const count = field("count", "nonZero");
const text = field("text", "nonZero");
const texts = field("texts", "nonZero");

/** Groups by path in the JSON, in Kopia's order. Each is always written. */
export const POLICY_GROUPS: ReadonlyMap<string, Group> = new Map<string, Group>([
  [
    "retention",
    {
      keepLatest: optionalCount,
      keepHourly: optionalCount,
      keepDaily: optionalCount,
      keepWeekly: optionalCount,
      keepMonthly: optionalCount,
      keepAnnual: optionalCount,
      ignoreIdenticalSnapshots: optionalFlag,
    },
  ],
  [
    "files",
    {
      ignore: texts,
      noParentIgnore: flag,
      ignoreDotFiles: texts,
      noParentDotFiles: flag,
      ignoreCacheDirs: optionalFlag,
      maxFileSize: count,
      oneFileSystem: optionalFlag,
    },
  ],
  [
    "errorHandling",
    {
      ignoreFileErrors: optionalFlag,
      ignoreDirectoryErrors: optionalFlag,
      ignoreUnknownTypes: optionalFlag,
    },
  ],
  [
    "scheduling",
    {
      intervalSeconds: count,
      timeOfDay: { kind: "times", merge: "times", stop: "noParentTimeOfDay" },
      noParentTimeOfDay: flag,
      manual: flag,
      cron: texts,
      runMissed: optionalFlag,
    },
  ],
  [
    "compression",
    {
      compressorName: text,
      onlyCompress: { kind: "texts", merge: "union", stop: "noParentOnlyCompress" },
      noParentOnlyCompress: flag,
      neverCompress: { kind: "texts", merge: "union", stop: "noParentNeverCompress" },
      noParentNeverCompress: flag,
      minSize: count,
      maxSize: count,
    },
  ],
  ["metadataCompression", { compressorName: text }],
  ["splitter", { algorithm: text }],
  [
    "actions",
    {
      beforeFolder: field("action", "own"),
      afterFolder: field("action", "own"),
      beforeSnapshotRoot: field("action", "first"),
      afterSnapshotRoot: field("action", "first"),
    },
  ],
  ["osSnapshots.volumeShadowCopy", { enable: optionalCount }],
  ["logging.directories", { snapshotted: optionalCount, ignored: optionalCount }],
  [
    "logging.entries",
    {
      snapshotted: optionalCount,
      ignored: optionalCount,
      cacheHit: optionalCount,
      cacheMiss: optionalCount,
    },
  ],
  [
    "upload",
    {
      maxParallelSnapshots: optionalCount,
      maxParallelFileReads: optionalCount,
      parallelUploadAboveSize: optionalCount,
    },
  ],
]);

const ACTION: Group = { path: text, args: texts, script: text, timeout: count, mode: text };
export const ACTION_MEMBERS: readonly string[] = Object.keys(ACTION);

/** The value with its type checked; `undefined` for null. @throws SEJF_CORRUPT. */
export function checkField({ kind }: Field, value: unknown, what: string): unknown {
  if (value === null || value === undefined) return undefined;
  switch (kind) {
    case "flag":
      if (typeof value !== "boolean")
        throw corrupt(`${what} is ${shown(value)}, expected true or false`);
      return value;
    case "count":
      if (typeof value !== "number" || !Number.isSafeInteger(value))
        throw corrupt(`${what} is ${shown(value)}, expected a whole number`);
      return value;
    case "text":
      if (typeof value !== "string") throw corrupt(`${what} is ${shown(value)}, expected a text`);
      return value;
    case "texts":
      for (const one of asArray(value, what))
        if (typeof one !== "string") throw corrupt(`${what} holds ${shown(one)}, expected texts`);
      return value;
    case "times":
      for (const one of asArray(value, what)) checkTime(asObject(one, what), what);
      return value;
    case "action":
      return checkMembers(ACTION, asObject(value, what), what);
  }
}

function checkTime({ hour, min }: JsonObject, what: string): void {
  const inRange = (value: unknown, below: number): boolean =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < below;
  if (!inRange(hour, 24) || !inRange(min, 60))
    throw corrupt(`${what} has the time ${shown(hour)}:${shown(min)}`);
}

/** Known members checked, unknown ones kept. */
export function checkMembers(group: Group, json: JsonObject, what: string): JsonObject {
  const checked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) {
    const known = Object.hasOwn(group, key) ? group[key] : undefined;
    checked[key] = known === undefined ? value : checkField(known, value, `${what}.${key}`);
  }
  return checked;
}

/** Known members in Kopia's order, those that say nothing left out; unknown ones behind them. */
export function orderedMembers(group: Group, values: JsonObject): Record<string, unknown> {
  const ordered: Record<string, unknown> = {};
  for (const [key, rule] of Object.entries(group)) {
    const value = values[key];
    if (value !== undefined && (rule.merge === "first" || !isZero(value)))
      ordered[key] = rule.kind === "action" ? orderedMembers(ACTION, value as JsonObject) : value;
  }
  for (const [key, value] of Object.entries(values))
    if (!Object.hasOwn(group, key) && value !== undefined) ordered[key] = value;
  return ordered;
}

export function isZero(value: unknown): boolean {
  return (
    value === undefined ||
    value === false ||
    value === 0 ||
    value === "" ||
    (Array.isArray(value) && value.length === 0)
  );
}
