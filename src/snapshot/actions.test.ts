import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { memoryRepository, type MemoryRepository } from "../testkit/memory-repository.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../testkit/temp.ts";
import {
  type ActionCommand,
  type ActionEvent,
  createSnapshot,
  type CreateSnapshotOptions,
  decodePolicy,
  type DirEntry,
  setPolicy,
  walkTree,
} from "./index.ts";

/** Actions are commands of a Unix shell here. */
const skip = process.platform === "win32" ? "the actions are shell scripts" : false;

class Fixture implements AsyncDisposable {
  readonly repository: MemoryRepository = memoryRepository();
  readonly #directory: TemporaryDirectory;
  readonly root: string;
  readonly log: string;
  readonly other: string;

  constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
    this.root = join(directory.path, "root");
    this.log = join(directory.path, "log");
    this.other = join(directory.path, "other");
    mkdirSync(join(this.root, "sub"), { recursive: true });
    mkdirSync(this.other);
    writeFileSync(join(this.root, "file"), "in the root");
    writeFileSync(join(this.root, "sub", "inner"), "below");
    writeFileSync(join(this.other, "elsewhere"), "redirected");
    writeFileSync(this.log, "");
  }

  /** A script that writes down that it ran, in which directory, and for what. */
  script(more = "", mode = "essential"): ActionCommand {
    const script = `echo "$KOPIA_ACTION $KOPIA_SOURCE_PATH $KOPIA_SNAPSHOT_PATH $KOPIA_SNAPSHOT_ID $PWD" >> '${this.log}'\n${more}\n`;
    return { script, mode, timeout: 60 };
  }

  async policy(path: string, actions: Readonly<Record<string, ActionCommand>>): Promise<void> {
    const target = { username: "user", hostname: "host", path };
    await setPolicy(this.repository.manifests, target, decodePolicy({ actions }, "test"));
  }

  async snapshot(
    options: CreateSnapshotOptions = {},
    allowActions = true,
  ): Promise<{ readonly paths: readonly string[]; readonly events: readonly ActionEvent[] }> {
    const events: ActionEvent[] = [];
    const source = { username: "user", hostname: "host", path: this.root };
    const { snapshot } = await createSnapshot(this.repository, source, {
      actions: { allowActions, env: { PATH: process.env["PATH"] }, version: "1.2.3" },
      onEvent(event) {
        if (event.kind === "action") events.push(event);
      },
      ...options,
    });
    const paths: string[] = [];
    for await (const page of walkTree(this.repository, snapshot.rootEntry as DirEntry))
      paths.push(...page.map(({ path }) => path));
    return { paths: paths.toSorted(), events };
  }

  /** What ran: action, source, snapshot path, ID, working directory. */
  lines(): readonly (readonly string[])[] {
    return readFileSync(this.log, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(" "));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#directory[Symbol.asyncDispose]();
  }
}

async function fixture(): Promise<Fixture> {
  return new Fixture(await temporaryDirectory("actions"));
}

test("actions: root and folders in Kopia's order, before and after with one ID and directory", {
  skip,
}, async () => {
  await using it = await fixture();
  const all = {
    beforeSnapshotRoot: it.script(),
    afterSnapshotRoot: it.script(),
    beforeFolder: it.script(),
    afterFolder: it.script(),
  };
  await it.policy(it.root, all);
  await it.policy(join(it.root, "sub"), all);
  const { paths } = await it.snapshot();
  assert.deepEqual(paths, ["file", "sub", "sub/inner"]);
  const lines = it.lines();
  const sub = join(it.root, "sub");
  assert.deepEqual(
    lines.map(([action, source]) => `${action} ${source}`),
    [
      `before-snapshot-root ${it.root}`,
      `before-folder ${it.root}`,
      `before-folder ${sub}`,
      `after-folder ${sub}`,
      `after-folder ${it.root}`,
      `after-snapshot-root ${it.root}`,
    ],
  );
  const ids = lines.map(([, , , id, directory]) => `${id} ${directory}`);
  for (const [before, after] of [
    [0, 5],
    [1, 4],
    [2, 3],
  ] as const)
    assert.equal(ids[before], ids[after]);
  assert.equal(new Set(ids).size, 3);
  assert.match(lines[0]?.[3] ?? "", /^[0-9a-f]{16}$/);
  for (const [, , , , directory] of lines) assert.ok(!existsSync(directory as string));
});

test("actions: none is run unless that is allowed", { skip }, async () => {
  await using it = await fixture();
  await it.policy(it.root, { beforeFolder: it.script(), afterSnapshotRoot: it.script() });
  const { events, paths } = await it.snapshot({}, false);
  assert.deepEqual(
    events.map(({ action, state }) => `${action} ${state}`),
    ["after-snapshot-root disabled", "before-folder disabled"],
  );
  await it.snapshot({ actions: undefined });
  assert.deepEqual(it.lines(), []);
  assert.ok(paths.includes("sub/inner"));
});

test("actions: a folder's action is not inherited by the folders below", { skip }, async () => {
  await using it = await fixture();
  await it.policy(it.root, { beforeFolder: it.script() });
  await it.snapshot();
  assert.deepEqual(
    it.lines().map(([action, source]) => `${action} ${source}`),
    [`before-folder ${it.root}`],
  );
});

