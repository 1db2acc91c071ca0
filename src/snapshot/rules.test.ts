import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { parseTimestamp } from "../bytes/index.ts";
import { goldenPath } from "../testkit/golden.ts";
import { dotFilesOf, enterDirectory, type IgnoreContext, isIgnored, NO_RULES } from "./ignore.ts";
import { compileIgnorePattern } from "./ignore-pattern.ts";
import type { FilesPolicy, RetentionPolicy } from "./policy.ts";
import { retentionReasons } from "./retention.ts";

interface IgnoreCase {
  readonly name: string;
  readonly ignoreFiles: Readonly<Record<string, readonly string[]>>;
  readonly policyRules: Readonly<Record<string, readonly string[]>>;
  readonly kept: readonly string[];
  readonly maxFileSize?: number;
  /** Directories with a valid CACHEDIR.TAG. */
  readonly cacheDirTagIn?: readonly string[];
}

const ignoreCases = JSON.parse(readFileSync(goldenPath("ignore-cases.json"), "utf8")) as {
  readonly tree: readonly string[];
  readonly cases: readonly IgnoreCase[];
};

interface RetentionCase {
  readonly policyName: string;
  readonly policy: RetentionPolicy;
  readonly history: string;
  readonly tz: string;
  readonly snapshots: readonly {
    readonly start: string;
    readonly end: string;
    readonly reasons: readonly string[];
    readonly incomplete?: string;
  }[];
}

const retentionCases = JSON.parse(readFileSync(goldenPath("retention-cases.json"), "utf8")) as {
  readonly cases: readonly RetentionCase[];
};

const zone = process.env["TZ"];
afterEach(() => {
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
});

for (const one of ignoreCases.cases) {
  test(`ignore case ${one.name} keeps what kopia keeps`, () => {
    const paths = [...ignoreCases.tree, ...Object.keys(one.ignoreFiles)];
    const kept: string[] = [];
    walk("", NO_RULES, paths, one, kept);
    assert.deepEqual(kept.toSorted(), [...one.kept].toSorted());
  });
}

/** The policy that applies at a directory: the root's is merged over the global one. */
function policyAt(one: IgnoreCase, directory: string): FilesPolicy | undefined {
  const rules = one.policyRules;
  if (directory !== "")
    return rules[directory.slice(1)] === undefined
      ? undefined
      : { ignore: rules[directory.slice(1)] };
  const ignore = rules[""] ?? rules["(global)"] ?? [];
  return { ignore, ignoreDotFiles: [".kopiaignore"], maxFileSize: one.maxFileSize };
}

function walk(
  directory: string,
  parent: IgnoreContext,
  paths: readonly string[],
  one: IgnoreCase,
  kept: string[],
): void {
  const own = policyAt(one, directory);
  const prefix = directory === "" ? "" : `${directory.slice(1)}/`;
  const texts = dotFilesOf(parent, own).flatMap(
    (name) => one.ignoreFiles[prefix + name]?.join("\n") ?? [],
  );
  if (one.cacheDirTagIn?.includes(directory.slice(1)) === true) return;
  const context = enterDirectory(parent, directory, own, texts);
  const below = paths
    .filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length));
  const names = new Map(below.map((path) => [path.split("/")[0] as string, path.includes("/")]));
  for (const [name, isDirectory] of names) {
    if (isIgnored(context, `${directory}/${name}`, isDirectory)) continue;
    const size = name === "big.bin" ? 1000 : 1;
    if (context.maxFileSize > 0 && !isDirectory && size > context.maxFileSize) continue;
    kept.push(prefix + name + (isDirectory ? "/" : ""));
    if (isDirectory) walk(`${directory}/${name}`, context, paths, one, kept);
  }
}

test("compileIgnorePattern: refuses what the reference refuses", () => {
  for (const bad of ["[abc", "foo\\", "[[:nope:]]a", "[[:al"]) {
    assert.throws(() => compileIgnorePattern(bad, ""), { code: "SEJF_INVALID_ARGUMENT" }, bad);
  }
});

test("compileIgnorePattern: a class far from the beginning is taken letter by letter", () => {
  const matches = (pattern: string, name: string): boolean =>
    compileIgnorePattern(pattern, "").ignores(Array.from(`/${name}`), false);
  assert.ok(matches("x[[:digit:]]", "x7"));
  assert.ok(!matches("long-name-[[:digit:]]", "long-name-7"));
  assert.ok(matches("long-name-[[:digit:]]", "long-name-d]"));
});

test("enterDirectory: a directory without rules shares its parent's context; a policy replaces the names of rule files", () => {
  const root = enterDirectory(
    NO_RULES,
    "",
    { ignore: ["*.o"], ignoreDotFiles: [".kopiaignore"], maxFileSize: 9, oneFileSystem: true },
    [],
  );
  assert.equal(enterDirectory(root, "/a", undefined, []), root);
  const own = enterDirectory(root, "/a", { ignore: [] }, []);
  assert.deepEqual([own.dotFiles, own.maxFileSize, own.oneFileSystem], [[], 9, false]);
  assert.ok(isIgnored(own, "/a/x.o", false));
});

test("retention cases of the reference client, in their time zones", () => {
  assert.ok(retentionCases.cases.length >= 54);
  for (const one of retentionCases.cases) {
    process.env["TZ"] = one.tz;
    const snapshots = one.snapshots.map(({ start, end, incomplete }) => ({
      startTimeNs: parseTimestamp(start),
      endTimeNs: parseTimestamp(end),
      incomplete: incomplete === "" ? undefined : incomplete,
    }));
    assert.deepEqual(
      retentionReasons(snapshots, one.policy),
      one.snapshots.map((snapshot) => snapshot.reasons),
      `${one.policyName} ${one.history} ${one.tz}`,
    );
  }
});
