/** The actions part of `policy set`. Reference: kopia cli/command_policy_set_actions.go. */
import { readFile } from "node:fs/promises";
import { isUtf8, formatDuration } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import type { ActionCommand } from "../../snapshot/index.ts";
import { usageError } from "../usage-error.ts";
import type { PolicyChanges } from "./policy-changes.ts";
import { INHERIT } from "./policy-words.ts";

const MAX_SCRIPT_BYTES = 32_000;
const NS_PER_S = 1_000_000_000n;
const REMOVE: ReadonlySet<string> = new Set(["", "none", INHERIT]);

/** The flag was not given: an empty text means something. */
export const NO_ACTION = "-";

export interface ActionFlagValues {
  readonly beforeFolderAction: string;
  readonly afterFolderAction: string;
  readonly beforeSnapshotRootAction: string;
  readonly afterSnapshotRootAction: string;
  readonly actionCommandTimeout: bigint;
  readonly actionCommandMode: string;
  readonly persistActionScript: boolean;
}

/** @throws SEJF_INVALID_ARGUMENT; SEJF_IO, SEJF_PERMISSION for a script that cannot be read. */
export async function changeActions(
  changes: PolicyChanges,
  flags: ActionFlagValues,
): Promise<void> {
  for (const [field, name, given] of [
    ["beforeFolder", "before-folder", flags.beforeFolderAction],
    ["afterFolder", "after-folder", flags.afterFolderAction],
    ["beforeSnapshotRoot", "before-snapshot-root", flags.beforeSnapshotRootAction],
    ["afterSnapshotRoot", "after-snapshot-root", flags.afterSnapshotRootAction],
  ] as const) {
    if (given === NO_ACTION) continue;
    if (REMOVE.has(given)) {
      changes.set(`actions.${field}`, undefined, `removing ${name} action`);
      continue;
    }
    const { command, said } = await parseAction(name, given, flags);
    changes.set(`actions.${field}`, command, `setting ${name} ${said}`);
  }
}

async function parseAction(
  name: string,
  given: string,
  flags: ActionFlagValues,
): Promise<{ readonly command: ActionCommand; readonly said: string }> {
  const mode = flags.actionCommandMode;
  const timeoutNs = flags.actionCommandTimeout;
  if (timeoutNs < 0n) throw usageError("--action-command-timeout: it cannot be negative");
  const common = { timeout: Number(timeoutNs / NS_PER_S), mode };
  const within = formatDuration(timeoutNs);
  if (flags.persistActionScript) {
    const script = await readScript(given);
    const size = Buffer.byteLength(script);
    const said = `(${mode}) action script from file ${given} (${size} bytes) with timeout ${within}`;
    return { command: { script, ...common }, said };
  }
  const [path = "", ...args] = splitCommand(name, given);
  const quoted = args.map((arg) => `"${arg}"`).join(" ");
  const withArguments = args.length === 0 ? "" : ` with arguments ${quoted}`;
  return {
    command: { path, ...(args.length === 0 ? {} : { args }), ...common },
    said: `(${mode}) action command to "${path}"${withArguments} and timeout ${within}`,
  };
}

async function readScript(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw errorFromUnknown(error, `reading the action script ${path}`);
  }
  if (bytes.length > MAX_SCRIPT_BYTES)
    throw usageError(
      `the action script ${path} has ${bytes.length} bytes, at most ${MAX_SCRIPT_BYTES} are possible`,
    );
  if (bytes.length === 0) throw usageError(`the action script ${path} is empty`);
  if (!isUtf8(bytes)) throw usageError(`the action script ${path} is not UTF-8`);
  return new TextDecoder().decode(bytes);
}

/**
 * Words between single blanks; a word in double quotes may hold blanks, and `""` for one quote. As Kopia, which reads
 * it as a line of CSV with blanks for commas: two blanks have an empty word between them.
 */
export function splitCommand(name: string, line: string): readonly string[] {
  const words: string[] = [];
  const word = /(?:"((?:[^"]|"")*)"|([^" ]*))( |$)/y;
  for (let separator: string | undefined = " "; separator !== ""; ) {
    const match = word.exec(line);
    if (match === null)
      throw usageError(
        `error parsing ${name} command: a quote in the middle of a word`,
        "put double quotes around the whole word",
      );
    const [, quoted, plain = ""] = match;
    words.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    separator = match[3];
  }
  if (words[0] === "") throw usageError(`error parsing ${name} command: it begins with a blank`);
  return words;
}
