/**
 * What a user can do wrong, and what can be wrong with the files of a connection: each is one clear line with the exit
 * status of docs/errors.md, never a stack trace, and no output or log has a secret in it.
 */
import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openConnection } from "../../src/repository/index.ts";
import { type CommandResult, runCommand } from "../../src/testkit/kopia.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";
import { everythingBelow } from "./support.ts";

const PASSWORD = "S3cret Pass-Wörd 4711";

interface Setting {
  readonly sejf: SourcesClient;
  readonly repository: string;
  readonly tree: string;
}

interface Case {
  readonly name: string;
  /** Without `--config-file`, which is the connection's unless this names another. */
  readonly args: (setting: Setting) => readonly string[];
  /** What is made first; gives the connection file where it is another one. */
  readonly before?: (setting: Setting) => string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  readonly status: number;
  readonly says: RegExp;
  readonly hint?: RegExp;
  readonly skip?: string | false;
}

const NOT_ROOT = process.getuid?.() === 0 ? "root may read everything" : false;

/** The connection file, changed; its password file goes with it. */
function changedConfig({ sejf }: Setting, name: string, change: (path: string) => void): string {
  const path = join(sejf.home, `${name}.config`);
  copyFileSync(sejf.configFile, path);
  change(path);
  return path;
}

/** A connection to a copy of the repository in which something is changed. */
function damagedCopy(setting: Setting, name: string, change: (copy: string) => void): string {
  const copy = join(setting.sejf.home, `repo ${name}`);
  cpSync(setting.repository, copy, { recursive: true });
  change(copy);
  return changedConfig(setting, name, (path) => {
    const config = JSON.parse(readFileSync(path, "utf8")) as {
      storage: { config: { path: string } };
      caching?: unknown;
    };
    config.storage.config.path = copy;
    delete config.caching;
    writeFileSync(path, JSON.stringify(config));
  });
}

function filesOf(repository: string, prefix: string): readonly string[] {
  return everythingBelow(repository)
    .filter((path) => path.startsWith(prefix) && path.endsWith(".f"))
    .map((path) => join(repository, path));
}

