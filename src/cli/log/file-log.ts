/**
 * The log file of one run: structured lines by pino, in `<log dir>/cli-logs`, named as Kopia names its own. Losing a log is no reason to
 * fail: what goes wrong here is told once on standard error.
 */
import { mkdirSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Clock } from "../../bytes/index.ts";
import type { LogLevel } from "../globals.ts";
import { type SweepLimits, sweepLogs } from "./sweep.ts";
import type { LogFields } from "./types.ts";
import { withoutKeys } from "./without-keys.ts";

export interface FileLogOptions {
  /** Given by name: written there, nothing is swept. */
  readonly file: string | undefined;
  readonly directory: string;
  /** `repository-status`. */
  readonly commandName: string;
  readonly level: LogLevel;
  readonly limits: SweepLimits;
  readonly clock: Clock;
  readonly onProblem: (message: string) => void;
}

const CACHE_TAG =
  "Signature: 8a477f597d28d172789f06886806bc55\n# This file is a cache directory tag.\n";
const OPEN_AFTER_MS = 50;
/** Lines of debugging wait for each other so long, or until they are so many bytes: there may be one for each folder. */
const GATHER_MS = 100;
const GATHER_BYTES = 16 * 1024;
const PINO_LEVELS = { debug: "debug", info: "info", warning: "warn", error: "error" } as const;

type Line = readonly [level: LogLevel, message: string, fields: LogFields];
type Writer = (line: Line) => void;

export class FileLog {
  readonly #options: FileLogOptions;
  /** Lines written before pino is loaded. */
  #early: Line[] = [];
  #writer: Promise<Writer | undefined> | undefined;
  #write: Writer | undefined;
  #flush: (() => void) | undefined;
  #broken = false;
  readonly #timer: NodeJS.Timeout;

  /** Loading pino waits until the command's own slow work has begun. */
  constructor(options: FileLogOptions) {
    this.#options = options;
    this.#timer = setTimeout(() => void this.#open(), OPEN_AFTER_MS).unref();
  }

  log(level: LogLevel, message: string, fields: LogFields): void {
    if (this.#broken) return;
    const line: Line = [level, withoutKeys(message), fieldsWithoutKeys(fields)];
    if (this.#write === undefined) this.#early.push(line);
    else this.#write(line);
  }

  /** Writes what is pending and removes old logs. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#open();
    const flush = this.#flush;
    if (flush !== undefined) {
      this.#guarded(flush);
      process.off("exit", flush);
    }
    if (this.#write === undefined || this.#options.file !== undefined) return;
    this.#guarded(() => sweepLogs(this.#folder(), this.#options.limits, this.#options.clock));
  }

  async #open(): Promise<void> {
    this.#writer ??= this.#openWriter();
    await this.#writer;
  }

  async #openWriter(): Promise<Writer | undefined> {
    const { pino } = await import("pino");
    const writer = this.#guarded((): Writer => {
      const path = this.#path();
      prepareFolder(path, this.#options.file === undefined);
      const destination = pino.destination({
        dest: path,
        mode: 0o600,
        sync: true,
        minLength: GATHER_BYTES,
        maxWrite: 2 * GATHER_BYTES,
        periodicFlush: GATHER_MS,
      });
      this.#flush = () => destination.flushSync();
      process.once("exit", this.#flush);
      const logger = pino(
        {
          level: PINO_LEVELS[this.#options.level],
          base: null,
          timestamp: pino.stdTimeFunctions.isoTime,
        },
        destination,
      );
      return ([level, message, fields]) => {
        logger[PINO_LEVELS[level]](fields, message);
        // in the file when the process dies behind it
        if (level !== "debug") destination.flushSync();
      };
    });
    for (const line of this.#early) writer?.(line);
    this.#early = [];
    this.#write = writer;
    return writer;
  }

  #folder(): string {
    return join(this.#options.directory, "cli-logs");
  }

  #path(): string {
    if (this.#options.file !== undefined) return resolve(this.#options.file);
    const time = new Date(this.#options.clock.nowMs())
      .toISOString()
      .replaceAll(/[-:]|\..*$/g, "")
      .replace("T", "-");
    return join(this.#folder(), `sejf-${time}-${process.pid}-${this.#options.commandName}.0.log`);
  }

  #guarded<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      this.#broken = true;
      this.#options.onProblem(
        `cannot write the log file: ${error instanceof Error ? error.message : String(error)}`,
      );
      return undefined;
    }
  }
}

function fieldsWithoutKeys(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "string" ? withoutKeys(value) : value,
    ]),
  );
}

function prepareFolder(path: string, ours: boolean): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!ours) return;
  writeFileSync(join(folder, "CACHEDIR.TAG"), CACHE_TAG);
  if (process.platform === "win32") return;
  const link = join(folder, "latest.log");
  try {
    unlinkSync(link);
  } catch {
    // there was none
  }
  try {
    symlinkSync(basename(path), link);
  } catch {
    // another run was faster: its log is the latest
  }
}
