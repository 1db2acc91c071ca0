/** The endpoints on a real repository: what they do, and what they refuse. */
import assert from "node:assert/strict";
import { lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openRestApi, type RestApi } from "../../testkit/rest-api.ts";
import { until } from "../../testkit/server-log.ts";
import type { TaskInfo } from "../jobs/task-types.ts";

interface Row {
  readonly id: string;
  readonly rootID: string;
  readonly description: string;
  readonly pins: readonly string[];
  readonly retention: readonly string[];
  readonly summary: { readonly files: number } | null;
}
interface Rows {
  readonly snapshots: readonly Row[];
  readonly unfilteredCount: number;
  readonly uniqueCount: number;
}

async function tree(api: RestApi, name = "data"): Promise<string> {
  const path = join(api.folder.path, name);
  await mkdir(join(path, "sub"), { recursive: true });
  await writeFile(join(path, "a.html"), "<script>alert(1)</script>");
  await writeFile(join(path, "sub", "b"), "0123456789");
  return path;
}

function query(path: string): string {
  return new URLSearchParams({ userName: "kopia", host: "nas", path }).toString();
}

async function ended(api: RestApi, id: string): Promise<TaskInfo> {
  await until(() => api.tasks.get(id)?.endTime !== undefined, `task ${id} ends`);
  return await api.ok<TaskInfo>("GET", `tasks/${id}`);
}

/** A source with one snapshot of it. */
async function snapshotted(api: RestApi): Promise<string> {
  const path = await tree(api);
  const body = { path, createSnapshot: true, policy: {} };
  assert.deepEqual(await api.ok("POST", "sources", body), { snapshotted: true });
  await until(
    () =>
      api.tasks.list().some(({ kind, endTime }) => kind === "Snapshot" && endTime !== undefined),
    "it is snapshotted",
  );
  return path;
}

async function rows(api: RestApi, path: string, all = false): Promise<Rows> {
  return await api.ok<Rows>("GET", `snapshots?${query(path)}${all ? "&all=1" : ""}`);
}

test("api: a source is made, snapshotted, listed, its files are read and restored", async () => {
  await using api = await openRestApi();
  const path = await snapshotted(api);
  const list = await rows(api, path);
  assert.equal(list.snapshots.length, 1);
  const [row] = list.snapshots;
  assert.equal(row?.summary?.files, 2);
  assert.ok(row?.retention.includes("latest-1"));
  const target = join(api.folder.path, "restored");
  const started = await api.ok<TaskInfo>("POST", "restore", {
    root: row?.rootID,
    fsOutput: { targetPath: target },
    options: { restoreDirEntryAtDepth: 1000 },
  });
  assert.equal(started.kind, "Restore");
  assert.equal(started.description, `Destination: ${target}`);
  const task = await ended(api, started.id);
  assert.equal(task.status, "SUCCESS", task.errorMessage ?? "no message");
  assert.equal(task.counters?.["Restored Files"]?.value, 2);
  assert.equal(await readFile(join(target, "sub", "b"), "utf8"), "0123456789");
  assert.deepEqual(
    api.audit.events.map(({ action, result, who }) => [action, result, who]),
    [
      ["source.create", "ok", "kopia"],
      ["snapshot.create", "ok", "kopia@nas"],
      ["restore", "ok", "kopia"],
    ],
  );
});

