/**
 * Which entries of a tree are left out: the rules of policies and dot-ignore files, in order, from the outer directory
 * to the inner one. Pure: who walks the tree reads the files. Spec: kopia-snapshots 4.8.
 */
import { compileIgnorePattern, type IgnorePattern } from "./ignore-pattern.ts";
import { displayName } from "./names.ts";
import type { FilesPolicy } from "./policy.ts";

/** Rules in force in one directory. Immutable: a subdirectory without rules of its own shares its parent's. */
export interface IgnoreContext {
  readonly rules: readonly IgnorePattern[];
  /** Names of files that hold more rules. */
  readonly dotFiles: readonly string[];
  /** Bytes; 0: no limit. */
  readonly maxFileSize: number;
  readonly oneFileSystem: boolean;
}

export const NO_RULES: IgnoreContext = {
  rules: [],
  dotFiles: [],
  maxFileSize: 0,
  oneFileSystem: false,
};

/** The names of rule files to be read in a directory, `ownPolicy` being the one stored for just this directory. */
export function dotFilesOf(
  parent: IgnoreContext,
  ownPolicy: FilesPolicy | undefined,
): readonly string[] {
  return ownPolicy === undefined ? parent.dotFiles : (ownPolicy.ignoreDotFiles ?? []);
}

/**
 * The context of the directory `path` (`""` for the root, else `/a/b`). `ruleFiles` are the texts of those of
 * `dotFilesOf` that exist, in that order. Parent rules always stay: the flags against them have no effect in Kopia.
 * @throws SEJF_INVALID_ARGUMENT for a rule that cannot be read.
 */
export function enterDirectory(
  parent: IgnoreContext,
  path: string,
  ownPolicy: FilesPolicy | undefined,
  ruleFiles: readonly string[],
): IgnoreContext {
  if (ownPolicy === undefined && ruleFiles.length === 0) return parent;
  const base = displayName(path);
  const added = [...(ownPolicy?.ignore ?? []), ...ruleFiles.flatMap(ruleLines)].map((line) =>
    compileIgnorePattern(line, base),
  );
  const rules = added.length === 0 ? parent.rules : [...parent.rules, ...added];
  if (ownPolicy === undefined) return { ...parent, rules };
  return {
    rules,
    dotFiles: [...new Set(ownPolicy.ignoreDotFiles)],
    maxFileSize:
      (ownPolicy.maxFileSize ?? 0) === 0 ? parent.maxFileSize : (ownPolicy.maxFileSize as number),
    oneFileSystem: ownPolicy.oneFileSystem ?? false,
  };
}

/** Lines that are not blank and no comment; a comment begins in the first column. */
function ruleLines(text: string): readonly string[] {
  const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  return lines.filter((line) => !line.startsWith("#") && !/^\p{White_Space}*$/u.test(line));
}

/** Whether the entry at `path` (`/a/b`) is left out by a rule: the last one that applies decides. */
export function isIgnored(context: IgnoreContext, path: string, isDirectory: boolean): boolean {
  if (context.rules.length === 0) return false;
  const characters = Array.from(displayName(path));
  let ignored = false;
  for (const rule of context.rules) {
    if (rule.negated === ignored) ignored = rule.ignores(characters, isDirectory);
  }
  return ignored;
}

/** What a directory must begin a file `CACHEDIR.TAG` with to be stored empty. */
export const CACHE_DIRECTORY_TAG = "CACHEDIR.TAG";
export const CACHE_DIRECTORY_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55";