test("actions: KOPIA_SNAPSHOT_PATH has another directory read under the folder's own name", {
  skip,
}, async () => {
  await using it = await fixture();
  const redirecting = it.script(`echo KOPIA_SNAPSHOT_PATH=${it.other}`);
  await it.policy(join(it.root, "sub"), { beforeFolder: redirecting, afterFolder: it.script() });
  assert.deepEqual((await it.snapshot()).paths, ["file", "sub", "sub/elsewhere"]);
  const [, after = []] = it.lines();
  assert.deepEqual(after.slice(0, 3), ["after-folder", join(it.root, "sub"), it.other]);
  await it.policy(it.root, { beforeSnapshotRoot: redirecting });
  assert.deepEqual((await it.snapshot()).paths, ["elsewhere"]);
});

test("actions: a failing essential one leaves the folder out, an optional one does not", {
  skip,
}, async () => {
  await using it = await fixture();
  const sub = join(it.root, "sub");
  const failing = { afterFolder: it.script() };
  await it.policy(sub, { ...failing, beforeFolder: it.script("exit 3") });
  const failed: string[] = [];
  const { paths } = await it.snapshot({
    onEvent(event) {
      if (event.kind === "error") failed.push(`${event.path}: ${event.message}`);
    },
  });
  assert.deepEqual(paths, ["file"]);
  assert.deepEqual(failed, [
    `sub: the essential before-folder action of ${sub} failed: exit status 3`,
  ]);
  assert.equal(it.lines().length, 1, "the action after does not run");
  await it.policy(sub, { ...failing, beforeFolder: it.script("exit 3", "optional") });
  const second = await it.snapshot();
  assert.deepEqual(second.paths, ["file", "sub", "sub/inner"]);
  assert.ok(second.events.some(({ state }) => state === "failed"));
});

test("actions: when the root's essential one fails there is no snapshot", { skip }, async () => {
  await using it = await fixture();
  for (const name of ["beforeSnapshotRoot", "beforeFolder"]) {
    await it.policy(it.root, { [name]: { path: "/bin/no-such-program", mode: "essential" } });
    await assert.rejects(it.snapshot(), { code: "SEJF_SOURCE", message: /ENOENT/ });
  }
  await it.policy(it.root, {
    beforeSnapshotRoot: it.script(`echo KOPIA_SNAPSHOT_PATH=${it.log}`),
    afterSnapshotRoot: it.script(),
  });
  await assert.rejects(it.snapshot(), { code: "SEJF_SOURCE", message: /no directory/ });
  assert.deepEqual(
    it.lines().map(([action]) => action),
    ["before-snapshot-root", "after-snapshot-root"],
  );
});

test("actions: the one after runs also when the upload fails", { skip }, async () => {
  await using it = await fixture();
  await it.policy(it.root, {
    beforeSnapshotRoot: it.script(`rm -r '${it.root}'`),
    afterSnapshotRoot: it.script(),
    afterFolder: it.script(),
  });
  await assert.rejects(it.snapshot());
  assert.deepEqual(
    it.lines().map(([action]) => action),
    ["before-snapshot-root", "after-folder", "after-snapshot-root"],
  );
});

test("actions: the one after runs also when the upload is stopped", { skip }, async () => {
  await using it = await fixture();
  await it.policy(it.root, { afterFolder: it.script(), afterSnapshotRoot: it.script() });
  const controller = new AbortController();
  await it.snapshot({
    signal: controller.signal,
    onEvent(event) {
      if (event.kind === "progress") controller.abort();
    },
  });
  assert.deepEqual(
    it.lines().map(([action]) => action),
    ["after-folder", "after-snapshot-root"],
  );
});

test("actions: a command with arguments gets them as they are, and its environment", {
  skip,
}, async () => {
  await using it = await fixture();
  const file = join(it.other, "program");
  writeFileSync(file, `#!/bin/sh\nprintf '%s|' "$@" "$KOPIA_VERSION" "$HOME" > '${it.log}'\n`, {
    mode: 0o700,
  });
  await it.policy(it.root, { beforeFolder: { path: file, args: ["a b", "", "$HOME"] } });
  await it.snapshot();
  assert.equal(readFileSync(it.log, "utf8"), "a b||$HOME|1.2.3||");
});

test("actions: a script that names its interpreter is run by it", { skip }, async () => {
  await using it = await fixture();
  const script = `#!${process.execPath}\nrequire("fs").writeFileSync("${it.log}", process.cwd());\n`;
  await it.policy(it.root, { beforeFolder: { script, mode: "essential" } });
  await it.snapshot();
  assert.match(readFileSync(it.log, "utf8"), /sejf-action-/);
});

test("actions: one that takes too long is stopped, with all it has started", { skip }, async () => {
  await using it = await fixture();
  const pidFile = join(it.other, "pid");
  const hanging = it.script(`sleep 1000 & echo $! > '${pidFile}'\nwait`);
  await it.policy(it.root, { beforeFolder: { ...hanging, timeout: 1 } });
  await assert.rejects(it.snapshot(), { message: /stopped after 1 seconds/ });
  const pid = Number(readFileSync(pidFile, "utf8"));
  assert.ok(!existsSync(`/proc/${pid}`) || isZombie(pid));
});

function isZombie(pid: number): boolean {
  return / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

test("actions: an asynchronous one is not waited for, and may not redirect", {
  skip,
}, async () => {
  await using it = await fixture();
  const gate = join(it.other, "gate");
  const waiting = it.script(
    `echo KOPIA_SNAPSHOT_PATH=${it.other}; while [ ! -e '${gate}' ]; do sleep 0.02; done; echo done > '${gate}'`,
    "async",
  );
  await it.policy(it.root, { beforeFolder: waiting });
  assert.ok((await it.snapshot()).paths.includes("sub/inner"));
  writeFileSync(gate, "");
  while (readFileSync(gate, "utf8") === "") await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(readdirSync(it.other).includes("gate"));
});
