/**
 * Begins to derive the key of a connection before most of the program is loaded: scrypt takes longer than all of
 * that and runs in another thread. Where to find the salt is guessed; the guess is used only when password, salt
 * and algorithm turn out to be the right ones, else the key is derived in the usual way.
 *
 * SECURITY: the one primitive that is called outside of the engines, because they are what is loaded meanwhile.
 */
import { scrypt } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  base64ToBytes,
  bytesToUtf8,
  equalBytes,
  type OwnedBytes,
  utf8ToBytes,
} from "../bytes/index.ts";
import { ownCacheDirectory } from "./caching.ts";
import { type ConnectionConfig, decodeConfig } from "./config-json.ts";
import { serverOf } from "./connection-settings.ts";
import { loadKeptKey, passwordFileOf } from "./key-file.ts";
import { cacheDirectoryOverride, type Environment } from "./paths.ts";
import { sealedAccountOf } from "./sealed-mark.ts";

const ALGORITHM = "scrypt-65536-8-1";
const PARAMETERS = { N: 65536, r: 8, p: 1, maxmem: 1 << 27 };
const KEY_BYTES = 32;
const FORMAT_BLOB = "kopia.repository";

/** A derivation under way. */
export interface EarlyKey {
  /** The key, once, when it is of this password and this format blob, or this salt. */
  take(
    blob: { readonly uniqueId: Uint8Array; readonly keyAlgorithm: string },
    password: string,
  ): Promise<OwnedBytes> | undefined;
}

export interface EarlyKeyOptions {
  /** Absolute. */
  readonly configFile: string;
  /** Absent: the one kept beside the connection file, unless `persisted` is false. */
  readonly password: string | undefined;
  readonly persisted: boolean;
  readonly env: Environment;
}

/** `undefined` when there is a kept key, or something is missing or unusual: the reason will be met, and told, on the usual way. */
export function startEarlyKey(options: EarlyKeyOptions): EarlyKey | undefined {
  try {
    const password =
      options.password ?? (options.persisted ? keptPassword(options.configFile) : undefined);
    if (password === undefined || password === "") return undefined;
    const salt = findSalt(options);
    if (salt === undefined) return undefined;
    const kept = loadKeptKey(options.configFile, password, {
      uniqueId: salt,
      keyAlgorithm: ALGORITHM,
    });
    return kept === undefined ? new Derivation(password, salt) : undefined;
  } catch {
    return undefined;
  }
}

class Derivation implements EarlyKey {
  readonly #password: string;
  readonly #salt: OwnedBytes;
  #key: Promise<OwnedBytes> | undefined;

  constructor(password: string, salt: OwnedBytes) {
    this.#password = password;
    this.#salt = salt;
    this.#key = derive(password, salt);
    void this.#key.catch(() => undefined); // met by whoever takes it
  }

  take(
    blob: { readonly uniqueId: Uint8Array; readonly keyAlgorithm: string },
    password: string,
  ): Promise<OwnedBytes> | undefined {
    const key = this.#key;
    this.#key = undefined;
    const same =
      blob.keyAlgorithm === ALGORITHM &&
      password === this.#password &&
      equalBytes(blob.uniqueId, this.#salt);
    return same ? key : undefined;
  }
}

function derive(password: string, salt: OwnedBytes): Promise<OwnedBytes> {
  return new Promise((fulfil, reject) => {
    scrypt(password, salt, KEY_BYTES, PARAMETERS, (error, key) => {
      if (error === null) fulfil(Uint8Array.from(key));
      else reject(error);
    });
  });
}

function keptPassword(configFile: string): string {
  return bytesToUtf8(base64ToBytes(readFileSync(passwordFileOf(configFile), "latin1").trim()));
}

/** Under what a client of a server keeps its local copies. Spec: kopia-server 1.4. */
export const CACHE_SALT: OwnedBytes = utf8ToBytes("content-cache-protection");

/** From the blob itself where it is a local file, else from the copy that kopia keeps for 15 minutes. */
function findSalt({ configFile, env }: EarlyKeyOptions): OwnedBytes | undefined {
  const config = decodeConfig(readFileSync(configFile, "utf8"), configFile);
  if (config.apiServer !== undefined) {
    // A sealed account keeps its copies under another password.
    const isUsed = sealedAccountOf(config) === undefined && ownCacheDirectory(config) !== undefined;
    const usual = serverOf(config, configFile)?.cacheKeyAlgorithm === ALGORITHM;
    return isUsed && usual ? CACHE_SALT : undefined;
  }
  const path = config.storage?.config["path"];
  const local = config.storage?.type === "filesystem" && typeof path === "string";
  const file = local ? join(path, `${FORMAT_BLOB}.f`) : cachedFormat(config, configFile, env);
  if (file === undefined) return undefined;
  const blob = JSON.parse(readFileSync(file, "utf8")) as {
    readonly uniqueID?: unknown;
    readonly keyAlgo?: unknown;
  };
  return blob.keyAlgo === ALGORITHM && typeof blob.uniqueID === "string"
    ? base64ToBytes(blob.uniqueID)
    : undefined;
}

function cachedFormat(
  config: ConnectionConfig,
  configFile: string,
  env: Environment,
): string | undefined {
  const stored = config.caching?.cacheDirectory;
  const directory =
    cacheDirectoryOverride(env) ?? (stored ? resolve(dirname(configFile), stored) : undefined);
  return directory === undefined ? undefined : join(directory, FORMAT_BLOB);
}
