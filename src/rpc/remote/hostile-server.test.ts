/** A server that lies, never ends, or drops connections: clear errors, bounded memory, nothing outside the target. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { isSejfError } from "../../errors/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import {
  createSnapshot,
  type DirEntry,
  encodeDirectory,
  listSnapshots,
  restoreTree,
  verifyTrees,
} from "../../snapshot/index.ts";
import { numRuns } from "../../testkit/property.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { openTestRepository, TEST_REMOTE_OPTIONS } from "../../testkit/remote-repository.ts";
import { TestSessionServer } from "../../testkit/session-server.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { SELF_SIGNED } from "../../testkit/tls.ts";
import type { GrpcServerCall } from "../grpc/server-call.ts";
import { RpcServer } from "../grpc/server.ts";
import { SESSION_PATH } from "../session/session-client.ts";
import { decodeRequest, encodeResponse } from "../wire/envelopes.ts";
import { openRemoteRepository, type RemoteRepository } from "./remote-repository.ts";

test("altered bytes under an ID: a restore and a verification say so, and no file keeps them", async () => {
  await using server = await TestSessionServer.start();
  await using folder = await temporaryDirectory("hostile-server");
  const root = await snapshotOf(server, await makeTree(join(folder.path, "source")));
  const stored = [...server.durable.contents];
  const listed = new Set(
    stored.filter(([id]) => id.startsWith("k")).map(([, data]) => data.toString()),
  );
  server.tamper = (data) => {
    if (!listed.has(data.toString())) data[0] = (data[0] ?? 0) ^ 1;
    return data;
  };
  await using repository = await openTestRepository(server);
  const target = join(folder.path, "target");
  const summary = await restoreTree(repository, root, target, { ignoreErrors: true });
  assert.equal(summary.errors, 3);
  assert.deepEqual((await readdir(target, { recursive: true })).toSorted(), ["empty", "sub"]);
  const problems = await problemsOf(repository);
  assert.ok(problems.length >= 3, `${problems.length} problems`);
});

test("a content of another length than its entry says is not kept in memory and not restored", async () => {
  await using server = await TestSessionServer.start();
  await using folder = await temporaryDirectory("hostile-server");
  const root = await snapshotOf(server, await makeTree(join(folder.path, "source")));
  server.tamper = (data) => (data[0] === 0x7b ? data : new Uint8Array(data.length + 1_000_000));
  await using repository = await openTestRepository(server);
  await assert.rejects(restoreTree(repository, root, join(folder.path, "target"), {}), {
    code: "SEJF_CORRUPT",
  });
});

test("names that lead out of the target are refused before anything is written there", async () => {
  await using server = await TestSessionServer.start();
  await using folder = await temporaryDirectory("hostile-server");
  await using repository = await openTestRepository(server);
  const names = ["../escaped", "..", "/escaped", "a/../../escaped", "", ".", "a\0b"];
  for (const name of names) {
    const file = await repository.contents.write(new Uint8Array(3), { prefix: "" });
    const entries: DirEntry[] = [{ ...ENTRY, name, object: file as string as DirEntry["object"] }];
    const listing = encodeDirectory({ entries, summary: undefined });
    const ref = await repository.contents.write(listing, { prefix: "k" });
    const root: DirEntry = {
      ...ENTRY,
      name: "root",
      type: "d",
      object: ref as string as DirEntry["object"],
    };
    const target = join(folder.path, "target");
    await assert.rejects(restoreTree(repository, root, target, {}), { code: "SEJF_CORRUPT" }, name);
    assert.deepEqual(
      (await readdir(folder.path)).filter((found) => found !== "target"),
      [],
      JSON.stringify(name),
    );
  }
});

test("a server that names contents or manifests otherwise is found out", async () => {
  await using server = await TestSessionServer.start();
  await using repository = await openTestRepository(server);
  const id = await repository.manifests.put({ type: "snapshot" }, {});
  await repository.flush();
  server.tamperId = () => "0".repeat(32);
  await assert.rejects(repository.manifests.get(id), { code: "SEJF_CORRUPT" });
  server.tamperId = undefined;
  assert.equal((await repository.manifests.get(id)).id, id);
  await assert.rejects(repository.manifests.get("f".repeat(32) as ManifestId), {
    code: "SEJF_MANIFEST_NOT_FOUND",
  });
});

test("pages of manifests without end are cut off by their bytes", async () => {
  let pages = 0;
  await using server = await startRaw(async (call) => {
    for await (const message of call.messages()) {
      const { requestId, request } = decodeRequest(message);
      if (request?.kind === "initializeSession")
        await call.send(encodeResponse(requestId, { kind: "initializeSession", body: PARAMETERS }));
      else
        for (;;) {
          const metadata = Array.from({ length: 500 }, () => MANIFEST);
          pages++;
          await call.send(
            encodeResponse(requestId, { kind: "findManifests", body: { metadata } }, true),
          );
        }
    }
  });
  await using repository = await openRemoteRepository({
    ...TEST_REMOTE_OPTIONS,
    url: `https://127.0.0.1:${server.port}`,
    ca: SELF_SIGNED.cert,
    maxFoundBytes: 1 << 20,
  });
  await assert.rejects(repository.manifests.find({ type: "snapshot" }), {
    code: "SEJF_CORRUPT",
    message: /no end/,
  });
  assert.ok(pages < 200, `${pages} pages`);
});

test("an answer in parts where there is only one breaks the session", async () => {
  await using server = await startRaw(async (call) => {
    for await (const message of call.messages()) {
      const { requestId, request } = decodeRequest(message);
      if (request?.kind === "initializeSession")
        await call.send(encodeResponse(requestId, { kind: "initializeSession", body: PARAMETERS }));
      else
        await call.send(
          encodeResponse(
            requestId,
            { kind: "getContent", body: { data: new Uint8Array(1) } },
            true,
          ),
        );
    }
  });
  await using repository = await openRemoteRepository({
    ...TEST_REMOTE_OPTIONS,
    url: `https://127.0.0.1:${server.port}`,
    ca: SELF_SIGNED.cert,
  });
  const ref = await nameOf("x");
  await assert.rejects(repository.contents.read(ref), { code: "SEJF_CORRUPT" });
});

test("connections that break at any moment: a snapshot is whole or not there, and the error says so", async () => {
  await using folder = await temporaryDirectory("hostile-server");
  const source = await makeTree(join(folder.path, "source"));
  const moments = fc.array(fc.nat({ max: 40 }), { maxLength: 6 });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(moments, fc.boolean(), async (breaks, takesBatches) => {
      await using server = await TestSessionServer.start();
      server.takesBatches = takesBatches;
      let requests = 0;
      server.onRequest = (): void => {
        if (breaks.includes(requests++)) server.breakSessions();
      };
      try {
        await snapshotOf(server, source);
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CONNECTION"), String(error));
      }
      server.onRequest = undefined;
      await using repository = await openTestRepository(server);
      for (const { rootEntry } of await listSnapshots(repository)) {
        assert.ok(rootEntry !== undefined);
        const target = join(folder.path, `target-${round++}`);
        await restoreTree(repository, rootEntry, target, {});
        assert.deepEqual(
          await readFile(join(target, "sub", "big")),
          await readFile(join(source, "sub", "big")),
        );
      }
    }),
    { numRuns: numRuns(4) },
  );
});

const PARAMETERS = {
  parameters: {
    hashFunction: "BLAKE2B-256-128",
    hmacSecret: new SeededRandom(5).bytes(32),
    splitter: "FIXED-128K",
    supportsContentCompression: true,
    sejfBatches: false,
    sejfUpgrades: false,
  },
};

const MANIFEST = {
  id: "a".repeat(32),
  modTimeNanos: 1n,
  length: 2,
  labels: { type: "snapshot", hostname: "laptop", username: "alice", path: "/data" },
};

const ENTRY = {
  name: "",
  type: "f",
  mode: 0o644,
  sizeBytes: 3,
  mtimeNs: 0n,
  uid: 0,
  gid: 0,
} as const;

async function snapshotOf(server: TestSessionServer, path: string): Promise<DirEntry> {
  await using repository = await openTestRepository(server);
  const { snapshot } = await createSnapshot(repository, { ...TEST_REMOTE_OPTIONS.identity, path });
  await repository.flush();
  assert.ok(snapshot.rootEntry !== undefined);
  return snapshot.rootEntry;
}

async function makeTree(path: string): Promise<string> {
  await mkdir(join(path, "sub"), { recursive: true });
  await mkdir(join(path, "empty"));
  await writeFile(join(path, "a.txt"), "hello");
  await writeFile(join(path, "sub", "b.txt"), "world");
  await writeFile(join(path, "sub", "big"), new SeededRandom(6).bytes(3_000_000));
  return path;
}

async function problemsOf(repository: RemoteRepository): Promise<readonly string[]> {
  const problems: string[] = [];
  const snapshots = await listSnapshots(repository);
  const roots = snapshots.flatMap(({ rootEntry: entry }) =>
    entry === undefined ? [] : [{ label: "root", entry }],
  );
  await verifyTrees(repository, roots, {
    filesPercent: 100,
    onEvent: (event) => {
      if (event.kind === "problem") problems.push(event.problem.message);
    },
  });
  return problems;
}

async function nameOf(text: string): Promise<Parameters<RemoteRepository["contents"]["read"]>[0]> {
  await using server = await TestSessionServer.start();
  await using repository = await openTestRepository(server);
  return await repository.contents.write(new TextEncoder().encode(text), { prefix: "" });
}

async function startRaw(
  serve: (call: GrpcServerCall) => Promise<void>,
): Promise<AsyncDisposable & { readonly port: number }> {
  const server = new RpcServer({
    ...SELF_SIGNED,
    methods: { [SESSION_PATH]: serve },
    // What it makes ahead of the client is little.
    maxQueuedBytes: 64 << 10,
  });
  const port = await server.listen(0, "127.0.0.1");
  return {
    port,
    async [Symbol.asyncDispose](): Promise<void> {
      await server.close();
    },
  };
}
