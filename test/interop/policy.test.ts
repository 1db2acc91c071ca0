/**
 * Policies of sejf and of a real kopia in one repository: what one sets the other shows, exports, imports and follows,
 * to the byte.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type CommandClient, KOPIA_SKIP, openKopia, openSejf } from "../../src/testkit/kopia.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";

const IDENTITY = ["--override-hostname=host", "--override-username=user"];

/** Commands one after the other on a policy of its own. */
const SETTINGS: readonly (readonly (readonly string[])[])[] = [
  [
    ["--keep-latest=1", "--keep-hourly=0", "--keep-daily=31", "--keep-weekly=inherit"],
    ["--keep-latest=default", "--keep-monthly=+7", "--keep-annual=99"],
    ["--ignore-identical-snapshots=T"],
  ],
  [["--ignore-identical-snapshots=false"], ["--ignore-identical-snapshots=inherit"]],
  [
    ["--add-ignore=*.tmp", "--add-ignore=!keep.tmp", "--add-ignore=/ż<&>", "--add-ignore=*.tmp"],
    ["--remove-ignore=*.tmp", "--remove-ignore=not there", "--add-ignore=Z"],
    ["--add-dot-ignore=.gitignore", "--add-dot-ignore=.kopiaignore"],
  ],
  [["--add-ignore=a", "--add-dot-ignore=b"], ["--clear-ignore"], ["--clear-dot-ignore"]],
  [
    ["--max-file-size=5000000000", "--one-file-system=true", "--ignore-cache-dirs=false"],
    ["--max-file-size=inherit", "--one-file-system=inherit", "--ignore-cache-dirs=true"],
  ],
  [
    ["--ignore-file-errors=true", "--ignore-dir-errors=false", "--ignore-unknown-types=false"],
    ["--ignore-file-errors=inherit"],
  ],
  [
    ["--compression=zstd", "--compression-min-size=1000", "--compression-max-size=2000000"],
    ["--add-only-compress=.txt", "--add-only-compress=.log", "--add-never-compress=.gz"],
    ["--metadata-compression=none", "--splitter=DYNAMIC-1M-BUZHASH"],
  ],
  [
    ["--compression=s2-default", "--compression-min-size=4096", "--metadata-compression=zstd"],
    ["--add-never-compress=.zip", "--add-never-compress=.7z", "--splitter=FIXED"],
    ["--remove-never-compress=.zip", "--splitter=inherit", "--metadata-compression=inherit"],
  ],
  [["--compression=none"], ["--compression=inherit", "--clear-only-compress"]],
  [
    ["--snapshot-interval=90m", "--snapshot-time=23:59,7:05", "--run-missed=false"],
    ["--snapshot-time=12:00", "--snapshot-time=0:00,12:00"],
  ],
  [
    ["--snapshot-time-crontab=0 3 * * 1-5 ; */5 * * * * # often; ;@daily", "--run-missed=true"],
    ["--run-missed=inherit"],
  ],
  [["--snapshot-time-crontab=0 3 * * *"], ["--snapshot-time-crontab=inherit", "--keep-latest=3"]],
  [["--snapshot-time=1:00", "--snapshot-interval=1h"], ["--manual"]],
  [["--manual"], ["--snapshot-time=1:00"], ["--snapshot-time=inherit"]],
  [
    ["--before-folder-action=/bin/x one two", "--after-folder-action=/bin/y"],
    ["--before-snapshot-root-action=/bin/z", "--action-command-mode=async"],
    ["--after-snapshot-root-action=a  b c", "--action-command-timeout=90s"],
  ],
  [["--before-folder-action=/bin/x"], ["--before-folder-action=", "--keep-latest=1"]],
  [
    ["--log-dir-snapshotted=0", "--log-dir-ignored=10", "--log-entry-snapshotted=5"],
    ["--log-entry-ignored=1", "--log-entry-cache-hit=2", "--log-entry-cache-miss=3"],
    ["--log-dir-ignored=inherit"],
  ],
  [["--enable-volume-shadow-copy=when-available"], ["--enable-volume-shadow-copy=always"]],
  [["--enable-volume-shadow-copy=never", "--max-parallel-file-reads=3"]],
  [["--parallel-upload-above-size-mib=64"], ["--parallel-upload-above-size-mib=0"]],
  [["--inherit=false", "--keep-latest=7"], ["--keep-latest=8"]],
  [["--inherit=false", "--add-never-compress=.x"], ["--inherit=true"]],
];

interface Pair extends AsyncDisposable {
  readonly sejf: CommandClient;
  readonly kopia: CommandClient;
}

