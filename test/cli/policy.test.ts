/**
 * The policy commands as a user types them: what they change, print and refuse. In this process on a repository in
 * memory, but for those that read standard input.
 */
import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import type { CommandContext } from "../../src/cli/context.ts";
import { parseCommand } from "../../src/cli/parse.ts";
import { POLICY_COMMANDS } from "../../src/cli/registry/policy.ts";
import { errorFromUnknown } from "../../src/errors/index.ts";
import { memoryRepository, type MemoryRepository } from "../../src/testkit/memory-repository.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../src/testkit/temp.ts";
import { openSources, type SourcesClient } from "./support.ts";

type Json = Readonly<Record<string, unknown>>;
type Stored = Readonly<Record<string, Readonly<Record<string, Json>>>>;

/** Runs commands of policies; the client is user@host. */
class Policies implements AsyncDisposable {
  readonly repository: MemoryRepository = memoryRepository();
  readonly #directory: TemporaryDirectory;
  readonly home: string;

  constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
    this.home = directory.path;
  }

  /** Gives standard output; what is told besides is behind it. */
  async ok(
    name: string,
    ...args: string[]
  ): Promise<{ readonly out: string; readonly log: string }> {
    const found = POLICY_COMMANDS.find(
      ({ path, aliases = [] }) => path === `policy ${name}` || aliases.includes(name),
    );
    assert.ok(found);
    const { command } = await found.load();
    let out = "";
    let log = "";
    const tell = (line: string): void => {
      log += `${line}\n`;
    };
    const context = {
      signal: new AbortController().signal,
      log: { debug: tell, info: tell, warn: tell, error: tell },
      out: {
        write: (text: string): void => {
          out += text;
        },
        line: (text = ""): void => {
          out += `${text}\n`;
        },
      },
      // oxlint-disable-next-line require-await
      openRepository: async (): Promise<MemoryRepository> => this.repository,
    } as unknown as CommandContext;
    const { flags, args: rest } = parseCommand(found.path, command, args, {});
    await command.run(context, flags, rest);
    return { out, log };
  }

  async refused(message: RegExp, name: string, ...args: string[]): Promise<void> {
    const failure = await this.ok(name, ...args).then(
      () => undefined,
      (error: unknown) => errorFromUnknown(error, "test"),
    );
    assert.match(failure?.message ?? "no failure", message, args.join(" "));
  }

  async import(policies: Json | string, ...args: string[]): Promise<void> {
    await this.ok("import", ...args, `--from-file=${await this.file(policies)}`);
  }

  async file(policies: Json | string): Promise<string> {
    const file = join(this.home, "import.json");
    await writeFile(file, typeof policies === "string" ? policies : JSON.stringify(policies));
    return file;
  }

  async stored(): Promise<Stored> {
    return JSON.parse((await this.ok("export")).out) as Stored;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#directory[Symbol.asyncDispose]();
  }
}

async function policies(): Promise<Policies> {
  return new Policies(await temporaryDirectory("policies"));
}

async function connected(): Promise<SourcesClient> {
  const sejf = await openSources();
  const create = ["repository", "create", "filesystem", `--path=${join(sejf.home, "repository")}`];
  await sejf.ok([...create, "--override-hostname=host", "--override-username=user"]);
  return sejf;
}

async function exported(sejf: SourcesClient): Promise<Stored> {
  return await sejf.json<Stored>(["policy", "export"]);
}