test("api: objects come in ranges, as attachments of no type, with quoted names", async () => {
  await using api = await openRestApi();
  const path = await snapshotted(api);
  const root = (await rows(api, path)).snapshots[0]?.rootID ?? "";
  const listing = await api.call("GET", `objects/${root}`);
  assert.equal(listing.headers.get("content-type"), "application/json");
  const { entries } = listing.json as { entries: readonly { name: string; obj: string }[] };
  const file = entries.find(({ name }) => name === "a.html")?.obj ?? "";
  const whole = await api.call(
    "GET",
    `objects/${file}?fname=${encodeURIComponent('x"\r\ny.html')}`,
  );
  assert.equal(whole.headers.get("content-type"), "application/octet-stream");
  assert.equal(whole.headers.get("x-content-type-options"), "nosniff");
  assert.match(
    whole.headers.get("content-disposition") ?? "",
    /^attachment; filename="x___y\.html"/,
  );
  assert.equal(new TextDecoder().decode(whole.bytes), "<script>alert(1)</script>");
  const part = await api.call("GET", `objects/${file}`, undefined, { range: "bytes=1-6" });
  assert.equal(part.status, 206);
  assert.equal(new TextDecoder().decode(part.bytes), "script");
  assert.equal(part.headers.get("content-range"), "bytes 1-6/25");
  const beyond = await api.call("GET", `objects/${file}`, undefined, { range: "bytes=25-" });
  assert.equal(beyond.status, 416);
  const same = await api.call("GET", `objects/${file}`, undefined, {
    "if-none-match": `"${file}"`,
  });
  assert.equal(same.status, 304);
  assert.equal((await api.call("GET", "objects/nonsense")).status, 400);
  assert.equal((await api.call("GET", `objects/${"ab".repeat(32)}`)).status, 404);
});

test("api: descriptions and pins are edited, snapshots and sources deleted", async () => {
  await using api = await openRestApi();
  const path = await snapshotted(api);
  const source = { host: "nas", userName: "kopia", path };
  const [before] = (await rows(api, path)).snapshots;
  const edited = await api.ok<readonly Row[]>("POST", "snapshots/edit", {
    snapshots: [before?.id],
    description: "first",
    addPins: ["keep", "also"],
    removePins: ["also"],
  });
  assert.notEqual(edited[0]?.id, before?.id);
  const [after] = (await rows(api, path)).snapshots;
  assert.deepEqual(
    [after?.description, after?.pins, after?.id],
    ["first", ["keep"], edited[0]?.id],
  );
  const foreign = { ...source, path: "/else" };
  const ids = [after?.id];
  const wrong = await api.call("POST", "snapshots/delete", {
    source: foreign,
    snapshotManifestIds: ids,
  });
  assert.equal(wrong.status, 400);
  assert.equal((await rows(api, path)).unfilteredCount, 1);
  await api.ok("POST", "snapshots/delete", { source, snapshotManifestIds: ids });
  assert.equal((await rows(api, path)).unfilteredCount, 0);
  await api.ok("POST", "snapshots/delete", { source, deleteSourceAndPolicy: true });
  const policy = await api.call("GET", `policy?${query(path)}`);
  assert.deepEqual(policy.json, { code: "NOT_FOUND", error: "policy not found" });
  assert.equal(policy.status, 400);
  assert.deepEqual((await api.ok<{ sources: unknown[] }>("GET", "sources")).sources, []);
});

test("api: identical snapshots are one row unless all are asked for", async () => {
  await using api = await openRestApi();
  const path = await snapshotted(api);
  await api.ok("POST", `sources/upload?${query(path)}`);
  await until(
    () =>
      api.tasks.list().filter(({ kind, endTime }) => kind === "Snapshot" && endTime).length === 2,
    "the second one",
  );
  const unique = await rows(api, path);
  assert.deepEqual(
    [unique.snapshots.length, unique.unfilteredCount, unique.uniqueCount],
    [1, 2, 1],
  );
  assert.ok(unique.snapshots[0]?.retention.includes("latest-1..2"));
  assert.equal((await rows(api, path, true)).snapshots.length, 2);
  assert.equal((await api.call("POST", "sources/upload?path=/nowhere")).status, 404);
});

