/**
 * A server that is killed in the middle of eight uploads: what it acknowledged is there when it comes back, the clients
 * finish, and everything can be read.
 */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isSejfError } from "../../src/errors/index.ts";
import { nodeCompressionEngine, nodeCryptoEngine } from "../../src/node/index.ts";
import { openRemoteRepository, type RemoteRepository } from "../../src/rpc/index.ts";
import { createSnapshot } from "../../src/snapshot/index.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { openServerHome, SejfServer } from "../../src/testkit/sejf-server.ts";

const CLIENTS = 8;
const ROUNDS = 3;
const FILE_BYTES = 3 << 20;

/** One client with its folder; when the connection breaks for good, it waits for the server and is started again. */
class Uploader implements AsyncDisposable {
  readonly #open: () => Promise<RemoteRepository>;
  readonly #folder: string;
  readonly #restarted: Promise<void>;
  #repository: RemoteRepository | undefined;

  constructor(open: () => Promise<RemoteRepository>, folder: string, restarted: Promise<void>) {
    this.#open = open;
    this.#folder = folder;
    this.#restarted = restarted;
  }

  /** ID of a snapshot whose flush was acknowledged. */
  async snapshot(): Promise<string> {
    for (;;) {
      try {
        this.#repository ??= await this.#open();
        const repository = this.#repository;
        const source = { ...repository.identity, path: this.#folder };
        const { snapshot } = await createSnapshot(repository, source);
        await repository.flush();
        return snapshot.id;
      } catch (error) {
        if (!isSejfError(error, "SEJF_CONNECTION")) throw error;
        await this.#restarted;
        await this[Symbol.asyncDispose]();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#repository?.[Symbol.asyncDispose]();
    this.#repository = undefined;
  }
}

test("a server that is killed: nothing acknowledged is lost, the clients finish", async () => {
  const names = Array.from({ length: CLIENTS }, (_, i) => `user${i}@host${i}`);
  await using home = await openServerHome(Object.fromEntries(names.map((n) => [n, `${n}-pw`])));
  const files = ["cert", "key"].map((kind) => `--tls-${kind}-file=${join(home.home.path, kind)}`);
  const generate = ["--tls-generate-cert", "--tls-generate-rsa-key-size=2048"];
  const first = await SejfServer.start(home, { tlsFlags: [...files, ...generate] });
  const { url, port } = first;
  const fingerprint = first.told("SERVER CERT SHA256");
  const restarted = Promise.withResolvers<void>();
  const uploads = await Promise.all(
    names.map(async (name) => {
      const [username = "", hostname = ""] = name.split("@");
      const folder = join(home.home.path, name);
      await mkdir(folder);
      const open = async (): Promise<RemoteRepository> =>
        await openRemoteRepository({
          url,
          fingerprint,
          identity: { username, hostname },
          password: `${name}-pw`,
          engine: nodeCryptoEngine,
          compression: nodeCompressionEngine,
          threads: 0,
        });
      return { folder, uploader: new Uploader(open, folder, restarted.promise) };
    }),
  );
  const acknowledged: string[] = [];
  const killAfter = Promise.withResolvers<void>();
  const all = uploads.map(async ({ uploader, folder }, i) => {
    const random = new SeededRandom(i);
    for (let round = 0; round < ROUNDS; round++) {
      await writeFile(join(folder, `f${round}`), random.bytes(FILE_BYTES));
      acknowledged.push(await uploader.snapshot());
      if (acknowledged.length === CLIENTS + 2) killAfter.resolve();
    }
  });
  await killAfter.promise;
  const before = [...acknowledged];
  await first.stop("SIGKILL");
  assert.ok(before.length < CLIENTS * ROUNDS, "it was killed in the middle");
  await using second = await SejfServer.start(home, {
    address: `127.0.0.1:${port}`,
    tlsFlags: files,
  });
  restarted.resolve();
  const listedIds = async (): Promise<Set<string>> => {
    const listed = await home.json<readonly { readonly id: string }[]>([
      "snapshot",
      "list",
      "--all",
      "--json",
    ]);
    return new Set(listed.map(({ id }) => id));
  };
  const afterKill = await listedIds();
  for (const id of before) assert.ok(afterKill.has(id), `snapshot ${id} was acknowledged`);
  await Promise.all(all);
  for (const { uploader } of uploads) await uploader[Symbol.asyncDispose]();
  assert.equal(acknowledged.length, CLIENTS * ROUNDS);
  const atLast = await listedIds();
  for (const id of acknowledged) assert.ok(atLast.has(id), `snapshot ${id} was acknowledged`);
  await home.ok(["snapshot", "verify", "--verify-files-percent=100"]);
  assert.equal(second.process.exitCode, null);
});
