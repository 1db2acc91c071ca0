/** Help texts: of a group of commands, and of one command. */
import { flagName } from "./flags.ts";
import { commandsBelow, findCommand } from "./find-command.ts";
import { GLOBAL_FLAGS } from "./globals.ts";
import { commandHelp } from "./parse.ts";
import { GROUPS, type RegisteredCommand } from "./registry.ts";

const SUMMARY = "sejf - backups into an encrypted, deduplicated repository, compatible with Kopia";

/** For `sejf help [command…]`. @throws SEJF_INVALID_ARGUMENT for a word that names no command. */
export async function helpFor(words: readonly string[]): Promise<string> {
  const found = findCommand(words);
  if (found.kind === "group") return groupHelp(found.path, false);
  return commandHelp(found.command.path, (await found.command.load()).command);
}

/** The commands below a path; `full` shows hidden ones too. */
export function groupHelp(path: string, full: boolean): string {
  const commands = commandsBelow(path).filter(({ hidden }) => full || hidden !== true);
  const name = ["sejf", path].join(" ").trim();
  const lines = [
    `Usage: ${name} <command> [flags]`,
    "",
    path === "" ? SUMMARY : (GROUPS[path] ?? ""),
    "",
    "Commands:",
  ];
  const width = Math.max(0, ...commands.map(({ path: each }) => each.length));
  for (const command of commands)
    lines.push(`  ${command.path.padEnd(width)}  ${command.summary}${aliasNote(command)}`);
  lines.push(
    "",
    "Flags for every command:",
    ...globalFlagLines(full),
    "",
    "See `sejf help <command>` for the flags of a command.",
  );
  return `${lines.join("\n")}\n`;
}

function aliasNote({ aliases = [] }: RegisteredCommand): string {
  return aliases.length === 0 ? "" : ` (also ${aliases.join(", ")})`;
}

function globalFlagLines(full: boolean): readonly string[] {
  const shown = Object.entries(GLOBAL_FLAGS).filter(([, { hidden }]) => full || !hidden);
  const terms = shown.map(([key, flag]) => {
    const name = flagName(key);
    const short = flag.short === undefined ? "    " : `-${flag.short}, `;
    return {
      term:
        flag.kind === "switch" ? `${short}--[no-]${name}` : `${short}--${name}=${flag.placeholder}`,
      help: flag.help,
    };
  });
  const width = Math.max(...terms.map(({ term }) => term.length));
  return terms.map(({ term, help }) => `  ${term.padEnd(width)}  ${help}`);
}