test("api: policies are stored, resolved with changes, previewed and removed", async () => {
  await using api = await openRestApi();
  const at = query("/some/where");
  await api.ok("PUT", `policy?${at}`, {
    retention: { keepLatest: 3 },
    scheduling: { intervalSeconds: 600 },
  });
  const resolved = await api.ok<Record<string, Record<string, Record<string, unknown>>>>(
    "POST",
    `policy/resolve?${at}`,
    { updates: { retention: { keepLatest: 5 } }, numUpcomingSnapshotTimes: 3 },
  );
  assert.equal(resolved["effective"]?.["retention"]?.["keepLatest"], 5);
  assert.equal(resolved["defined"]?.["retention"]?.["keepLatest"], 3);
  assert.deepEqual(resolved["definition"]?.["retention"]?.["keepLatest"], {
    host: "nas",
    userName: "kopia",
    path: "/some/where",
  });
  assert.deepEqual(resolved["upcomingSnapshotTimes"], []);
  const scheduled = await api.ok<{ upcomingSnapshotTimes: readonly string[] }>(
    "POST",
    `policy/resolve?${at}`,
    { numUpcomingSnapshotTimes: 3 },
  );
  assert.equal(scheduled.upcomingSnapshotTimes.length, 3);
  const bad = await api.ok<{ schedulingError: string }>("POST", `policy/resolve?${at}`, {
    updates: { scheduling: { manual: true, intervalSeconds: 5 } },
  });
  assert.match(bad.schedulingError, /manual/);
  const policies = await api.ok<{ policies: readonly { target: object }[] }>("GET", "policies");
  assert.deepEqual(
    policies.policies.map(({ target }) => target),
    [
      { host: "", userName: "", path: "" },
      { host: "nas", userName: "kopia", path: "/some/where" },
    ],
  );
  await api.ok("DELETE", `policy?${at}`);
  assert.equal((await api.call("GET", `policy?${at}`)).status, 400);
  assert.equal((await api.call("PUT", "policy?path=/x", {})).status, 400);
  const typed = await api.call("PUT", `policy?${at}`, { retention: { keepLatest: "many" } });
  assert.deepEqual(
    [typed.status, (typed.json as { code: string }).code],
    [400, "MALFORMED_REQUEST"],
  );
});

test("api: estimates and restores are tasks that can be cancelled", async () => {
  await using api = await openRestApi();
  const path = await tree(api);
  const policyOverride = { files: { ignore: ["*.html"] } };
  const started = await api.ok<TaskInfo>("POST", "estimate", { root: path, policyOverride });
  const task = await ended(api, started.id);
  assert.deepEqual(
    [task.status, task.counters?.["Files"]?.value, task.counters?.["Excluded Files"]?.value],
    ["SUCCESS", 1, 1],
  );
  assert.equal(task.counters?.["Directories"]?.value, 2);
  assert.deepEqual(await api.ok("GET", "tasks-summary"), { RUNNING: 0, SUCCESS: 1 });
  const { logs } = await api.ok<{ logs: readonly { msg: string }[] }>(
    "GET",
    `tasks/${task.id}/logs`,
  );
  assert.ok(logs.some(({ msg }) => msg.startsWith("Excluded files")));
  const { id } = api.tasks.start("Restore", "long", async ({ signal }) => {
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
  });
  assert.deepEqual(await api.ok("POST", `tasks/${id}/cancel`), {});
  assert.equal((await ended(api, id)).status, "CANCELED");
  assert.equal((await api.call("GET", "tasks/ffff")).status, 404);
  const nowhere = await api.call("POST", "estimate", { root: join(path, "nowhere") });
  assert.equal((nowhere.json as { code: string }).code, "PATH_NOT_FOUND");
});

