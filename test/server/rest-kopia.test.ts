/**
 * The endpoints of the web interface beside those of a real kopia server: the same requests to both, each on a
 * repository of its own with the same content, and answers of the same shape: status, members, types of values.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { type CommandClient, KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { openRestApi, type RestApi } from "../../src/testkit/rest-api.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../src/testkit/temp.ts";

interface Answer {
  readonly status: number;
  readonly json: unknown;
  readonly bytes: Uint8Array;
  readonly headers: Headers;
}

/** A kopia server that serves the interface without TLS, on this machine only. */
class KopiaRest implements AsyncDisposable {
  readonly kopia: CommandClient;
  readonly #process: ChildProcess;
  readonly #url: string;

  constructor(kopia: CommandClient, process: ChildProcess, url: string) {
    this.kopia = kopia;
    this.#process = process;
    this.#url = url;
  }

  async call(method: string, path: string, body?: unknown, headers: object = {}): Promise<Answer> {
    const authorization = `Basic ${Buffer.from("kopia:ui-pw").toString("base64")}`;
    const response = await fetch(`${this.#url}/api/v1/${path}`, {
      method,
      headers: { authorization, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    let json: unknown;
    try {
      json = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      json = undefined;
    }
    return { status: response.status, json, bytes, headers: response.headers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#process.once("close", () => resolve()));
    this.#process.kill("SIGTERM");
    await closed;
    await this.kopia[Symbol.asyncDispose]();
  }
}

async function startKopiaRest(): Promise<KopiaRest> {
  const kopia = await openKopia();
  const identity = ["--override-username=kopia", "--override-hostname=nas"];
  const path = join(kopia.home.path, "repo");
  await kopia.ok(["repository", "create", "filesystem", `--path=${path}`, ...identity]);
  const child = spawn(
    kopia.exe,
    [
      "server",
      "start",
      `--config-file=${kopia.configFile}`,
      "--address=127.0.0.1:0",
      "--insecure",
      "--no-grpc",
      "--disable-csrf-token-checks",
      "--server-username=kopia",
      "--server-password=ui-pw",
      `--ui-preferences-file=${join(kopia.home.path, "ui-preferences.json")}`,
    ],
    { env: kopia.env, stdio: ["ignore", "ignore", "pipe"] },
  );
  const url = await new Promise<string>((resolve, reject) => {
    const said: string[] = [];
    child.once("error", reject);
    child.once("close", () => reject(new Error(`kopia server ended:\n${said.join("\n")}`)));
    createInterface(child.stderr).on("line", (line) => {
      said.push(line);
      const [, address] = /^SERVER ADDRESS: (\S+)/.exec(line) ?? [];
      if (address !== undefined) resolve(address);
    });
  });
  return new KopiaRest(kopia, child, url);
}

/** Members and the types of their values. Lists are as their first item; values that are names of things do not count. */
function shape(value: unknown, key = ""): unknown {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])];
  if (typeof value !== "object") return typeof value;
  // The names of counters and of algorithms are told, not how many of each a run has.
  if (key === "stats") return "stats";
  const members = Object.entries(value).map(([name, member]) => [name, shape(member, name)]);
  return Object.fromEntries(members.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
}

class Both implements AsyncDisposable {
  readonly kopia: KopiaRest;
  readonly sejf: RestApi;
  readonly folder: TemporaryDirectory;

  constructor(kopia: KopiaRest, sejf: RestApi, folder: TemporaryDirectory) {
    this.kopia = kopia;
    this.sejf = sejf;
    this.folder = folder;
  }

  /** The same request to both; statuses and shapes are equal. Gives both bodies, kopia's first. */
  async same(method: string, path: string, body?: unknown): Promise<readonly [unknown, unknown]> {
    return await this.alike({ method, path, body }, { method, path, body });
  }

  /** Requests that differ in what each server named. */
  async alike(
    kopia: { readonly method: string; readonly path: string; readonly body?: unknown },
    sejf: { readonly method: string; readonly path: string; readonly body?: unknown },
  ): Promise<readonly [unknown, unknown]> {
    const theirs = await this.kopia.call(kopia.method, kopia.path, kopia.body);
    const ours = await this.sejf.call(sejf.method, sejf.path, sejf.body);
    const what = `${kopia.method} ${kopia.path}: ${new TextDecoder().decode(theirs.bytes)}`;
    assert.equal(ours.status, theirs.status, what);
    assert.deepEqual(shape(ours.json), shape(theirs.json), what);
    if (theirs.status >= 400) {
      const code = (json: unknown): unknown => (json as { readonly code?: unknown }).code;
      assert.equal(code(ours.json), code(theirs.json), what);
    }
    return [theirs.json, ours.json];
  }

  /** Until the task of each has ended. */
  async ended(kopiaId: string, sejfId: string): Promise<readonly [Task, Task]> {
    const wait = async (
      call: () => Promise<Answer | { readonly json: unknown }>,
    ): Promise<Task> => {
      for (;;) {
        const task = (await call()).json as Task;
        if (task.endTime !== undefined) return task;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    return [
      await wait(() => this.kopia.call("GET", `tasks/${kopiaId}`)),
      await wait(() => this.sejf.call("GET", `tasks/${sejfId}`)),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kopia[Symbol.asyncDispose]();
    await this.sejf[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

interface Task {
  readonly id: string;
  readonly kind: string;
  readonly status: string;
  readonly description: string;
  readonly endTime?: string;
  readonly counters: Readonly<Record<string, unknown>>;
}

async function openBoth(): Promise<Both> {
  const folder = await temporaryDirectory("rest-data");
  await mkdir(join(folder.path, "data", "sub"), { recursive: true });
  await writeFile(join(folder.path, "data", "a"), "first");
  await writeFile(join(folder.path, "data", "sub", "b"), "second");
  return new Both(await startKopiaRest(), await openRestApi(), folder);
}

const skip = KOPIA_SKIP;

test("rest: without sources kopia and sejf answer alike", { skip }, async () => {
  await using both = await openBoth();
  await both.same("GET", "repo/status");
  await both.same("GET", "sources");
  await both.same("GET", "snapshots?userName=kopia&host=nas&path=/nowhere");
  await both.same("GET", "policies");
  await both.same("GET", "policy?userName=&host=&path=");
  await both.same("GET", "policy?userName=kopia&host=nas&path=/nowhere");
  await both.same("GET", "cli");
  await both.same("GET", "current-user");
  await both.same("GET", "ui-preferences");
  await both.same("GET", "notificationProfiles");
  await both.same("GET", "mounts");
  await both.same("GET", "repo/throttle");
  await both.same("POST", "refresh");
  await both.same("POST", "repo/sync");
  await both.same("POST", "paths/resolve", { path: "~/x" });
  await both.same("POST", "sources/upload?path=/nowhere");
  await both.same("POST", "sources", { path: "/no such place", createSnapshot: true, policy: {} });
  await both.same("POST", "sources", { path: "/tmp", createSnapshot: true });
  await both.same("POST", "sources", { path: "", createSnapshot: true, policy: {} });
  await both.same("GET", "tasks/12345");
  await both.same("GET", "tasks/12345/logs");
  await both.same("POST", "tasks/12345/cancel");
  await both.same("POST", "restore", { root: "" });
  await both.same("POST", "restore", { root: "nonsense", tarFile: "/x" });
  await both.same("POST", "repo/connect", {
    storage: { type: "filesystem", config: { path: "/x" } },
  });
  const source = { host: "nas", userName: "kopia", path: "/nowhere" };
  await both.same("POST", "snapshots/delete", { source, snapshotManifestIds: [] });
});

test("rest: algorithms are kopia's, by name and in its order", { skip }, async () => {
  await using both = await openBoth();
  type Algorithms = Readonly<Record<string, readonly { readonly id: string }[]>>;
  const [theirs, ours] = (await both.same("GET", "repo/algorithms")) as [Algorithms, Algorithms];
  for (const kind of ["hash", "encryption", "ecc", "splitter", "compression"])
    assert.deepEqual(ours[kind], theirs[kind], kind);
});

test("rest: policies are stored, resolved and listed alike", { skip }, async () => {
  await using both = await openBoth();
  const at = "userName=kopia&host=nas&path=/data";
  const policy = {
    retention: { keepLatest: 5 },
    files: { ignore: ["*.tmp"], ignoreDotFiles: [".ignore"] },
    scheduling: { intervalSeconds: 3600, timeOfDay: [{ hour: 3, min: 30 }], cron: ["0 5 * * *"] },
    compression: { compressorName: "zstd-fastest", neverCompress: [".zip"] },
    upload: { maxParallelFileReads: 2 },
  };
  await both.same("PUT", `policy?${at}`, policy);
  const [stored, ownStored] = await both.same("GET", `policy?${at}`);
  assert.deepEqual(ownStored, stored);
  const request = { updates: { retention: { keepLatest: 9 } }, numUpcomingSnapshotTimes: 3 };
  await both.same("POST", `policy/resolve?${at}`, request);
  type Resolved = Readonly<Record<"definition" | "effective" | "defined", unknown>>;
  const [theirs, ours] = (await both.same("POST", `policy/resolve?${at}`, {
    numUpcomingSnapshotTimes: 5,
  })) as [Resolved, Resolved];
  assert.deepEqual(ours.definition, theirs.definition);
  assert.deepEqual(ours.effective, theirs.effective);
  assert.deepEqual(ours.defined, theirs.defined);
  await both.same("POST", `policy/resolve?${at}`, {
    updates: { scheduling: { manual: true, intervalSeconds: 60 } },
  });
  await both.same("GET", "policies");
  await both.same("GET", `policies?${at}`);
  await both.same("DELETE", `policy?${at}`);
  await both.same("GET", `policy?${at}`);
});

test("rest: preferences, limits and profiles are kept alike", { skip }, async () => {
  await using both = await openBoth();
  const preferences = {
    bytesStringBase2: true,
    defaultSnapshotViewAll: true,
    theme: "dark",
    fontSize: "fs-6",
    pageSize: 20,
    language: "pl",
    locale: "pl-PL",
  };
  await both.same("PUT", "ui-preferences", preferences);
  const [theirs, ours] = await both.same("GET", "ui-preferences");
  assert.deepEqual(ours, theirs);
  await both.same("PUT", "repo/throttle", { readsPerSecond: 1000, concurrentReads: 3 });
  const [limits, ownLimits] = await both.same("GET", "repo/throttle");
  assert.deepEqual(ownLimits, limits);
  const config = { endpoint: "http://127.0.0.1:1/x", method: "POST", format: "txt", headers: "" };
  const profile = { profile: "hook", method: { type: "webhook", config }, minSeverity: 10 };
  await both.same("POST", "notificationProfiles", profile);
  const [kept, ownKept] = await both.same("GET", "notificationProfiles/hook");
  assert.deepEqual(ownKept, kept);
  await both.same("GET", "notificationProfiles");
  await both.same("DELETE", "notificationProfiles/hook");
  await both.same("GET", "notificationProfiles");
});

test("rest: a source's life is told alike: snapshot, list, edit, objects, restore, deletion", {
  skip,
}, async () => {
  await using both = await openBoth();
  const path = join(both.folder.path, "data");
  const at = new URLSearchParams({ userName: "kopia", host: "nas", path }).toString();
  await both.same("POST", "sources", { path, createSnapshot: true, policy: {} });
  await idle(both, at);
  await both.same("GET", `sources?${at}`);
  await both.same("GET", "tasks-summary");
  await sameTasks(both, "Snapshot");
  type Rows = { readonly snapshots: readonly { readonly id: string; readonly rootID: string }[] };
  const rows = async (): Promise<readonly [Rows, Rows]> =>
    (await both.same("GET", `snapshots?${at}`)) as [Rows, Rows];
  const [theirs, ours] = await rows();
  await both.same("GET", `snapshots?${at}&all=1`);
  const edit = (id: string | undefined): object => ({
    snapshots: [id],
    description: "described",
    addPins: ["pin"],
    removePins: [],
  });
  const call = { method: "POST", path: "snapshots/edit" };
  await both.alike(
    { ...call, body: edit(theirs.snapshots[0]?.id) },
    { ...call, body: edit(ours.snapshots[0]?.id) },
  );
  await rows();
  await objects(both, theirs.snapshots[0]?.rootID ?? "", ours.snapshots[0]?.rootID ?? "");
  await restores(both, theirs.snapshots[0]?.rootID ?? "", ours.snapshots[0]?.rootID ?? "");
  const source = { host: "nas", userName: "kopia", path };
  await both.same("POST", "snapshots/delete", { source, deleteSourceAndPolicy: true });
  await both.same("GET", `snapshots?${at}`);
  await both.same("GET", "sources");
});

async function idle(both: Both, at: string): Promise<void> {
  interface Sources {
    readonly sources: readonly { readonly status: string; readonly lastSnapshot?: unknown }[];
  }
  for (const call of [
    async () => (await both.kopia.call("GET", `sources?${at}`)).json,
    async () => (await both.sejf.call("GET", `sources?${at}`)).json,
  ]) {
    for (;;) {
      const { sources } = (await call()) as Sources;
      if (sources[0]?.status === "IDLE" && sources[0].lastSnapshot !== undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** The newest task of a kind has the same members, the same counters, and lines of log of the same kind. */
async function sameTasks(both: Both, kind: string): Promise<void> {
  type Tasks = { readonly tasks: readonly Task[] };
  const newest = ({ tasks }: Tasks): Task => {
    const found = tasks.find((task) => task.kind === kind);
    assert.ok(found !== undefined, kind);
    return found;
  };
  const theirs = newest((await both.kopia.call("GET", "tasks")).json as Tasks);
  const ours = newest((await both.sejf.call("GET", "tasks")).json as Tasks);
  assert.deepEqual(shape(ours), shape(theirs));
  assert.equal(ours.status, theirs.status);
  type Logs = { readonly logs: readonly Readonly<Record<string, unknown>>[] };
  const logs = async (call: () => Promise<{ readonly json: unknown }>): Promise<unknown> => {
    const [first] = ((await call()).json as Logs).logs;
    assert.ok(first !== undefined);
    const { level, ts, mod, msg } = first;
    return shape({ level, ts, mod, msg });
  };
  assert.deepEqual(
    await logs(() => both.sejf.call("GET", `tasks/${ours.id}/logs`)),
    await logs(() => both.kopia.call("GET", `tasks/${theirs.id}/logs`)),
  );
}

async function objects(both: Both, theirRoot: string, ourRoot: string): Promise<void> {
  const get = { method: "GET", body: undefined };
  interface Listing {
    readonly entries: readonly { readonly name: string; readonly obj: string }[];
  }
  const [theirs, ours] = (await both.alike(
    { ...get, path: `objects/${theirRoot}` },
    { ...get, path: `objects/${ourRoot}` },
  )) as [Listing, Listing];
  const file = ({ entries }: Listing): string =>
    entries.find(({ name }) => name === "a")?.obj ?? "";
  const range = { range: "bytes=1-3" };
  const name = "?fname=a.txt&mtime=2026-01-02T03:04:05Z";
  const part = await both.kopia.call("GET", `objects/${file(theirs)}${name}`, undefined, range);
  const own = await both.sejf.call("GET", `objects/${file(ours)}${name}`, undefined, range);
  assert.equal(own.status, part.status);
  assert.deepEqual(Buffer.from(own.bytes), Buffer.from(part.bytes));
  for (const header of ["content-range", "content-length", "accept-ranges", "last-modified"])
    assert.equal(own.headers.get(header), part.headers.get(header), header);
  for (const path of ["objects/nonsense", `objects/${"ab".repeat(16)}`]) {
    const theirStatus = (await both.kopia.call("GET", path)).status;
    assert.equal((await both.sejf.call("GET", path)).status, theirStatus, path);
  }
}

async function restores(both: Both, theirRoot: string, ourRoot: string): Promise<void> {
  const post = { method: "POST", path: "restore" };
  const body = (root: string, name: string): object => ({
    root,
    fsOutput: { targetPath: join(both.folder.path, name) },
    options: { restoreDirEntryAtDepth: 1000 },
  });
  // How far each is when it answers is a matter of luck: the end is compared.
  const theirs = await both.kopia.call(post.method, post.path, body(theirRoot, "theirs"));
  const ours = await both.sejf.call(post.method, post.path, body(ourRoot, "ours"));
  const [theirEnd, ourEnd] = await both.ended((theirs.json as Task).id, (ours.json as Task).id);
  assert.equal(ourEnd.status, theirEnd.status);
  assert.deepEqual(shape(ourEnd), shape(theirEnd));
  assert.deepEqual(ourEnd.counters, theirEnd.counters);
}

test("rest: an estimate counts the same", { skip }, async () => {
  await using both = await openBoth();
  const root = join(both.folder.path, "data");
  const policyOverride = { files: { ignore: ["a"] } };
  const request = { root, maxExamplesPerBucket: 10, policyOverride };
  const kopia = (await both.kopia.call("POST", "estimate", request)).json as Task;
  const sejf = (await both.sejf.call("POST", "estimate", request)).json as Task;
  const [theirs, ours] = await both.ended(kopia.id, sejf.id);
  assert.deepEqual(ours.counters, theirs.counters);
  assert.equal(ours.description, theirs.description);
  await sameTasks(both, "Estimate");
});