const CASES: readonly Case[] = [
  {
    name: "a wrong password",
    args: () => ["snapshot", "list"],
    env: { SEJF_PASSWORD: "not it" },
    status: 1,
    says: /invalid repository password/,
    hint: /check the password/,
  },
  {
    name: "no password and no terminal",
    args: () => ["snapshot", "list"],
    before: (setting) => changedConfig(setting, "no password", () => {}),
    env: { SEJF_PASSWORD: "" },
    status: 2,
    says: /no repository password was given/,
    hint: /SEJF_PASSWORD/,
  },
  {
    name: "no connection",
    args: () => ["snapshot", "list"],
    before: ({ sejf }) => join(sejf.home, "nowhere.config"),
    status: 1,
    says: /not connected/,
    hint: /repository connect/,
  },
  {
    name: "a truncated connection file",
    args: () => ["snapshot", "list"],
    before: (setting) =>
      changedConfig(setting, "short", (path) => truncateSync(path, statSync(path).size >> 1)),
    status: 1,
    says: /short\.config/,
    hint: /./,
  },
  {
    name: "an empty connection file",
    args: () => ["snapshot", "list"],
    before: (setting) => changedConfig(setting, "empty", (path) => truncateSync(path, 0)),
    status: 1,
    says: /empty\.config/,
    hint: /./,
  },
  {
    name: "a connection file that is no text",
    args: () => ["snapshot", "list"],
    before: (setting) =>
      changedConfig(setting, "garbled", (path) =>
        writeFileSync(
          path,
          Uint8Array.from({ length: 500 }, (_, i) => (i * 167) & 0xff),
        ),
      ),
    status: 1,
    says: /garbled\.config/,
    hint: /./,
  },
  {
    name: "a connection file with members of wrong types",
    args: () => ["snapshot", "list"],
    before: (setting) =>
      changedConfig(setting, "types", (path) =>
        writeFileSync(path, '{"storage":{"type":7,"config":[]},"hostname":{}}'),
      ),
    status: 1,
    says: /types\.config/,
    hint: /./,
  },
  {
    name: "a connection of an unknown storage type",
    args: () => ["snapshot", "list"],
    before: (setting) =>
      changedConfig(setting, "unknown", (path) =>
        writeFileSync(
          path,
          '{"storage":{"type":"punchcards","config":{}},"hostname":"h","username":"u"}',
        ),
      ),
    status: 1,
    says: /punchcards/,
  },
  {
    name: "a folder as connection file",
    args: () => ["snapshot", "list"],
    before: ({ sejf }) => {
      mkdirSync(join(sejf.home, "folder.config"));
      return join(sejf.home, "folder.config");
    },
    status: 1,
    says: /folder\.config/,
  },
  {
    name: "a connection file that may not be read",
    args: () => ["snapshot", "list"],
    before: (setting) => changedConfig(setting, "secret", (path) => chmodSync(path, 0o000)),
    status: 1,
    says: /secret\.config/,
    skip: NOT_ROOT,
  },
  {
    name: "a repository that is gone",
    args: () => ["snapshot", "list"],
    before: (setting) =>
      changedConfig(setting, "gone", (path) =>
        writeFileSync(
          path,
          readFileSync(path, "utf8").replace(setting.repository, `${setting.repository}-gone`),
        ),
      ),
    status: 1,
    says: /repo-gone/,
    hint: /./,
  },
  {
    name: "a file where the repository should be",
    args: ({ tree }) => ["repository", "connect", "filesystem", "--path", join(tree, "file")],
    before: ({ sejf }) => join(sejf.home, "new.config"),
    status: 1,
    says: /file/,
  },
  {
    name: "a folder without a repository",
    args: ({ tree }) => ["repository", "connect", "filesystem", "--path", tree],
    before: ({ sejf }) => join(sejf.home, "new.config"),
    status: 1,
    says: /no repository in/,
    hint: /repository create/,
  },
  {
    name: "a folder that is not empty for a new repository",
    args: ({ tree }) => ["repository", "create", "filesystem", "--path", join(tree, "file")],
    before: ({ sejf }) => join(sejf.home, "new.config"),
    status: 1,
    says: /file/,
  },
  {
    name: "a relative path with ..",
    args: () => ["repository", "connect", "filesystem", "--path", "../../no/such/../place"],
    before: ({ sejf }) => join(sejf.home, "new.config"),
    status: 2,
    says: /place.*not an absolute path/,
    hint: /whole path/,
  },
  {
    name: "a path with .. that does not exist",
    args: ({ tree }) => ["repository", "connect", "filesystem", "--path", `${tree}/no/../such`],
    before: ({ sejf }) => join(sejf.home, "new.config"),
    status: 1,
    says: /such/,
  },
  {
    name: "a truncated kopia.repository",
    args: () => ["snapshot", "list"],
    before: (setting) =>
      damagedCopy(setting, "half format", (copy) => {
        const path = join(copy, "kopia.repository.f");
        truncateSync(path, statSync(path).size >> 1);
      }),
    status: 1,
    says: /kopia\.repository/,
    hint: /./,
  },
  {
    name: "a kopia.repository with changed bytes",
    args: () => ["snapshot", "list"],
    before: (setting) =>
      damagedCopy(setting, "other format", (copy) => {
        const path = join(copy, "kopia.repository.f");
        const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
        writeFileSync(path, JSON.stringify({ ...json, encryptedBlockFormat: "AAAA" }));
      }),
    status: 1,
    says: /kopia\.repository|password/,
    hint: /./,
  },
  {
    name: "a pack that ends too early",
    args: ({ tree, sejf }) => ["restore", tree, join(sejf.home, "target")],
    before: (setting) =>
      damagedCopy(setting, "no packs", (copy) => {
        for (const path of filesOf(copy, "p")) truncateSync(path, 10);
      }),
    status: 1,
    says: /restoring .+: pack .*p.* is 10 bytes, expected \d+ or more/,
    hint: /snapshot verify/,
  },
  {
    name: "a garbled index",
    args: () => ["snapshot", "list"],
    before: (setting) =>
      damagedCopy(setting, "index", (copy) => {
        for (const path of filesOf(copy, "x")) appendFileSync(path, "!");
      }),
    status: 1,
    says: /index|xn0_/,
    hint: /./,
  },
  {
    name: "an unknown command",
    args: () => ["snapshto"],
    status: 2,
    says: /snapshto/,
    hint: /help/,
  },
  { name: "no subcommand", args: () => ["snapshot"], status: 2, says: /subcommand/, hint: /help/ },
  {
    name: "an unknown flag",
    args: () => ["snapshot", "list", "--frobnicate"],
    status: 2,
    says: /frobnicate/,
    hint: /--help/,
  },
  {
    name: "a value for a switch that takes none",
    args: () => ["snapshot", "list", "--json=maybe"],
    status: 2,
    says: /json/,
  },
  {
    name: "a flag without its value",
    args: () => ["repository", "connect", "filesystem", "--path"],
    status: 2,
    says: /path/,
  },
  {
    name: "a number that is none",
    args: () => ["snapshot", "create", "/tmp", "--parallel=many"],
    status: 2,
    says: /parallel.*many|many.*parallel/,
  },
  { name: "a missing argument", args: () => ["restore"], status: 2, says: /source/, hint: /./ },
  {
    name: "too many arguments",
    args: () => ["repository", "status", "more"],
    status: 2,
    says: /argument/,
  },
  {
    name: "a snapshot ID that does not exist",
    args: ({ sejf }) => ["restore", "0123456789abcdef0123456789abcdef", join(sejf.home, "target")],
    status: 1,
    says: /0123456789abcdef/,
  },
  {
    name: "an object ID that is none",
    args: () => ["show", "k!!"],
    status: 1,
    says: /k!!/,
  },
  {
    name: "a path that leaves the snapshot",
    args: ({ tree, sejf }) => ["restore", `${tree}/../../etc`, join(sejf.home, "target")],
    status: 1,
    says: /etc/,
  },
  {
    name: "a source that does not exist",
    args: ({ tree }) => ["snapshot", "create", `${tree}/absent`],
    status: 1,
    says: /absent/,
  },
  {
    name: "a file as the target of a folder",
    args: ({ tree }) => ["restore", tree, join(tree, "file")],
    status: 1,
    says: /file/,
  },
];