/** Both on one new repository. */
async function bothPrograms(path: string): Promise<Pair> {
  const kopia = await openKopia();
  const sejf = await openSejf();
  const create = ["repository", "create", "filesystem", `--path=${path}`, "--enable-actions"];
  mkdirSync(path, { recursive: true });
  await kopia.ok([...create, ...IDENTITY]);
  const connect = ["repository", "connect", "filesystem", `--path=${path}`, "--enable-actions"];
  await sejf.ok([...connect, ...IDENTITY]);
  return {
    sejf,
    kopia,
    async [Symbol.asyncDispose](): Promise<void> {
      await sejf[Symbol.asyncDispose]();
      await kopia[Symbol.asyncDispose]();
    },
  };
}

async function both(
  { sejf, kopia }: Pair,
  args: readonly string[],
): Promise<readonly [ours: string, theirs: string]> {
  return [(await sejf.ok(args)).stdout, (await kopia.ok(args)).stdout];
}

test("policy set: every setting is stored as kopia stores it", { skip: KOPIA_SKIP }, async () => {
  await using folder = await temporaryDirectory("policy");
  await using pair = await bothPrograms(join(folder.path, "repository"));
  const targets: string[] = [];
  for (const [index, commands] of SETTINGS.entries()) {
    const [ours, theirs] = [`user@host:/sejf/${index}`, `user@host:/kopia/${index}`];
    targets.push(ours, theirs);
    for (const flags of commands) {
      const said = await pair.sejf.ok(["policy", "set", ours, ...flags]);
      const same = await pair.kopia.ok(["policy", "set", theirs, ...flags]);
      // Kopia shows times that it has found double a second time.
      const lines = (text: string): readonly string[] =>
        text.split("\n").filter((line) => line.startsWith(" - setting") && !/ times /.test(line));
      assert.deepEqual(lines(said.stderr), lines(same.stderr), flags.join(" "));
    }
  }
  for (const program of [pair.sejf, pair.kopia]) {
    const stored = await program.json<Record<string, unknown>>(["policy", "export", ...targets]);
    for (const index of SETTINGS.keys())
      assert.deepEqual(
        stored[`user@host:/sejf/${index}`],
        stored[`user@host:/kopia/${index}`],
        `setting ${index}`,
      );
  }
  for (const args of [
    ["policy", "show", ...targets],
    ["policy", "show", "--json", ...targets],
    ["policy", "list"],
    ["policy", "list", "--json"],
    ["policy", "export", "--json-indent"],
  ]) {
    const [ours, theirs] = await both(pair, args);
    assert.equal(ours, theirs, args.slice(0, 3).join(" "));
  }
});

test("policy show: inheritance over all levels is kopia's", { skip: KOPIA_SKIP }, async () => {
  await using folder = await temporaryDirectory("policy");
  await using pair = await bothPrograms(join(folder.path, "repository"));
  const levels: readonly (readonly [target: string, ...flags: string[]])[] = [
    ["--global", "--add-ignore=global", "--add-never-compress=.g", "--snapshot-time=1:00"],
    ["@host", "--add-never-compress=.h", "--keep-latest=11", "--max-parallel-snapshots=4"],
    ["user@host", "--add-ignore=user", "--snapshot-time=2:00", "--compression=gzip"],
    ["user@host:/", "--one-file-system=true", "--add-never-compress=.root"],
    ["user@host:/a", "--add-ignore=path", "--before-folder-action=x", "--keep-latest=0"],
    ["user@host:/a/b", "--before-snapshot-root-action=y", "--snapshot-time=3:00"],
    ["user@host:/a/b/alone", "--inherit=false", "--keep-daily=2", "--before-folder-action=z"],
  ];
  for (const [index, [target, ...flags]] of levels.entries())
    await (index % 2 === 0 ? pair.sejf : pair.kopia).ok(["policy", "set", target, ...flags]);
  const below = ["user@host:/a/b/c/d", "user@host:/a/b/alone/x", "other@host", "user@elsewhere:/a"];
  const named = levels.slice(1).map(([target]) => target);
  for (const json of [[], ["--json"]]) {
    const [ours, theirs] = await both(pair, ["policy", "show", ...json, ...named, ...below]);
    assert.equal(ours, theirs);
    assert.deepEqual(...(await both(pair, ["policy", "show", ...json, "--global"])));
  }
});

