/** `repository throttle set`: limits of this connection, kept in the connection file. */
import type { ThrottlingLimits } from "../../blob/index.ts";
import { loadConfig, setClientOptions, throttlingOf } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { formatBytesPerSecond } from "../output/units.ts";
import { usageError } from "../usage-error.ts";

type Limit = keyof ThrottlingLimits;
const UNLIMITED: ReadonlySet<string> = new Set(["unlimited", "-"]);

export const command: Command = defineCommand({
  summary: "Set throttling parameters for a repository",
  description: "Each limit is a number, or `unlimited`.",
  flags: {
    downloadBytesPerSecond: text("Set the download bytes per second", { placeholder: "LIMIT" }),
    uploadBytesPerSecond: text("Set the upload bytes per second", { placeholder: "LIMIT" }),
    readRequestsPerSecond: text("Set max reads per second", { placeholder: "LIMIT" }),
    writeRequestsPerSecond: text("Set max writes per second", { placeholder: "LIMIT" }),
    listRequestsPerSecond: text("Set max lists per second", { placeholder: "LIMIT" }),
    concurrentReads: text("Set max concurrent reads", { placeholder: "LIMIT" }),
    concurrentWrites: text("Set max concurrent writes", { placeholder: "LIMIT" }),
  },
  async run(context, flags) {
    const limits: { -readonly [K in Limit]?: number | undefined } = {
      ...throttlingOf(await loadConfig(context.configFile, context.env)),
    };
    let changes = 0;
    const set = (
      limit: Limit,
      what: string,
      given: string | undefined,
      format: (value: number) => string = String,
    ): void => {
      if (given === undefined || given === "") return;
      const value = readLimit(what, given, limit.startsWith("concurrent"));
      limits[limit] = value;
      changes++;
      context.log.info(`Setting ${what} to ${value === 0 ? "a unlimited" : format(value)}.`);
    };
    set(
      "maxDownloadSpeedBytesPerSecond",
      "max download speed",
      flags.downloadBytesPerSecond,
      formatBytesPerSecond,
    );
    set(
      "maxUploadSpeedBytesPerSecond",
      "max upload speed",
      flags.uploadBytesPerSecond,
      formatBytesPerSecond,
    );
    set("readsPerSecond", "reads per second", flags.readRequestsPerSecond);
    set("writesPerSecond", "writes per second", flags.writeRequestsPerSecond);
    set("listsPerSecond", "lists per second", flags.listRequestsPerSecond);
    set("concurrentReads", "concurrent reads", flags.concurrentReads);
    set("concurrentWrites", "concurrent writes", flags.concurrentWrites);
    if (changes === 0) context.log.info("No changes made.");
    else await setClientOptions(context.configFile, { throttling: limits }, context.env);
    return 0;
  },
});

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
