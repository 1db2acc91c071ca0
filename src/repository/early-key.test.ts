import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { utf8ToBytes } from "../bytes/index.ts";
import { decodeFormatBlob, deriveFormatKey } from "../format/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import { goldenRepository } from "../testkit/golden.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { CACHE_SALT, type EarlyKeyOptions, persistPassword, startEarlyKey } from "./index.ts";

const golden = goldenRepository("kopia-default");

async function connectionTo(
  folder: string,
  storage: object,
  caching: object = {},
): Promise<EarlyKeyOptions> {
  const configFile = join(folder, "repository.config");
  await writeFile(
    configFile,
    JSON.stringify({ storage, caching, hostname: "h", username: "u", enableActions: false }),
  );
  return { configFile, password: golden.password, persisted: true, env: {} };
}

const LOCAL = { type: "filesystem", config: { path: golden.path } };

test("startEarlyKey: the key of the format layer, given once", async () => {
  await using folder = await temporaryDirectory();
  const blob = decodeFormatBlob(await readFile(join(golden.path, "kopia.repository.f")));
  const early = startEarlyKey(await connectionTo(folder.path, LOCAL));
  const key = await early?.take(blob, golden.password);
  assert.deepEqual(key, await deriveFormatKey(nodeCryptoEngine, blob, golden.password));
  assert.equal(early?.take(blob, golden.password), undefined);
});

test("startEarlyKey: of another password, salt or algorithm it is not used", async () => {
  await using folder = await temporaryDirectory();
  const options = await connectionTo(folder.path, LOCAL);
  const blob = decodeFormatBlob(await readFile(join(golden.path, "kopia.repository.f")));
  assert.equal(startEarlyKey(options)?.take(blob, "other"), undefined);
  assert.equal(
    startEarlyKey(options)?.take({ ...blob, uniqueId: new Uint8Array(32) }, golden.password),
    undefined,
  );
  assert.equal(
    startEarlyKey(options)?.take(
      { ...blob, keyAlgorithm: "pbkdf2-sha256-600000" },
      golden.password,
    ),
    undefined,
  );
});

test("startEarlyKey: the kept password, unless it is not to be used", async () => {
  await using folder = await temporaryDirectory();
  const options = { ...(await connectionTo(folder.path, LOCAL)), password: undefined };
  assert.equal(startEarlyKey(options), undefined);
  await persistPassword(options.configFile, golden.password);
  assert.notEqual(startEarlyKey(options), undefined);
  assert.equal(startEarlyKey({ ...options, persisted: false }), undefined);
});

test("startEarlyKey: for other storages kopia's cached copy gives the salt; what is missing gives nothing", async () => {
  await using folder = await temporaryDirectory();
  const remote = { type: "s3", config: { bucket: "b" } };
  const options = await connectionTo(folder.path, remote, { cacheDirectory: "cache" });
  assert.equal(startEarlyKey(options), undefined);
  await mkdir(join(folder.path, "cache"));
  await writeFile(
    join(folder.path, "cache", "kopia.repository"),
    await readFile(join(golden.path, "kopia.repository.f")),
  );
  assert.notEqual(startEarlyKey(options), undefined);
  const slow = goldenRepository("kopia-pbkdf2-sha3");
  assert.equal(
    startEarlyKey(
      await connectionTo(folder.path, { type: "filesystem", config: { path: slow.path } }),
    ),
    undefined,
  );
  assert.equal(
    startEarlyKey(
      await connectionTo(folder.path, { type: "filesystem", config: { path: "/nowhere" } }),
    ),
    undefined,
  );
  assert.equal(startEarlyKey({ ...options, configFile: "/nowhere" }), undefined);
});

test("startEarlyKey: behind a server it is the key of the local copies, where there are any", async () => {
  await using folder = await temporaryDirectory();
  const connect = async (
    caching: Record<string, unknown>,
    localCacheKeyDerivationAlgorithm = "scrypt-65536-8-1",
  ): Promise<EarlyKeyOptions> => {
    const apiServer = {
      url: "https://127.0.0.1:51515",
      serverCertFingerprint: "",
      localCacheKeyDerivationAlgorithm,
    };
    const configFile = join(folder.path, "server.config");
    const config = { apiServer, caching, hostname: "h", username: "u", enableActions: false };
    await writeFile(configFile, JSON.stringify(config));
    return { configFile, password: "secret", persisted: false, env: {} };
  };
  const caching = { cacheDirectory: "cache", maxCacheSize: 1_000_000 };
  const usual = { uniqueId: CACHE_SALT, keyAlgorithm: "scrypt-65536-8-1" };
  const early = startEarlyKey(await connect(caching));
  const parameters = { cost: 65_536, blockSize: 8, parallelization: 1, length: 32 };
  assert.deepEqual(
    await early?.take(usual, "secret"),
    await nodeCryptoEngine.scrypt(utf8ToBytes("secret"), CACHE_SALT, parameters),
  );
  assert.equal(startEarlyKey(await connect({})), undefined);
  assert.equal(startEarlyKey(await connect(caching, "pbkdf2-sha256-600000")), undefined);
});
