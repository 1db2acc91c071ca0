/** Limits of a storage: how they are shown and set, for a connection and for a running server. */
import type { ThrottlingLimits } from "../../blob/index.ts";
import { throttlingJson } from "../../repository/index.ts";
import type { CommandContext } from "../context.ts";
import { type Flag, type FlagValues, text } from "../flags.ts";
import { type JSON_FLAGS, jsonText } from "../output/json.ts";
import { formatBytesPerSecond } from "../output/units.ts";
import { usageError } from "../usage-error.ts";

const LABEL_WIDTH = 30;
const UNLIMITED: ReadonlySet<string> = new Set(["unlimited", "-"]);

/** As text, or as JSON where that is asked for. */
export function showLimits(
  context: CommandContext,
  limits: ThrottlingLimits,
  flags: FlagValues<typeof JSON_FLAGS>,
): void {
  if (flags.json) {
    context.out.line(jsonText(throttlingJson(limits), flags));
    return;
  }
  const show = (
    label: string,
    value: number | undefined,
    format: (value: number) => string = (n) => n.toFixed(0),
  ): void => {
    context.out.line(
      `${label.padEnd(LABEL_WIDTH)} ${value === undefined || value === 0 ? "(unlimited)" : format(value)}`,
    );
  };
  show("Max Download Speed:", limits.maxDownloadSpeedBytesPerSecond, formatBytesPerSecond);
  show("Max Upload Speed:", limits.maxUploadSpeedBytesPerSecond, formatBytesPerSecond);
  show("Max Read Requests Per Second:", limits.readsPerSecond);
  show("Max Write Requests Per Second:", limits.writesPerSecond);
  show("Max List Requests Per Second:", limits.listsPerSecond);
  show("Max Concurrent Reads:", limits.concurrentReads);
  show("Max Concurrent Writes:", limits.concurrentWrites);
}

type LimitFlag =
  | "downloadBytesPerSecond"
  | "uploadBytesPerSecond"
  | "readRequestsPerSecond"
  | "writeRequestsPerSecond"
  | "listRequestsPerSecond"
  | "concurrentReads"
  | "concurrentWrites";
type LimitFlags = { readonly [K in LimitFlag]: Flag<string | undefined> };

export const LIMIT_FLAGS: LimitFlags = {
  downloadBytesPerSecond: text("Set the download bytes per second", { placeholder: "LIMIT" }),
  uploadBytesPerSecond: text("Set the upload bytes per second", { placeholder: "LIMIT" }),
  readRequestsPerSecond: text("Set max reads per second", { placeholder: "LIMIT" }),
  writeRequestsPerSecond: text("Set max writes per second", { placeholder: "LIMIT" }),
  listRequestsPerSecond: text("Set max lists per second", { placeholder: "LIMIT" }),
  concurrentReads: text("Set max concurrent reads", { placeholder: "LIMIT" }),
  concurrentWrites: text("Set max concurrent writes", { placeholder: "LIMIT" }),
};

/** By flag: which limit it sets, what that is called, whether it counts bytes a second. */
const MEANING: {
  readonly [K in LimitFlag]: readonly [keyof ThrottlingLimits, string, "bytes" | "number"];
} = {
  downloadBytesPerSecond: ["maxDownloadSpeedBytesPerSecond", "max download speed", "bytes"],
  uploadBytesPerSecond: ["maxUploadSpeedBytesPerSecond", "max upload speed", "bytes"],
  readRequestsPerSecond: ["readsPerSecond", "reads per second", "number"],
  writeRequestsPerSecond: ["writesPerSecond", "writes per second", "number"],
  listRequestsPerSecond: ["listsPerSecond", "lists per second", "number"],
  concurrentReads: ["concurrentReads", "concurrent reads", "number"],
  concurrentWrites: ["concurrentWrites", "concurrent writes", "number"],
};

/** The limits with the changes, each told; `undefined` when there are none. @throws SEJF_INVALID_ARGUMENT. */
export function changedLimits(
  context: CommandContext,
  before: ThrottlingLimits,
  flags: FlagValues<LimitFlags>,
): ThrottlingLimits | undefined {
  const limits: { -readonly [K in keyof ThrottlingLimits]: ThrottlingLimits[K] } = { ...before };
  let changes = 0;
  for (const flag of Object.keys(MEANING) as LimitFlag[]) {
    const given = flags[flag];
    if (given === undefined || given === "") continue;
    const [limit, what, kind] = MEANING[flag];
    const value = readLimit(what, given, limit.startsWith("concurrent"));
    limits[limit] = value;
    changes++;
    const shown = kind === "bytes" ? formatBytesPerSecond(value) : String(value);
    context.log.info(`Setting ${what} to ${value === 0 ? "a unlimited" : shown}.`);
  }
  if (changes > 0) return limits;
  context.log.info("No changes made.");
  return undefined;
}

/** 0 is no limit. */
function readLimit(what: string, given: string, whole: boolean): number {
  if (UNLIMITED.has(given)) return 0;
  const value = /^\d+(?:\.\d+)?(?:[eE]\d{1,2})?$/.test(given) ? Number(given) : Number.NaN;
  if (!Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    throw usageError(
      `can't parse the ${what} ${JSON.stringify(given)}`,
      "expected a number, or unlimited",
    );
  }
  return value;
}
