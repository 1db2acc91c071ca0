/** JSON on standard output in Kopia's layout: lists have one compact item a line. Spec: kopia-snapshots 9.2. */
import { goJson } from "../../bytes/index.ts";
import { type Flag, flag } from "../flags.ts";
import type { Output } from "./output.ts";

/** The three flags of every command that can print JSON. */
export type JsonFlags = {
  readonly json: Flag<boolean>;
  readonly jsonIndent: Flag<boolean>;
  readonly jsonVerbose: Flag<boolean>;
};

export const JSON_FLAGS: JsonFlags = {
  json: flag("Output result in JSON format to stdout"),
  jsonIndent: flag("Output result in indented JSON format to stdout", { hidden: true }),
  jsonVerbose: flag("Output non-essential data (e.g. statistics) in JSON format", { hidden: true }),
};

export interface JsonOptions {
  readonly json: boolean;
  readonly jsonIndent: boolean;
}

/** One value, indented where that was asked for; `indent` stands before every line but the first. */
export function jsonText(value: unknown, options: JsonOptions, indent = ""): string {
  if (!options.jsonIndent) return goJson(value);
  const escaped = goJson(value);
  return JSON.stringify(JSON.parse(escaped), null, 2)
    .replaceAll(
      /[<>&\u2028\u2029]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    )
    .replaceAll("\n", `\n${indent}`);
}

/** A list written item by item, so that a long one is never held in memory. Without a final newline, as Kopia's. */
export class JsonList {
  readonly #out: Output;
  readonly #options: JsonOptions;
  #separator: string;

  /** Writes the bracket that opens. */
  constructor(out: Output, options: JsonOptions) {
    this.#out = out;
    this.#options = options;
    this.#separator = options.jsonIndent ? "" : "\n ";
    out.write("[");
  }

  add(value: unknown): void {
    this.#out.write(this.#separator + jsonText(value, this.#options));
    this.#separator = this.#options.jsonIndent ? "," : ",\n ";
  }

  end(): void {
    this.#out.write(this.#options.jsonIndent ? "]" : "\n]");
  }
}
