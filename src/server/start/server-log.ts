/** The log of a running server: everything into rotated files, what an operator should see also to the console. */
import type { ServerLog } from "../types.ts";
import { RotatedFile } from "../http/index.ts";

type Level = "debug" | "info" | "warn" | "error";
export type ConsoleLine = (level: Level, message: string) => void;

export interface ServerLogOptions {
  /** Absent: no files. */
  readonly directory?: string | undefined;
  readonly console: ConsoleLine;
  readonly level: Level;
}

const MAX_FIELDS = 500;

/** Files are `server.log` and older ones. The caller disposes it. */
export async function openServerLog(
  options: ServerLogOptions,
): Promise<ServerLog & AsyncDisposable> {
  const { directory, console } = options;
  const file =
    directory === undefined
      ? undefined
      : await RotatedFile.open({
          directory,
          name: "server",
          onProblem: (message) => console("warn", message),
        });
  const { pino } = await import("pino");
  const logger = pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => file?.write(line.trimEnd()) },
  );
  const write = (level: Level, fields: object, message: string): void => {
    if (file !== undefined) logger[level](fields, message);
    console(level, message + shortFields(fields));
  };
  return {
    debug: (fields, message) => write("debug", fields, message),
    info: (fields, message) => write("info", fields, message),
    warn: (fields, message) => write("warn", fields, message),
    error: (fields, message) => write("error", fields, message),
    [Symbol.asyncDispose]: async (): Promise<void> => await file?.[Symbol.asyncDispose](),
  };
}

/** The words among them, for a line of the console. SECURITY: control characters of names do not reach the terminal. */
function shortFields(fields: object): string {
  const words = Object.entries(fields).filter(
    ([, value]) => typeof value === "string" && value !== "",
  );
  const pairs = words.map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return pairs.length === 0 ? "" : ` (${pairs.join(", ").slice(0, MAX_FIELDS)})`;
}