test("api: an account with the server's own name keeps the interface from reading the disk for it", async () => {
  await using api = await openRestApi({ accounts: new Set(["kopia@nas"]) });
  const path = await tree(api);
  const reply = await api.call("POST", "sources", { path, createSnapshot: true, policy: {} });
  assert.equal(reply.status, 403);
  assert.match(JSON.stringify(reply.json), /an account has the server's own name/);
  assert.equal(api.audit.events[0]?.result, "denied");
  assert.equal((await api.call("GET", `policy?${query(path)}`)).status, 400);
});

test("api: restores need an absolute target and a snapshot or object as their root", async () => {
  await using api = await openRestApi();
  const path = await snapshotted(api);
  const root = (await rows(api, path)).snapshots[0]?.rootID;
  const refused = async (body: object): Promise<void> => {
    const reply = await api.call("POST", "restore", body);
    assert.deepEqual(
      [reply.status, (reply.json as { code: string }).code],
      [400, "MALFORMED_REQUEST"],
    );
  };
  await refused({ root, fsOutput: { targetPath: "relative" } });
  await refused({ root, zipFile: "relative.zip" });
  await refused({ root });
  await refused({ root: path, fsOutput: { targetPath: join(path, "x") } });
  await refused({ root, fsOutput: { targetPath: "/x" }, options: { parallel: -1 } });
  const zip = join(api.folder.path, "out.zip");
  const { id } = await api.ok<TaskInfo>("POST", "restore", {
    root,
    zipFile: zip,
    uncompressedZip: true,
  });
  const task = await ended(api, id);
  assert.equal(task.status, "SUCCESS", task.errorMessage ?? "no message");
  assert.ok((await lstat(zip)).size > 0);
});

test("api: status, description, algorithms, limits, paths, preferences", async () => {
  await using api = await openRestApi();
  const status = await api.ok<Record<string, unknown>>("POST", "repo/description", {
    description: "mine",
  });
  assert.deepEqual(
    [status["connected"], status["description"], status["hostname"], status["storage"]],
    [true, "mine", "nas", "filesystem"],
  );
  assert.deepEqual(await api.ok("GET", "repo/throttle"), {});
  await api.ok("PUT", "repo/throttle", { readsPerSecond: 7, concurrentWrites: 2 });
  assert.deepEqual(await api.ok("GET", "repo/throttle"), {
    readsPerSecond: 7,
    concurrentWrites: 2,
  });
  assert.equal((await api.call("PUT", "repo/throttle", { readsPerSecond: -1 })).status, 400);
  assert.deepEqual(await api.ok("POST", "paths/resolve", { path: "~/x/../y" }), {
    source: { host: "nas", userName: "kopia", path: join(api.folder.path, "y") },
  });
  const defaults = await api.ok<Record<string, unknown>>("GET", "ui-preferences");
  assert.equal(defaults["pageSize"], 0);
  await api.ok("PUT", "ui-preferences", { ...defaults, theme: "dark", pageSize: 20 });
  assert.deepEqual(await api.ok("GET", "ui-preferences"), {
    ...defaults,
    theme: "dark",
    pageSize: 20,
  });
  assert.deepEqual(await api.ok("GET", "cli"), {
    executable: `sejf --config-file=${api.configFile}`,
  });
  assert.deepEqual(await api.ok("POST", "refresh"), {});
  assert.deepEqual(await api.ok("POST", "repo/sync"), {});
});

test("api: notification profiles are kept as kopia keeps them; sending and mounts are refused plainly", async () => {
  await using api = await openRestApi();
  assert.equal(await api.ok("GET", "notificationProfiles"), null);
  const config = { endpoint: "http://127.0.0.1:1/", method: "POST", format: "txt", headers: "" };
  const profile = { profile: "hook", method: { type: "webhook", config }, minSeverity: 0 };
  await api.ok("POST", "notificationProfiles", profile);
  await api.ok("POST", "notificationProfiles", { ...profile, minSeverity: 10 });
  assert.deepEqual(await api.ok("GET", "notificationProfiles"), [{ ...profile, minSeverity: 10 }]);
  assert.deepEqual(await api.ok("GET", "notificationProfiles/hook"), {
    ...profile,
    minSeverity: 10,
  });
  const stored = await api.repository.manifests.find({ type: "notificationProfile" });
  assert.deepEqual(
    stored.map(({ labels }) => labels),
    [{ type: "notificationProfile", profile: "hook" }],
  );
  const sent = await api.call("POST", "testNotificationProfile", profile);
  assert.equal(sent.status, 501);
  assert.match(JSON.stringify(sent.json), /does not send notifications/);
  await api.ok("DELETE", "notificationProfiles/hook");
  assert.equal((await api.call("GET", "notificationProfiles/hook")).status, 404);
  assert.deepEqual(await api.ok("GET", "mounts"), { items: [] });
  assert.equal((await api.call("POST", "mounts", { root: "kaa" })).status, 501);
  assert.equal((await api.call("GET", "mounts/kaa")).status, 404);
});

test("api: without a repository only what needs none works, and one can be made, left and connected to", async () => {
  await using api = await openRestApi({ detached: true });
  for (const path of [
    "sources",
    "snapshots",
    "policies",
    "mounts",
    "cli",
    "repo/throttle",
    "objects/kaa",
  ]) {
    const reply = await api.call("GET", path);
    assert.deepEqual(
      [reply.status, reply.json],
      [400, { code: "NOT_CONNECTED", error: "not connected" }],
      path,
    );
  }
  assert.equal((await api.ok<{ connected: boolean }>("GET", "repo/status")).connected, false);
  assert.deepEqual(await api.ok("GET", "tasks"), { tasks: [] });
  assert.equal(
    (await api.ok<{ defaultHash: string }>("GET", "repo/algorithms")).defaultHash,
    "BLAKE3-256",
  );
  const place = join(api.folder.path, "made");
  await mkdir(place);
  const storage = { type: "filesystem", config: { path: place } };
  const absent = await api.call("POST", "repo/exists", { storage });
  assert.deepEqual(
    [absent.status, (absent.json as { code: string }).code],
    [400, "NOT_INITIALIZED"],
  );
  const clientOptions = { hostname: "nas", username: "kopia" };
  const options = { blockFormat: { hash: "BLAKE2B-256-128" } };
  const body = { storage, password: "pw", clientOptions, options, syncWaitTime: 60 };
  const made = await api.ok<Record<string, unknown>>("POST", "repo/create", body);
  assert.deepEqual(
    [made["connected"], made["hash"], made["hostname"]],
    [true, "BLAKE2B-256-128", "nas"],
  );
  assert.deepEqual(await api.ok("POST", "repo/exists", { storage }), {});
  const twice = await api.call("POST", "repo/connect", body);
  assert.equal((twice.json as { code: string }).code, "ALREADY_CONNECTED");
  await api.ok("POST", "repo/disconnect");
  assert.equal((await api.ok<{ connected: boolean }>("GET", "repo/status")).connected, false);
  const wrong = await api.call("POST", "repo/connect", { ...body, password: "no" });
  assert.equal((wrong.json as { code: string }).code, "INVALID_PASSWORD");
  const again = await api.ok<{ connected: boolean }>("POST", "repo/connect", body);
  assert.equal(again.connected, true);
  const said = JSON.stringify([api.log.lines, api.audit.events, api.tasks.list()]);
  assert.equal(said.includes('"pw"') || said.includes('"no"'), false);
});

test("api: a server that keeps its repository says so", async () => {
  await using api = await openRestApi();
  const reply = await api.call("POST", "repo/disconnect");
  assert.equal(reply.status, 501);
  assert.equal((await api.ok<{ connected: boolean }>("GET", "repo/status")).connected, true);
});

test("api: bodies that are no JSON, or not what is asked for, are refused with a reason", async () => {
  await using api = await openRestApi();
  for (const path of [
    "sources",
    "snapshots/delete",
    "snapshots/edit",
    "policy/resolve",
    "restore",
    "estimate",
    "paths/resolve",
    "repo/exists",
    "repo/connect",
    "mounts",
    "notificationProfiles",
  ]) {
    for (const body of [
      "{",
      "[]",
      '"x"',
      "7",
      '{"root":5,"path":5,"source":5,"snapshots":5,"updates":5,"storage":5,"profile":5}',
    ]) {
      const { status, json } = await api.call("POST", path, body);
      assert.equal(status, 400, `${path} ${body}`);
      assert.equal((json as { code: string }).code, "MALFORMED_REQUEST", `${path} ${body}`);
    }
  }
  assert.deepEqual(api.log.messages("error"), []);
});
