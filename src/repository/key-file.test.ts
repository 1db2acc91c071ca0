import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../testkit/temp.ts";
import { keepKey, keptOrDerived, keyFileOf, loadKeptKey } from "./key-file.ts";
import { forgetPassword, persistPassword } from "./password-file.ts";

const SOURCE = { uniqueId: new Uint8Array(32).fill(7), keyAlgorithm: "scrypt-65536-8-1" };
const KEY = new Uint8Array(32).fill(9);

test("keepKey: kept only beside the very password in use, unreadable for others", async () => {
  await using folder = await temporaryDirectory();
  const config = join(folder.path, "repository.config");
  await keepKey(config, "secret", SOURCE, KEY);
  assert.equal(loadKeptKey(config, "secret", SOURCE), undefined);
  await persistPassword(config, "secret");
  await keepKey(config, "other", SOURCE, KEY);
  assert.equal(loadKeptKey(config, "other", SOURCE), undefined);
  await keepKey(config, "secret", SOURCE, KEY);
  assert.deepEqual(loadKeptKey(config, "secret", SOURCE), KEY);
  assert.equal(statSync(keyFileOf(config)).mode & 0o777, 0o600);
  assert.equal(readFileSync(keyFileOf(config), "utf8").includes("secret"), false);
});

test("loadKeptKey: another password, repository or algorithm, or a damaged file, is as if there were none", async () => {
  await using folder = await temporaryDirectory();
  const config = join(folder.path, "repository.config");
  await persistPassword(config, "secret");
  await keepKey(config, "secret", SOURCE, KEY);
  assert.equal(loadKeptKey(config, "wrong", SOURCE), undefined);
  assert.equal(
    loadKeptKey(config, "secret", { ...SOURCE, uniqueId: new Uint8Array(32) }),
    undefined,
  );
  assert.equal(loadKeptKey(config, "secret", { ...SOURCE, keyAlgorithm: "pbkdf2" }), undefined);
  writeFileSync(keyFileOf(config), "{");
  assert.equal(loadKeptKey(config, "secret", SOURCE), undefined);
});

test("keptOrDerived: derived once as long as the password is kept", async () => {
  await using folder = await temporaryDirectory();
  const config = join(folder.path, "repository.config");
  let derived = 0;
  const key = async (): Promise<Uint8Array> =>
    await keptOrDerived(config, "secret", SOURCE, () => {
      derived++;
      return Promise.resolve(KEY);
    });
  assert.deepEqual([await key(), await key(), derived], [KEY, KEY, 2], "nothing is kept");
  await persistPassword(config, "secret");
  assert.deepEqual([await key(), await key(), derived], [KEY, KEY, 3]);
});

test("persistPassword, forgetPassword: the kept key goes with the password", async () => {
  await using folder = await temporaryDirectory();
  const config = join(folder.path, "repository.config");
  await persistPassword(config, "secret");
  await keepKey(config, "secret", SOURCE, KEY);
  await persistPassword(config, "secret");
  assert.equal(loadKeptKey(config, "secret", SOURCE), undefined);
  await keepKey(config, "secret", SOURCE, KEY);
  await forgetPassword(config);
  await persistPassword(config, "secret");
  assert.equal(loadKeptKey(config, "secret", SOURCE), undefined);
});
