/** Reads a command's flags and arguments with commander, then takes what is missing from the environment. */
import { Argument, Command as Parser, CommanderError, Option } from "commander";
import { SejfError } from "../errors/index.ts";
import type { Command } from "./command.ts";
import { type Flag, type Flags, flagName, NEGATED } from "./flags.ts";
import { GLOBAL_FLAGS, type GlobalValues } from "./globals.ts";
import { usageError } from "./usage-error.ts";

export interface Parsed {
  readonly globals: GlobalValues;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly args: readonly string[];
}

/** The help text was asked for: it is the message. */
export class HelpRequested extends Error {}

const HELP_WIDTH = 100;

/** @throws HelpRequested; SEJF_INVALID_ARGUMENT for everything that cannot be meant. */
export function parseCommand(
  path: string,
  command: Command,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Parsed {
  const parser = buildParser(path, command);
  try {
    parser.parse([...args], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) throw fromCommander(error, parser, path);
    throw error;
  }
  const given = parser.opts<Record<string, string | boolean | string[] | undefined>>();
  return {
    globals: readAll(withoutOverridden(command.flags), given, env) as GlobalValues,
    flags: readAll(command.flags, given, env),
    args: parser.args,
  };
}

/** The help text of one command. */
export function commandHelp(path: string, command: Command): string {
  return buildParser(path, command).helpInformation();
}

function buildParser(path: string, command: Command): Parser {
  const parser = new Parser(`sejf ${path}`)
    .description(
      [`${command.summary}.`, command.description]
        .filter((part) => part !== undefined)
        .join("\n\n"),
    )
    .helpOption("--help", "Show this help")
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {}, getOutHelpWidth: () => HELP_WIDTH })
    .configureHelp({ optionTerm, showGlobalOptions: false, sortOptions: false })
    .allowExcessArguments(false);
  for (const argument of command.arguments) {
    const name = argument.variadic === true ? `${argument.name}...` : argument.name;
    parser.addArgument(
      new Argument(argument.required === true ? `<${name}>` : `[${name}]`, argument.help),
    );
  }
  const shorts = new Set(Object.values(command.flags).map(({ short }) => short));
  parser.optionsGroup("Flags:");
  for (const [key, flag] of Object.entries(command.flags)) addFlag(parser, key, flag, flag.short);
  parser.optionsGroup("Global flags:");
  for (const [key, flag] of Object.entries(GLOBAL_FLAGS)) {
    if (key in command.flags) continue;
    addFlag(parser, key, flag, shorts.has(flag.short) ? undefined : flag.short);
  }
  return parser;
}

function addFlag(
  parser: Parser,
  key: string,
  flag: Flag<unknown>,
  short: string | undefined,
): void {
  const name = flagName(key);
  const names = `${short === undefined ? "" : `-${short}, `}--${name}`;
  if (flag.kind === "switch") {
    parser.addOption(described(new Option(names, flagHelp(flag)), flag));
    parser.addOption(new Option(`--no-${name}`).hideHelp());
    return;
  }
  const option = new Option(`${names} <${flag.placeholder}>`, flagHelp(flag));
  const gather = (value: string, before: unknown): string[] => [
    ...(Array.isArray(before) ? (before as string[]) : []),
    value,
  ];
  parser.addOption(described(option.argParser(gather), flag));
  if (flag.refusable) parser.addOption(new Option(`--no-${name}`).hideHelp());
}

function described(option: Option, flag: Flag<unknown>): Option {
  return flag.hidden ? option.hideHelp() : option;
}

function flagHelp(flag: Flag<unknown>): string {
  const notes = [
    flag.values === undefined ? "" : flag.values.join(", "),
    flag.required ? "required" : "",
    flag.shownDefault === undefined ? "" : `default ${flag.shownDefault}`,
    ...flag.env.map((name) => `$${name}`),
  ].filter((note) => note !== "");
  return notes.length === 0 ? flag.help : `${flag.help} (${notes.join("; ")})`;
}

/** Switches are shown as `--[no-]name`, values as `--name=VALUE`. */
function optionTerm(option: Option): string {
  const short = option.short === undefined ? "    " : `${option.short}, `;
  const name = (option.long ?? "").slice(2);
  if (name === "help") return `${short}--help`;
  if (!option.required) return `${short}--[no-]${name}`;
  return `${short}--${name}=${/<(.*)>/.exec(option.flags)?.[1] ?? "VALUE"}`;
}

function readAll(
  flags: Flags,
  given: Readonly<Record<string, string | boolean | readonly string[] | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, flag] of Object.entries(flags)) {
    const name = `--${flagName(key)}`;
    const texts = flag.refusable && given[key] === false ? [NEGATED] : asTexts(given[key]);
    const [variable, fallback] = texts.length > 0 ? [] : fromEnvironment(flag, env);
    const all = fallback === undefined ? texts : [fallback];
    if (flag.required && all.length === 0) throw usageError(`required flag ${name} not provided`);
    values[key] = flag.read(all, variable === undefined ? name : `$${variable}`);
  }
  return values;
}

/** A flag of the command takes the place of the global one of its name: there it is meant in another way. */
function withoutOverridden(flags: Flags): Flags {
  return Object.fromEntries(Object.entries(GLOBAL_FLAGS).filter(([key]) => !(key in flags)));
}

function asTexts(value: string | boolean | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "object" ? value : [String(value)];
}

function fromEnvironment(
  flag: Flag<unknown>,
  env: Readonly<Record<string, string | undefined>>,
): readonly [string | undefined, string | undefined] {
  const name = flag.env.find((candidate) => (env[candidate] ?? "") !== "");
  return [name, name === undefined ? undefined : env[name]];
}

function fromCommander(error: CommanderError, parser: Parser, path: string): Error {
  if (error.code === "commander.helpDisplayed" || error.code === "commander.help")
    return new HelpRequested(parser.helpInformation());
  const [first = "", ...more] = error.message.replace(/^error: /, "").split("\n");
  const hint = more.join(" ").replace(/^\(|\)$/g, "");
  return new SejfError("SEJF_INVALID_ARGUMENT", first, {
    hint: hint === "" ? `see sejf ${path} --help` : hint,
  });
}