test("policy import: kopia's export and ours, both ways", { skip: KOPIA_SKIP }, async () => {
  await using folder = await temporaryDirectory("policy");
  await using pair = await bothPrograms(join(folder.path, "repository"));
  await using other = await bothPrograms(join(folder.path, "other"));
  await pair.sejf.ok(["policy", "set", "user@host:/a", "--keep-latest=4", "--add-ignore=<x>"]);
  await pair.kopia.ok(["policy", "set", "@host", "--compression=zstd", "--inherit=false"]);
  await other.kopia.ok(["policy", "set", "user@host:/gone", "--keep-latest=4"]);
  const [ours, theirs] = await both(pair, ["policy", "export"]);
  assert.equal(ours, theirs);
  const file = join(folder.path, "policies.json");
  await pair.sejf.ok(["policy", "export", `--to-file=${file}`]);
  await other.kopia.ok(["policy", "import", `--from-file=${file}`, "--delete-other-policies"]);
  assert.deepEqual(await both(other, ["policy", "export"]), [ours, ours]);
  await pair.kopia.ok(["policy", "delete", "@host", "user@host:/a"]);
  await other.kopia.ok(["policy", "set", "@host", "--keep-annual=1"]);
  const [changed] = await both(other, ["policy", "export"]);
  await pair.sejf.ok(["policy", "import", "--delete-other-policies"], { input: changed });
  assert.deepEqual(await both(pair, ["policy", "export"]), [changed, changed]);
});

test("snapshot create: policies of subdirectories act as in kopia", {
  skip: KOPIA_SKIP,
}, async () => {
  await using folder = await temporaryDirectory("policy");
  await using pair = await bothPrograms(join(folder.path, "repository"));
  const tree = join(folder.path, "tree");
  for (const path of ["keep.txt", "drop.tmp", "sub/keep.txt", "sub/drop.tmp", "sub/deep/x.log"]) {
    mkdirSync(join(tree, path, ".."), { recursive: true });
    writeFileSync(join(tree, path), `content of ${path}\n`.repeat(1000));
  }
  const set = ["policy", "set"];
  await pair.sejf.ok([...set, tree, "--add-ignore=*.tmp", "--compression=zstd-fastest"]);
  await pair.kopia.ok([...set, join(tree, "sub"), "--add-ignore=*.log", "--max-file-size=100000"]);
  await pair.sejf.ok([...set, join(tree, "sub", "deep"), "--metadata-compression=gzip"]);
  const quiet = ["--json", "--no-progress"];
  const kopiaOnly = ["--no-auto-maintenance", "--no-send-snapshot-report"];
  interface Snapshot {
    readonly rootEntry: { readonly obj: string; readonly summ: { readonly files: number } };
  }
  const ours = await pair.sejf.json<Snapshot>(["snapshot", "create", tree, ...quiet]);
  const theirs = await pair.kopia.json<Snapshot>([
    "snapshot",
    "create",
    tree,
    "--force-hash=100",
    ...quiet,
    ...kopiaOnly,
  ]);
  assert.equal(ours.rootEntry.summ.files, 2);
  assert.equal(ours.rootEntry.obj, theirs.rootEntry.obj);
});

test("actions: kopia and sejf run the same ones with the same environment", {
  skip: KOPIA_SKIP,
}, async () => {
  await using folder = await temporaryDirectory("policy");
  await using pair = await bothPrograms(join(folder.path, "repository"));
  const tree = join(folder.path, "tree");
  const log = join(folder.path, "log");
  const script = join(folder.path, "action.sh");
  mkdirSync(join(tree, "sub"), { recursive: true });
  writeFileSync(join(tree, "sub", "file"), "data");
  writeFileSync(
    script,
    `echo "$KOPIA_ACTION $KOPIA_SOURCE_PATH $KOPIA_SNAPSHOT_PATH\${KOPIA_VERSION:+ version}" >> '${log}'\n`,
  );
  const persist = ["--persist-action-script"];
  await pair.sejf.ok([
    "policy",
    "set",
    tree,
    ...persist,
    `--before-snapshot-root-action=${script}`,
    `--after-snapshot-root-action=${script}`,
    `--before-folder-action=${script}`,
  ]);
  await pair.kopia.ok([
    "policy",
    "set",
    join(tree, "sub"),
    ...persist,
    `--before-folder-action=${script}`,
    `--after-folder-action=${script}`,
  ]);
  const run = async (program: CommandClient, ...more: string[]): Promise<string> => {
    writeFileSync(log, "");
    await program.ok(["snapshot", "create", tree, "--no-progress", ...more]);
    return readFileSync(log, "utf8");
  };
  const theirs = await run(pair.kopia, "--no-auto-maintenance", "--no-send-snapshot-report");
  assert.equal(theirs.split("\n").length, 6);
  assert.equal(await run(pair.sejf), theirs);
  assert.equal(await run(pair.sejf, "--force-disable-actions"), "");
});
