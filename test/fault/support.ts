/**
 * What the fault tests of the whole program share: a sejf that can be killed, moments to kill it at, and trees that
 * are compared by a digest of everything in them. Seeds are printed; `SEJF_FAULT_SEED` repeats a run.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openRepository } from "../../src/repository/index.ts";
import { loadSnapshots, manifestDamage, verifyTrees } from "../../src/snapshot/index.ts";
import type { CommandResult } from "../../src/testkit/kopia.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import type { SourcesClient } from "../cli/support.ts";

/** Of the repositories that `openSources` makes. */
const PASSWORD = "fixture-password";

/** How many times a test of random moments goes round: `SEJF_FAULT_ROUNDS`, else `small`. */
export function rounds(small: number): number {
  const text = process.env["SEJF_FAULT_ROUNDS"];
  if (text === undefined || text === "") return small;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`SEJF_FAULT_ROUNDS is ${text}, expected an integer of 1 or more`);
  return count;
}

/** A new seed each time unless `SEJF_FAULT_SEED` gives one; printed either way. */
export function seeded(t: TestContext): SeededRandom {
  const given = Number(process.env["SEJF_FAULT_SEED"] ?? "");
  const seed = given > 0 ? given : Math.floor(Math.random() * 0x7fff_ffff) + 1;
  t.diagnostic(`SEJF_FAULT_SEED=${seed}`);
  return new SeededRandom(seed);
}

/** Between two looks: short beside what is waited for, and the program needs the processor too. */
const LOOK_MS = 3;

/** When a signal is sent: so many milliseconds after the start, once something is seen (looked for all the time), or said on standard error. */
export type Moment =
  | { readonly afterMs: number }
  | { readonly when: () => boolean }
  | { readonly says: RegExp };

export interface Stopped extends CommandResult {
  /** False: the program was done before its moment came. */
  readonly signalled: boolean;
  readonly tookMs: number;
}

/** Runs a command and sends it the signal at the moment given; waits for its end. */
export async function runAndSignal(
  sejf: SourcesClient,
  args: readonly string[],
  moment: Moment,
  signal: "SIGKILL" | "SIGINT" | "SIGTERM" = "SIGKILL",
): Promise<Stopped> {
  const startMs = performance.now();
  const { env, exe, all } = commandOf(sejf, args);
  const child = spawn(exe, all, { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = collect(child);
  let signalled = false;
  const send = (): void => {
    if (signalled || child.exitCode !== null || child.signalCode !== null) return;
    signalled = child.kill(signal);
  };
  let timer: NodeJS.Timeout | undefined;
  if ("afterMs" in moment) timer = setTimeout(send, moment.afterMs);
  else if ("says" in moment) {
    let said = "";
    child.stderr.on("data", (bytes: Buffer) => {
      said += bytes.toString();
      if (moment.says.test(said)) send();
    });
  } else {
    const look = (): void => {
      if (moment.when()) send();
      else if (child.exitCode === null && child.signalCode === null)
        timer = setTimeout(look, LOOK_MS);
    };
    timer = setTimeout(look, LOOK_MS);
  }
  const result = await ended;
  clearTimeout(timer);
  return { ...result, signalled, tookMs: performance.now() - startMs };
}

function commandOf(
  sejf: SourcesClient,
  args: readonly string[],
): { readonly env: NodeJS.ProcessEnv; readonly exe: string; readonly all: readonly string[] } {
  const { NODE, MAIN, CONFIG, ...env } = sejf.environment();
  return { env, exe: NODE ?? "", all: [MAIN ?? "", ...args, `--config-file=${CONFIG}`] };
}

async function collect(child: ChildProcess): Promise<CommandResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (bytes: Buffer) => stdout.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => stderr.push(bytes));
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? -1));
  });
  const stdoutBytes = Uint8Array.from(Buffer.concat(stdout));
  const text = Buffer.concat(stderr).toString("utf8");
  return { exitCode, stdoutBytes, stdout: new TextDecoder().decode(stdoutBytes), stderr: text };
}

/** Paths of everything below a folder, `/` between; a folder that is not there has nothing. */
export function everythingBelow(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true }) as readonly string[];
  } catch {
    return []; // not there yet, or changed while it was read
  }
}

