/** What a command tells besides its output: lines on standard error by level, and everything into the log file. */
import type { Writable } from "node:stream";
import type { Clock } from "../../bytes/index.ts";
import type { LogLevel } from "../globals.ts";
import type { FileLog } from "./file-log.ts";
import type { Log, LogFields } from "./types.ts";
import { withoutKeys } from "./without-keys.ts";

export interface ConsoleLogOptions {
  readonly level: LogLevel;
  readonly json: boolean;
  readonly timestamps: boolean;
  readonly color: boolean;
  readonly clock: Clock;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warning: 2, error: 3 };
const COLORS: Readonly<Record<LogLevel, string>> = {
  debug: "\u001b[2m",
  info: "",
  warning: "\u001b[33m",
  error: "\u001b[91m",
};
const RESET = "\u001b[0m";

export class ConsoleLog implements Log {
  readonly #stream: Writable;
  readonly #options: ConsoleLogOptions;
  readonly #file: FileLog | undefined;

  constructor(stream: Writable, options: ConsoleLogOptions, file: FileLog | undefined) {
    this.#stream = stream;
    this.#options = options;
    this.#file = file;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#log("warning", message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#log("error", message, fields);
  }

  /** Not into the file: the line is kept elsewhere. */
  consoleOnly(level: LogLevel, message: string): void {
    if (RANK[level] >= RANK[this.#options.level])
      this.#stream.write(`${withoutKeys(this.#text(level, message, {}))}\n`);
  }

  /** Only into the file: the console has been told in another form. */
  fileOnly(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.#file?.log(level, message, fields);
  }

  #log(level: LogLevel, message: string, fields: LogFields): void {
    this.#file?.log(level, message, fields);
    if (RANK[level] < RANK[this.#options.level]) return;
    this.#stream.write(`${withoutKeys(this.#text(level, message, fields))}\n`);
  }

  #text(level: LogLevel, message: string, fields: LogFields): string {
    return this.#options.json ? this.#jsonLine(level, message, fields) : this.#line(level, message);
  }

  #line(level: LogLevel, message: string): string {
    const time = this.#options.timestamps ? `${this.#time()} ` : "";
    const color = this.#options.color ? COLORS[level] : "";
    return `${time}${color}${message}${color === "" ? "" : RESET}`;
  }

  #jsonLine(level: LogLevel, message: string, fields: LogFields): string {
    const time = this.#options.timestamps
      ? { t: new Date(this.#options.clock.nowMs()).toISOString() }
      : {};
    return JSON.stringify({ ...time, l: level.toUpperCase(), m: message, ...fields });
  }

  /** Local time of day with milliseconds. */
  #time(): string {
    const date = new Date(this.#options.clock.nowMs());
    const two = (value: number): string => String(value).padStart(2, "0");
    return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  }
}
