/**
 * The audit log: who did what, from where, with which result; one JSON object a line, in files that are rotated.
 * SECURITY: what others chose (names, reasons) is cut to a length and escaped by JSON: one event is always one line.
 */
import { mkdir } from "node:fs/promises";
import { createStream, type RotatingFileStream } from "rotating-file-stream";
import type { Clock } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import type { AuditEvent, AuditLog } from "../types.ts";

export interface RotatedFileOptions {
  readonly directory: string;
  /** `server-audit`: the file is `server-audit.log`, older ones `server-audit-1.log` and so on. */
  readonly name: string;
  /** A file is rotated when it has grown to so many megabytes. Default 16. */
  readonly maxMegabytes?: number | undefined;
  /** Older files that are kept. Default 20. */
  readonly maxFiles?: number | undefined;
  /** Told once when the file cannot be written any more. */
  readonly onProblem: (message: string) => void;
}

export interface AuditFileOptions extends Omit<RotatedFileOptions, "name"> {
  readonly clock: Clock;
}

const DEFAULT_MEGABYTES = 16;
const DEFAULT_FILES = 20;
const MAX_TEXT = 500;

/** Lines of text in rotated files that only the owner can read. Closing writes what is pending. */
export class RotatedFile implements AsyncDisposable {
  readonly #stream: RotatingFileStream;

  private constructor(stream: RotatingFileStream) {
    this.#stream = stream;
  }

  /** @throws SEJF_PERMISSION, SEJF_IO when the folder cannot be made. */
  static async open(options: RotatedFileOptions): Promise<RotatedFile> {
    const { directory, name } = options;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw errorFromUnknown(error, `making ${directory}`);
    }
    const stream = createStream(
      // With a number of files the library asks by index alone.
      (index) => (typeof index === "number" && index > 0 ? `${name}-${index}.log` : `${name}.log`),
      {
        path: directory,
        size: `${options.maxMegabytes ?? DEFAULT_MEGABYTES}M`,
        rotate: options.maxFiles ?? DEFAULT_FILES,
        mode: 0o600,
      },
    );
    let told = false;
    stream.on("error", (error) => {
      if (!told) options.onProblem(`cannot write ${name}.log in ${directory}: ${error.message}`);
      told = true;
    });
    return new RotatedFile(stream);
  }

  /** One line without its newline. */
  write(line: string): void {
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.write(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stream.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#stream.once("close", resolve);
      this.#stream.once("error", () => resolve());
      this.#stream.end(resolve);
    });
  }
}

/** `server-audit.log` in the folder. The caller disposes it. */
export async function openAuditFile(
  options: AuditFileOptions,
): Promise<AuditLog & AsyncDisposable> {
  const file = await RotatedFile.open({ ...options, name: "server-audit" });
  return {
    record: (event) => file.write(auditLine(event, options.clock.nowMs())),
    [Symbol.asyncDispose]: async (): Promise<void> => await file[Symbol.asyncDispose](),
  };
}

/** Times are UTC. */
export function auditLine(event: AuditEvent, nowMs: number): string {
  const { action, who, from, result, target, detail } = event;
  return JSON.stringify({
    time: new Date(nowMs).toISOString(),
    action,
    who: cut(who),
    from: cut(from),
    result,
    target: cut(target),
    detail: cut(detail),
  });
}

function cut<T extends string | undefined>(text: T): T | string {
  return text !== undefined && text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