async function openSetting(sejf: SourcesClient): Promise<Setting> {
  const repository = join(sejf.home, "repo");
  const tree = join(sejf.home, "tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "file"), "content of a file ".repeat(50));
  await sejf.ok([
    "repository",
    "create",
    "filesystem",
    "--path",
    repository,
    `--password=${PASSWORD}`,
  ]);
  await sejf.ok(["snapshot", "create", tree]);
  return { sejf, repository, tree };
}

async function runCase(setting: Setting, row: Case): Promise<CommandResult> {
  const { NODE = "", MAIN = "", CONFIG = "", ...env } = setting.sejf.environment();
  const configFile = row.before?.(setting) ?? CONFIG;
  const args = [MAIN, ...row.args(setting), `--config-file=${configFile}`];
  return await runCommand(NODE, args, { env: { ...env, ...row.env } });
}

test("what is wrong is said in one line, with the right status", async (t) => {
  await using sejf = await openSources({ SEJF_PASSWORD: PASSWORD });
  const setting = await openSetting(sejf);
  const outputs: string[] = [];
  for (const row of CASES) {
    await t.test(row.name, { skip: row.skip ?? false }, async () => {
      const result = await runCase(setting, row);
      outputs.push(result.stdout, result.stderr);
      assert.equal(result.exitCode, row.status, result.stderr);
      const told = result.stderr.split("\n").filter((line) => line.startsWith("sejf: error: "));
      assert.equal(told.length, 1, result.stderr);
      assert.match(told[0] ?? "", row.says);
      if (row.hint !== undefined) {
        const hints = result.stderr.split("\n").filter((line) => line.startsWith("  hint: "));
        assert.equal(hints.length, 1, `a hint is missing: ${result.stderr}`);
        assert.match(hints[0] ?? "", row.hint);
      }
      assert.doesNotMatch(
        result.stderr,
        /unexpected failure|\n\s+at |TypeError|\[object|undefined/,
      );
    });
  }
  await t.test("no secret is in an output or a log", async () => {
    const secrets = await secretsOf(sejf);
    const logs = join(sejf.home, "logs");
    const files = everythingBelow(logs).filter((path) => path.endsWith(".log"));
    const texts = [...outputs, ...files.map((path) => readFileSync(join(logs, path), "utf8"))];
    assert.ok(texts.length > CASES.length * 2, "there are logs");
    for (const text of texts) {
      for (const secret of secrets) assert.ok(!text.includes(secret), `a secret in: ${text}`);
    }
  });
});

/** The password and the keys, in the ways in which they could be printed. */
async function secretsOf(sejf: SourcesClient): Promise<readonly string[]> {
  await using connection = await openConnection({
    configFile: sejf.configFile,
    password: PASSWORD,
  });
  const { masterKey, secret } = connection.access.format;
  const derived: readonly unknown[] = Object.values(connection.access.derivedKeys());
  const bytes = [masterKey, secret, ...derived].filter((key) => key instanceof Uint8Array);
  assert.ok(bytes.length >= 3);
  return [
    PASSWORD,
    encodeURIComponent(PASSWORD),
    Buffer.from(PASSWORD).toString("base64"),
    ...bytes.flatMap((key) => [
      Buffer.from(key).toString("hex"),
      Buffer.from(key).toString("base64").replace(/=+$/, ""),
      [...key].slice(0, 8).join(","),
    ]),
  ];
}

/** Runs a shell line in which `sejf` is the program. */
async function shell(sejf: SourcesClient, line: string): Promise<CommandResult> {
  const program = 'sejf() { "$NODE" "$MAIN" "$@" --config-file="$CONFIG"; }';
  return await runCommand("sh", ["-c", `${program}\n${line}`], { env: sejf.environment() });
}

test("who reads the output may leave: nothing is said, whatever the command", {
  skip: process.platform === "win32" ? "no shell" : false,
}, async () => {
  await using sejf = await openSources({ SEJF_PASSWORD: PASSWORD });
  const { tree } = await openSetting(sejf);
  const lines = [
    "{ sejf --help-full; echo $? >&3; } | true",
    "{ sejf help snapshot | head -1; } >/dev/null; echo 0 >&3",
    "{ sejf content list --json; echo $? >&3; } | true",
    `{ sejf show "$(sejf snapshot list --json | sed -n 's/.*"obj": *"\\(k[0-9a-f]*\\)".*/\\1/p')"/file; echo $? >&3; } | true`,
    `{ sejf snapshot create '${tree}' --json; echo $? >&3; } | true`,
  ];
  for (const line of lines) {
    const result = await shell(sejf, `exec 3>&1\n${line}`);
    assert.match(result.stdout, /^[01]\n$/, `${line}: ${result.stdout} ${result.stderr}`);
    assert.doesNotMatch(result.stderr, /EPIPE|error|unexpected|\n\s+at /i, line);
  }
  assert.equal((await sejf.json<readonly unknown[]>(["snapshot", "list", "--json"])).length, 2);
});

test("an output that cannot be written is an error, an error output that cannot be is none", {
  skip: process.platform === "linux" ? false : "no /dev/full",
}, async () => {
  await using sejf = await openSources({ SEJF_PASSWORD: PASSWORD });
  const { tree } = await openSetting(sejf);
  const full = await shell(sejf, "sejf snapshot list --json >/dev/full");
  assert.equal(full.exitCode, 1, full.stderr);
  assert.match(full.stderr, /sejf: error: .*standard output.*no space left/);
  const version = await shell(sejf, "sejf --version >/dev/full");
  assert.equal(version.exitCode, 1, version.stderr);
  for (const where of ["2>/dev/full", "2>&-", ">&- 2>&-", "<&-"]) {
    const result = await shell(sejf, `sejf snapshot create '${tree}' ${where}`);
    assert.equal(result.exitCode, 0, `${where}: ${result.stderr}`);
  }
});
