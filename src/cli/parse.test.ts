import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { defineCommand } from "./command.ts";
import { findCommand } from "./find-command.ts";
import {
  choice,
  decimal,
  duration,
  flag,
  type Flags,
  inert,
  integer,
  refused,
  text,
  texts,
} from "./flags.ts";
import { GLOBAL_FLAGS } from "./globals.ts";
import { HelpRequested, type Parsed, parseCommand } from "./parse.ts";
import { COMMANDS, GROUPS } from "./registry.ts";
import { VERSION } from "./version.ts";

const command = defineCommand({
  summary: "Try it",
  flags: {
    path: text("Path", { required: true }),
    human: flag("Human", { short: "h" }),
    long: flag("Long", { short: "l" }),
    update: flag("Update", { default: true, env: "UPDATE" }),
    tags: texts("Tags"),
    parallel: integer("Parallel", { default: 8, env: "PARALLEL" }),
    share: decimal("Share"),
    every: duration("Every"),
    mode: choice("Mode", ["auto", "zip"], { default: "auto" }),
    report: inert("switch", "there is none"),
    shallow: refused("value", "not yet"),
    keyring: refused("switch", "not yet", { env: "USE_KEYRING" }),
  },
  arguments: [{ name: "source", help: "Source", variadic: true }],
  run: async () => 0,
});

function parse(args: string, env: Record<string, string> = {}): Parsed {
  return parseCommand(
    "try",
    command,
    args.split(" ").filter((word) => word !== ""),
    env,
  );
}

test("parseCommand: Kopia's notations, in any order, arguments between", () => {
  const { flags, args, globals } = parse(
    "a -lh --path=/x b --no-update --tags k:v -p secret --tags=l:w --parallel 3 --every=1h30m --share .5 -- --c",
  );
  assert.deepEqual(args, ["a", "b", "--c"]);
  assert.deepEqual(
    { ...flags },
    {
      path: "/x",
      human: true,
      long: true,
      update: false,
      tags: ["k:v", "l:w"],
      parallel: 3,
      share: 0.5,
      every: 5_400_000_000_000n,
      mode: "auto",
      report: undefined,
      shallow: undefined,
      keyring: undefined,
    },
  );
  assert.equal(globals.password, "secret");
});

test("parseCommand: the last of several wins, flags before the environment, SEJF_ before KOPIA_", () => {
  assert.equal(parse("--path a --parallel 1 --parallel 2").flags["parallel"], 2);
  const env = { KOPIA_PARALLEL: "5", KOPIA_UPDATE: "false", KOPIA_PASSWORD: "k" };
  assert.equal(parse("--path a", env).flags["parallel"], 5);
  assert.equal(parse("--path a", env).flags["update"], false);
  assert.equal(parse("--path a --update", env).flags["update"], true);
  assert.equal(parse("--path a", { ...env, SEJF_PARALLEL: "6" }).flags["parallel"], 6);
  assert.equal(parse("--path a", { ...env, SEJF_PARALLEL: "" }).flags["parallel"], 5);
  assert.equal(parse("--path a", env).globals.password, "k");
});

test("parseCommand: what is inert is accepted either way, what is refused is not", () => {
  parse("--path a --no-report --report --no-keyring --no-auto-maintenance --no-use-keyring", {
    KOPIA_USE_KEYRING: "false",
  });
  assert.throws(() => parse("--path a --shallow=1"), {
    code: "SEJF_INVALID_ARGUMENT",
    message: "--shallow is not supported: not yet",
  });
  assert.throws(() => parse("--path a --keyring"), { code: "SEJF_INVALID_ARGUMENT" });
  assert.throws(() => parse("--path a", { KOPIA_USE_KEYRING: "1" }), {
    message: /^\$KOPIA_USE_KEYRING is not supported/,
  });
});

test("parseCommand: everything else is wrong usage, named", () => {
  const wrong: Readonly<Record<string, RegExp>> = {
    "": /required flag --path not provided/,
    "--path": /--path/,
    "--path a --nosuch": /unknown option '--nosuch'/,
    "--path a --parallel=x": /--parallel: "x" is not an integer/,
    "--path a --parallel=1.5": /not an integer/,
    "--path a --every=5": /not a duration/,
    "--path a --mode=tar": /expected one of auto, zip/,
    "--path a --human=true": /--human/,
    "--path a --log-level=loud": /--log-level/,
  };
  for (const [line, message] of Object.entries(wrong)) {
    assert.throws(() => parse(line), { code: "SEJF_INVALID_ARGUMENT", message }, line);
  }
  assert.throws(() => parse("--path a", { SEJF_PARALLEL: "many" }), { message: /\$SEJF_PARALLEL/ });
});

test("parseCommand: --help is answered whatever else is missing; a command's -h is its own", () => {
  assert.throws(
    () => parse("--help"),
    (error) =>
      error instanceof HelpRequested &&
      error.message.includes("--[no-]human") &&
      !error.message.includes("--[no-]report"),
  );
});

test("findCommand: words are followed, flags between them are kept, aliases are known", () => {
  const found = findCommand([
    "--config-file",
    "list",
    "repository",
    "--block-hash",
    "X",
    "create",
    "filesystem",
    "--path",
    "snapshot",
  ]);
  assert.equal(found.kind === "command" && found.command.path, "repository create filesystem");
  assert.deepEqual(found.rest, [
    "--config-file",
    "list",
    "--block-hash",
    "X",
    "--path",
    "snapshot",
  ]);
  const alias = findCommand(["snapshot", "ls", "-a"]);
  assert.equal(alias.kind === "command" && alias.command.path, "snapshot list");
  assert.equal(findCommand(["repository"]).kind, "group");
  const group = findCommand(["policies", "ls"]);
  assert.equal(group.kind === "command" ? group.command.path : "", "policy list");
  assert.throws(() => findCommand(["repository", "nosuch"]), {
    code: "SEJF_INVALID_ARGUMENT",
    message: /of 'repository' but got "nosuch"/,
  });
  assert.throws(() => findCommand(["repository", "create", "sftp"]), {
    message: "repository create sftp is not supported yet",
  });
  assert.throws(() => findCommand(["mount", "all", "/mnt"]), {
    message: "mount is not supported yet",
  });
});

test("the registry: every command loads and says what the registry says, every group has a summary", async () => {
  for (const { path, summary, load } of COMMANDS) {
    const { command: loaded } = await load();
    assert.equal(loaded.summary, summary, path);
    const parts = path.split(" ").slice(0, -1);
    for (let length = 1; length <= parts.length; length++)
      assert.ok(GROUPS[parts.slice(0, length).join(" ")], path);
    for (const key of Object.keys(loaded.flags)) {
      // What no other command can do, one may.
      const global = (GLOBAL_FLAGS as Flags)[key];
      const isTaken = global !== undefined && global.refused === undefined;
      assert.ok(!isTaken, `${path}: --${key} is a global flag`);
    }
  }
});

test("VERSION is the package's", () => {
  const { version } = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
  ) as { version: string };
  assert.equal(VERSION, version);
});