/** Whether a filesystem repository holds a blob of these letters, or (`tmp`) a blob being written. */
export function holdsBlob(repository: string, prefix: string, kind: "whole" | "tmp"): boolean {
  return everythingBelow(repository).some((path) => {
    const isTemporary = path.includes(".tmp");
    return (
      path.replaceAll("/", "").startsWith(prefix) &&
      (isTemporary ? kind === "tmp" : kind === "whole" && path.endsWith(".f"))
    );
  });
}

/** Everything in a tree: kinds, modes, times, link targets and bytes by path. */
export type TreeDigest = ReadonlyMap<string, string>;

export function digestTree(root: string): TreeDigest {
  const digest = new Map<string, string>();
  for (const path of (readdirSync(root, { recursive: true }) as string[]).toSorted()) {
    const stat = lstatSync(join(root, path), { bigint: true });
    const common = `${stat.mode.toString(8)} ${stat.mtimeNs}`;
    if (stat.isSymbolicLink()) digest.set(path, `link ${readlinkSync(join(root, path))}`);
    else if (stat.isDirectory()) digest.set(path, common);
    else digest.set(path, `${common} ${bytesOf(join(root, path))}`);
  }
  return digest;
}

function bytesOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** One line for each path that differs, at most ten. */
export function differences(expected: TreeDigest, actual: TreeDigest): readonly string[] {
  const lines: string[] = [];
  for (const path of new Set([...expected.keys(), ...actual.keys()])) {
    const [a, b] = [expected.get(path), actual.get(path)];
    if (a !== b) lines.push(`${path}: ${a ?? "nothing"}, found ${b ?? "nothing"}`);
    if (lines.length === 10) break;
  }
  return lines;
}

/** Folders of small files and a few big ones, of bytes that do not compress. */
export function writeTree(
  root: string,
  random: SeededRandom,
  size: { readonly files: number; readonly big: number; readonly bigBytes: number },
): void {
  for (let i = 0; i < size.files; i++) {
    const folder = join(root, `folder ${i % 40}`, `${i % 7}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file ${i}`), random.bytes(random.int(4000)));
  }
  for (let i = 0; i < size.big; i++)
    writeFileSync(join(root, `big ${i}`), random.bytes(size.bigBytes));
}

/** Some files change, some are new. */
export function changeTree(root: string, random: SeededRandom, bigBytes: number): void {
  const name = random.int(1_000_000_000);
  for (let i = 0; i < 200; i++) {
    const folder = join(root, `folder ${random.int(40)}`, `${name}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file ${i}`), random.bytes(random.int(4000)));
  }
  writeFileSync(join(root, `big 0`), random.bytes(bigBytes));
}

export interface SnapshotJson {
  readonly id: string;
  readonly incomplete?: string;
  readonly stats?: {
    readonly cachedFiles: number;
    readonly nonCachedFiles: number;
    readonly errorCount: number;
  };
  readonly rootEntry: { readonly obj: string; readonly summ: { readonly files: number } };
}

/** All snapshots, stopped ones too. */
export async function listed(sejf: SourcesClient): Promise<readonly SnapshotJson[]> {
  return await sejf.json(["snapshot", "list", "--json", "--all", "--incomplete"]);
}

/** Nothing that any snapshot or index names is missing or hurt: what `snapshot verify` and `content verify` ask, in this process. */
export async function assertWhole(sejf: SourcesClient): Promise<void> {
  const { configFile } = sejf;
  await using repository = await openRepository({ configFile, password: PASSWORD, threads: 0 });
  const { snapshots, unreadable } = await loadSnapshots(repository, {});
  assert.deepEqual([unreadable, await manifestDamage(repository)], [[], []]);
  const roots = snapshots.flatMap(({ id, rootEntry }) =>
    rootEntry === undefined ? [] : [{ entry: rootEntry, label: id }],
  );
  const { problems } = await verifyTrees(repository, roots, { filesPercent: 100 });
  assert.deepEqual(problems, []);
  const contents = await repository.contents.verify({ fullPercent: 100 });
  assert.deepEqual(contents.problems, []);
  assert.equal(contents.readInFull, contents.contents);
}

/** What a snapshot is when it is restored. */
export async function restored(sejf: SourcesClient, id: string): Promise<TreeDigest> {
  const target = join(sejf.home, `restored-${id}`);
  await sejf.ok(["restore", id, target]);
  const digest = digestTree(target);
  await rm(target, { recursive: true });
  return digest;
}
