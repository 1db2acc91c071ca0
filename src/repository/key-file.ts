/**
 * The key that is derived from a password, of a format or of local copies, kept beside a kept password: deriving it takes
 * a fifth of a second, at every command.
 *
 * SECURITY: the file holds nothing that the password file beside it does not give away. It is written and used only
 * while that file exists and holds the very password in use, with the same mode 0600, and goes when that file goes.
 */
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import {
  base64ToBytes,
  bytesToBase64,
  bytesToUtf8,
  equalBytes,
  type OwnedBytes,
} from "../bytes/index.ts";
import { writeFileAtomically } from "./atomic-file.ts";

const KEY_BYTES = 32;

/** What a key is derived from, besides the password. */
export interface KeySource {
  readonly uniqueId: Uint8Array;
  readonly keyAlgorithm: string;
}

interface StoredKey {
  readonly uniqueID: string;
  readonly keyAlgo: string;
  readonly formatKey: string;
}

/** Where Kopia keeps and finds the password of a connection. */
export function passwordFileOf(configFile: string): string {
  return `${configFile}.kopia-password`;
}

export function keyFileOf(configFile: string): string {
  return `${configFile}.sejf-key`;
}

/** The kept key of this repository and password, if there is one. Anything amiss is as if there were none. */
export function loadKeptKey(
  configFile: string,
  password: string,
  source: KeySource,
): OwnedBytes | undefined {
  try {
    if (!isKept(configFile, password)) return undefined;
    const stored = JSON.parse(readFileSync(keyFileOf(configFile), "utf8")) as Partial<StoredKey>;
    if (stored.keyAlgo !== source.keyAlgorithm) return undefined;
    if (!equalBytes(base64ToBytes(stored.uniqueID ?? ""), source.uniqueId)) return undefined;
    const key = base64ToBytes(stored.formatKey ?? "");
    return key.byteLength === KEY_BYTES ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the key if the password is kept. A folder that cannot be written to only costs the time saved. */
export async function keepKey(
  configFile: string,
  password: string,
  source: KeySource,
  key: Uint8Array,
): Promise<void> {
  try {
    if (!isKept(configFile, password)) return;
    const stored: StoredKey = {
      uniqueID: bytesToBase64(source.uniqueId),
      keyAlgo: source.keyAlgorithm,
      formatKey: bytesToBase64(key),
    };
    await writeFileAtomically(keyFileOf(configFile), JSON.stringify(stored));
  } catch {
    // Reported when the password itself cannot be kept.
  }
}

/** The kept key, or what `derive` gives, which is kept from now on if the password is. @throws what `derive` does. */
export async function keptOrDerived(
  configFile: string,
  password: string,
  source: KeySource,
  derive: () => Promise<OwnedBytes>,
): Promise<OwnedBytes> {
  const kept = loadKeptKey(configFile, password, source);
  if (kept !== undefined) return kept;
  const key = await derive();
  await keepKey(configFile, password, source, key);
  return key;
}

/** Removing none succeeds. */
export async function forgetKey(configFile: string): Promise<void> {
  await rm(keyFileOf(configFile), { force: true });
}

/** True while this password lies beside the connection file. */
function isKept(configFile: string, password: string): boolean {
  const text = readFileSync(passwordFileOf(configFile), "latin1").trim();
  return bytesToUtf8(base64ToBytes(text)) === password;
}
