/**
 * Finds the command that a line of arguments names, before anything of it is loaded. Words are followed down the tree
 * of commands; flags may stand between them, as Kopia allows. The words are cut out, the rest is the command's.
 */
import { GLOBAL_FLAGS } from "./globals.ts";
import { flagName } from "./flags.ts";
import {
  COMMANDS,
  GROUP_ALIASES,
  type RegisteredCommand,
  UNSUPPORTED_COMMANDS,
  UNSUPPORTED_PROVIDERS,
} from "./registry.ts";
import { usageError } from "./usage-error.ts";

export type Found =
  | {
      readonly kind: "command";
      readonly command: RegisteredCommand;
      readonly rest: readonly string[];
    }
  /** Only a part of a path: `repository`, or nothing at all. */
  | { readonly kind: "group"; readonly path: string; readonly rest: readonly string[] };

/** Global flags that swallow the next word. */
const VALUE_FLAGS: ReadonlySet<string> = new Set(
  Object.entries(GLOBAL_FLAGS).flatMap(([key, { kind, short }]) =>
    kind === "switch" ? [] : [`--${flagName(key)}`, ...(short === undefined ? [] : [`-${short}`])],
  ),
);

/** @throws SEJF_INVALID_ARGUMENT for a word that names no command. */
export function findCommand(args: readonly string[]): Found {
  let path = "";
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const word = args[at] as string;
    const before = args[at - 1] ?? "";
    if (word === "--") return { kind: "group", path, rest: [...rest, ...args.slice(at)] };
    if (word.startsWith("-") || VALUE_FLAGS.has(before)) {
      rest.push(word);
      continue;
    }
    const next = childPath(path, word);
    if (next === undefined) {
      if (!isFlagWithoutValue(before)) throw unknownWord(path, word);
      rest.push(word);
      continue;
    }
    path = next;
    const command = COMMANDS.find((candidate) => candidate.path === path);
    if (command !== undefined)
      return { kind: "command", command, rest: [...rest, ...args.slice(at + 1)] };
  }
  return { kind: "group", path, rest };
}

/** The commands and groups one step below a path: last word and summary of commands, in order. */
export function commandsBelow(path: string): readonly RegisteredCommand[] {
  return COMMANDS.filter((command) => path === "" || command.path.startsWith(`${path} `));
}

function childPath(path: string, word: string): string | undefined {
  const start = path === "" ? "" : `${path} `;
  const group = GROUP_ALIASES[start + word];
  if (group !== undefined) return group;
  for (const command of COMMANDS) {
    if (!command.path.startsWith(start)) continue;
    const [first, ...more] = command.path.slice(start.length).split(" ");
    const aliases = more.length === 0 ? (command.aliases ?? []) : [];
    if (first === word || aliases.includes(word)) return start + (first ?? "");
  }
  return undefined;
}

/** A flag whose value may be the next word: it is not known yet which flags the command has. */
function isFlagWithoutValue(word: string): boolean {
  return word.startsWith("-") && !word.includes("=");
}

function unknownWord(path: string, word: string): Error {
  const instead = path === "" ? UNSUPPORTED_COMMANDS[word] : undefined;
  if (instead !== undefined) return usageError(`${word} is not supported yet`, instead);
  if (UNSUPPORTED_PROVIDERS.includes(word) && path.startsWith("repository ")) {
    return usageError(
      `${path} ${word} is not supported yet`,
      "this version of sejf works with repositories in a filesystem, in S3 buckets and on repository servers",
    );
  }
  const place = path === "" ? "" : ` of '${path}'`;
  return usageError(
    `expected a command${place} but got ${JSON.stringify(word)}`,
    `see ${["sejf help", path].join(" ").trim()}`,
  );
}