test("policy set: refuses what cannot be, and then changes nothing", async () => {
  await using sejf = await policies();
  const before = await sejf.stored();
  const cases: readonly (readonly [message: RegExp, ...args: string[]])[] = [
    [/either '--global' or a list/],
    [/either '--global' or a list/, "--global", "/a"],
    [/no changes specified/, "/a"],
    [/no changes specified/, "/a", "--no-manual"],
    [/latest backups to keep "many"/, "/a", "--keep-latest=many"],
    [/latest backups to keep "-1"/, "/a", "--keep-latest=-1"],
    [/latest backups to keep "3000000000"/, "/a", "--keep-latest=3000000000"],
    [/detail "11"/, "/a", "--log-dir-ignored=11"],
    [/"maybe" is not possible/, "/a", "--ignore-file-errors=maybe"],
    [/identical snapshots" "maybe"/, "/a", "--ignore-identical-snapshots=maybe"],
    [/"lzma" is not possible/, "/a", "--compression=lzma"],
    [/must be HH:MM/, "/a", "--snapshot-time=24:00"],
    [/must be HH:MM/, "/a", "--snapshot-time=12"],
    [/invalid cron expression "61/, "/a", "--snapshot-time-crontab=61 * * * *"],
    [/cannot set manual field/, "/a", "--manual", "--snapshot-interval=1h"],
    [/only globally/, "/a", "--max-parallel-snapshots=2"],
    [/quote in the middle/, "/a", '--before-folder-action=a "b"c'],
    [
      /reading the action script/,
      "/a",
      "--before-folder-action=/no/such",
      "--persist-action-script",
    ],
    [/keep-latest|latest/, "/a", "/b", "--keep-daily=1", "--keep-latest=x"],
  ];
  for (const [message, ...args] of cases) await sejf.refused(message, "set", ...args);
  assert.deepEqual(await sejf.stored(), before);
});

test("policy set: targets are paths, hosts, users, and IDs of policies", async () => {
  await using sejf = await policies();
  const targets = ["relative/.././path/", "@host", "someone@host", "someone@host:/x", "(global)"];
  await sejf.ok("set", ...targets, "--keep-latest=5");
  const keys = Object.keys(await sejf.stored());
  const expected = [
    "(global)",
    "@host",
    "someone@host",
    "someone@host:/x",
    `user@host:${resolve("path")}`,
  ];
  assert.deepEqual(keys, expected);
  const list = JSON.parse((await sejf.ok("list", "--json")).out) as readonly {
    readonly id: string;
    readonly target: Json;
  }[];
  const host = list.find(({ target }) => target["host"] === "host" && target["path"] === "");
  await sejf.ok("set", host?.id ?? "", "--keep-daily=6");
  assert.deepEqual((await sejf.stored())["@host"]?.["retention"], { keepLatest: 5, keepDaily: 6 });
});

test("policy set: other settings leave a manual schedule and an unsorted list as they are", async () => {
  await using sejf = await policies();
  const ignore = ["*.tmp", "!keep.tmp"];
  await sejf.import({ "@host": { files: { ignore }, scheduling: { manual: true } } });
  await sejf.ok("set", "@host", "--keep-latest=5");
  let policy = (await sejf.stored())["@host"];
  assert.deepEqual(policy?.["files"]?.["ignore"], ignore);
  assert.deepEqual(policy?.["scheduling"], { manual: true });
  await sejf.ok("set", "@host", "--clear-ignore", "--add-ignore=new", "--no-manual");
  policy = (await sejf.stored())["@host"];
  assert.deepEqual(policy?.["files"]?.["ignore"], ["new"]);
  assert.deepEqual(policy?.["scheduling"], {});
  await sejf.ok("set", "@host", "--snapshot-time=1:00", "--run-missed=false");
  await sejf.ok("set", "@host", "--manual");
  assert.deepEqual((await sejf.stored())["@host"]?.["scheduling"], { manual: true });
  await sejf.ok("set", "@host", "--snapshot-time=09:05");
  assert.deepEqual((await sejf.stored())["@host"]?.["scheduling"], {
    timeOfDay: [{ hour: 9, min: 5 }],
  });
});

test("policy set: actions as commands and as scripts, and removed again", async () => {
  await using sejf = await policies();
  const script = join(sejf.home, "script.sh");
  await writeFile(script, "echo ż\n");
  await sejf.ok("set", "@host", '--before-folder-action="/a program" "say ""hi""" x');
  await sejf.ok("set", "@host", `--after-folder-action=${script}`, "--persist-action-script");
  const { beforeFolder, afterFolder } = (await sejf.stored())["@host"]?.["actions"] ?? {};
  assert.deepEqual(beforeFolder, {
    path: "/a program",
    args: ['say "hi"', "x"],
    timeout: 300,
    mode: "essential",
  });
  assert.deepEqual(afterFolder, { script: "echo ż\n", timeout: 300, mode: "essential" });
  await sejf.ok("set", "@host", "--before-folder-action=none", "--after-folder-action=inherit");
  assert.deepEqual((await sejf.stored())["@host"]?.["actions"], {});
  await writeFile(script, "x".repeat(32_001));
  await sejf.refused(
    /32001 bytes, at most 32000/,
    "set",
    "@host",
    `--after-folder-action=${script}`,
    "--persist-action-script",
  );
});

test("policy import: unknown fields are refused, or kept when they are allowed", async () => {
  await using sejf = await policies();
  const policy = { files: { ingore: ["x"] }, future: { a: 1 } };
  const all = { "@host": policy, "@other": {} };
  await sejf.refused(
    /policy of @host has the unknown field "files.ingore"/,
    "import",
    `--from-file=${await sejf.file(all)}`,
  );
  assert.deepEqual(await sejf.stored(), {});
  await sejf.import(all, "--allow-unknown-fields", "@host");
  await sejf.ok("set", "@host", "--keep-latest=1");
  const stored = await sejf.stored();
  assert.deepEqual(Object.keys(stored), ["@host"]);
  assert.deepEqual(stored["@host"]?.["files"], policy.files);
  assert.deepEqual(stored["@host"]?.["future"], policy.future);
  for (const [bad, message] of [
    ["[]", /not an object of policies/],
    ["{", /not valid JSON/],
    ['{"@host":{"retention":{"keepLatest":"x"}}}', /keepLatest is "x"/],
    ['{"@host":{"scheduling":{"manual":true,"runMissed":true}}}', /manual/],
  ] as const) {
    await sejf.refused(message, "import", `--from-file=${await sejf.file(bad)}`);
  }
});

test("policy import: from standard input, with what is not in it deleted", async () => {
  await using sejf = await connected();
  const input = JSON.stringify({ "@host": { retention: { keepLatest: 3 } } });
  await sejf.ok(["policy", "import", "--delete-other-policies"], { input });
  const all = await exported(sejf);
  assert.deepEqual(Object.keys(all), ["@host"]);
  assert.deepEqual(all["@host"]?.["retention"], { keepLatest: 3 });
});

test("policy export: to a file that only the owner can read, never over another one unasked", async () => {
  await using sejf = await policies();
  await sejf.ok("set", "--global", "--keep-latest=1");
  await sejf.ok("set", "@host", "--keep-latest=2");
  const file = join(sejf.home, "policies.json");
  await sejf.ok("export", `--to-file=${file}`);
  if (process.platform !== "win32") assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal(await readFile(file, "utf8"), (await sejf.ok("export")).out);
  await sejf.refused(/already exists/, "export", `--to-file=${file}`);
  await sejf.ok("export", `--to-file=${file}`, "--overwrite", "--global");
  assert.deepEqual(Object.keys(JSON.parse(await readFile(file, "utf8")) as Json), ["(global)"]);
  await sejf.refused(/no file path/, "export", "--overwrite");
  await sejf.refused(/policy not found/, "export", "@nowhere");
});

test("policy delete: removes the policy, shows only with --dry-run", async () => {
  await using sejf = await policies();
  await sejf.ok("set", "@host", "--keep-latest=1");
  await sejf.ok("delete", "-n", "@host");
  assert.ok((await sejf.stored())["@host"]);
  await sejf.ok("rm", "@host");
  assert.equal((await sejf.stored())["@host"], undefined);
  const again = await sejf.ok("remove", "@host");
  assert.match(again.log, /There is no policy on "@host"/);
});

/** A program that stands for an editor: it runs `sed` on the file that it is given. */
function editor(script: string): Readonly<Record<string, string>> {
  return { VISUAL: `sed -i ${script}`, EDITOR: "false" };
}

const skip = process.platform === "win32" ? "the editor of this test is sed" : false;

test("policy edit: the edited text is shown, and saved when that is confirmed", {
  skip,
}, async () => {
  await using sejf = await connected();
  const env = editor('s/"retention":.{}/"retention":{"keepLatest":7}/');
  const edit = ["policy", "edit", "@host"];
  const kept = await sejf.ok(edit, { env, input: "n\n" });
  assert.match(kept.stdout, /Save updated policy\? \(y\/N\) /);
  assert.match(kept.stderr, /"keepLatest": 7/);
  assert.equal((await exported(sejf))["@host"], undefined);
  await sejf.ok(edit, { env, input: "Yes\n" });
  assert.deepEqual((await exported(sejf))["@host"]?.["retention"], { keepLatest: 7 });
  const same = await sejf.ok(edit, { env: editor("s/x/x/") });
  assert.match(same.stderr, /Policy for @host unchanged/);
  assert.equal(same.stdout, "");
});

test("policy edit: comments are cut, mistakes may be corrected or given up", { skip }, async () => {
  await using sejf = await connected();
  const copy = join(sejf.home, "copy");
  const seen = await sejf.run(["policy", "edit", "--global"], {
    env: { VISUAL: `cp -t ${sejf.home}` },
  });
  assert.equal(seen.exitCode, 0, seen.stderr);
  const text = await readFile(join(sejf.home, "policy.conf"), "utf8");
  assert.match(text, /# Editing policy for '\(global\)'/);
  assert.match(text, /\n {2}# .*\n {2}"scheduling": \{\n/);
  await writeFile(copy, text);
  const broken = editor("s/keepDaily/keepDayly/");
  for (const input of ["n\n", ""]) {
    const result = await sejf.run(["policy", "edit", "--global"], { env: broken, input });
    assert.match(result.stderr, /unknown field "retention.keepDayly"/);
    assert.notEqual(result.exitCode, 0);
  }
  const program = join(sejf.home, "editor.sh");
  const tries = join(sejf.home, "tries");
  await writeFile(
    program,
    `echo x >> '${tries}'\nif [ "$(wc -l < '${tries}')" -eq 1 ]; then echo '{' > "$1"; else echo '{"noParent":true}' > "$1"; fi\n`,
  );
  const corrected = await sejf.ok(["policy", "edit", "@host"], {
    env: { EDITOR: `sh ${program}` },
    input: "y\ny\n",
  });
  assert.match(corrected.stderr, /not valid JSON/);
  assert.equal((await exported(sejf))["@host"]?.["noParent"], true);
  const failing = await sejf.run(["policy", "edit", "@host"], { env: { EDITOR: "false" } });
  assert.match(failing.stderr, /running the editor false.*exit status 1/);
  assert.notEqual(failing.exitCode, 0);
});
