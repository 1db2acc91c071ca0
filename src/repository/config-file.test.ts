import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../testkit/temp.ts";
import {
  defaultIdentity,
  forgetPassword,
  loadConfig,
  loadPersistedPassword,
  passwordFileOf,
  persistPassword,
  resolveConfigFile,
  saveConfig,
} from "./index.ts";
import { normalizeHostname } from "./identity.ts";

const CONFIG = `{"storage":{"type":"filesystem","config":{"path":"/r"}},"caching":{"cacheDirectory":"../cache/x"},"hostname":"h","username":"u","enableActions":false}`;

test("loadConfig and saveConfig: the cache folder is relative in the file and absolute in memory", async () => {
  await using folder = await temporaryDirectory();
  const file = join(folder.path, "new", "deep", "repository.config");
  await mkdir(join(folder.path, "new", "deep"), { recursive: true });
  await writeFile(file, CONFIG);
  const config = await loadConfig(file, {});
  assert.equal(config.caching?.cacheDirectory, join(folder.path, "new", "cache", "x"));
  await saveConfig(file, config);
  const stored = JSON.parse(await readFile(file, "utf8")) as {
    caching: { cacheDirectory: string };
  };
  assert.equal(stored.caching.cacheDirectory, "../cache/x");
  assert.deepEqual(await readdir(join(folder.path, "new", "deep")), ["repository.config"]);
});

test("saveConfig: makes the folder 0700 and the file 0600", {
  skip: process.platform === "win32" && "no modes",
}, async () => {
  await using folder = await temporaryDirectory();
  await writeFile(join(folder.path, "old"), CONFIG);
  const file = join(folder.path, "a", "b", "repository.config");
  await saveConfig(file, await loadConfig(join(folder.path, "old"), {}));
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await stat(join(folder.path, "a", "b"))).mode & 0o777, 0o700);
});

test("loadConfig: the environment's cache folder wins when it is absolute", async () => {
  await using folder = await temporaryDirectory();
  const file = join(folder.path, "c");
  await writeFile(file, CONFIG);
  const cacheOf = async (env: Record<string, string>): Promise<string | undefined> =>
    (await loadConfig(file, env)).caching?.cacheDirectory;
  assert.equal(await cacheOf({ KOPIA_CACHE_DIRECTORY: "/k" }), "/k");
  assert.equal(await cacheOf({ KOPIA_CACHE_DIRECTORY: "/k", SEJF_CACHE_DIRECTORY: "/s" }), "/s");
  assert.notEqual(await cacheOf({ KOPIA_CACHE_DIRECTORY: "relative" }), "relative");
});

test("loadConfig: no file is SEJF_NOT_CONNECTED with a hint", async () => {
  await using folder = await temporaryDirectory();
  await assert.rejects(loadConfig(join(folder.path, "none"), {}), {
    code: "SEJF_NOT_CONNECTED",
    hint: /repository connect/,
  });
});

test("the password file: kopia's name and form, 0600, and gone when forgotten", async () => {
  await using folder = await temporaryDirectory();
  const file = join(folder.path, "repository.config");
  assert.equal(await loadPersistedPassword(file), undefined);
  await persistPassword(file, "zażółć 🔑");
  assert.equal(passwordFileOf(file), `${file}.kopia-password`);
  assert.equal(
    await readFile(passwordFileOf(file), "utf8"),
    Buffer.from("zażółć 🔑").toString("base64"),
  );
  assert.equal(await loadPersistedPassword(file), "zażółć 🔑");
  await writeFile(passwordFileOf(file), "not base64!");
  await assert.rejects(loadPersistedPassword(file), { code: "SEJF_NOT_CONNECTED" });
  await forgetPassword(file);
  await forgetPassword(file);
  assert.equal(await loadPersistedPassword(file), undefined);
});

test("resolveConfigFile: flag, SEJF_CONFIG_PATH, KOPIA_CONFIG_PATH, kopia's default", {
  skip: process.platform !== "linux" && "paths of Linux",
}, () => {
  const env = { HOME: "/home/me", XDG_CONFIG_HOME: "/xdg" };
  assert.equal(
    resolveConfigFile(undefined, { HOME: "/home/me" }),
    "/home/me/.config/kopia/repository.config",
  );
  assert.equal(resolveConfigFile(undefined, env), "/xdg/kopia/repository.config");
  assert.equal(resolveConfigFile("other.config", env), "/xdg/kopia/other.config");
  assert.equal(resolveConfigFile("./other.config", env), join(process.cwd(), "other.config"));
  assert.equal(resolveConfigFile(undefined, { ...env, KOPIA_CONFIG_PATH: "/k" }), "/k");
  assert.equal(
    resolveConfigFile(undefined, { ...env, KOPIA_CONFIG_PATH: "/k", SEJF_CONFIG_PATH: "/s" }),
    "/s",
  );
  assert.equal(resolveConfigFile("/f", { ...env, SEJF_CONFIG_PATH: "/s" }), "/f");
});

test("normalizeHostname: the first label in lower case", () => {
  assert.equal(normalizeHostname("Laptop.Example.org"), "laptop");
  assert.equal(normalizeHostname(""), "nohost");
  assert.notEqual(defaultIdentity().username, "");
});
