/**
 * The keyring as a server stores it: under a key made of password and account key, which commits to itself, so that
 * no file opens under two passwords. Spec: sealed 3.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import {
  bytesToBase64Url,
  concatBytes,
  type OwnedBytes,
  type Random,
  utf8ToBytes,
} from "../bytes/index.ts";
import { type CryptoEngine, equalSecrets } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { JsonShape } from "./json-shape.ts";
import { deriveKey, labelled } from "./labels.ts";

const LABEL = "sejf keyring v1";
const DEFAULT_PARAMS: Argon2Params = { memoryKib: 65_536, passes: 3, lanes: 1 };
const MIN_MEMORY_KIB = 65_536;
const MAX_MEMORY_KIB = 2 ** 21;
const MIN_PASSES = 3;
const MAX_PASSES = 1000;
const MAX_LANES = 64;

export interface Argon2Params {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

/** Argon2id (RFC 9106) with 32 bytes of output: Node's, or noble's where there is none. */
export type Argon2id = (
  password: Uint8Array,
  salt: Uint8Array,
  params: Argon2Params,
) => Promise<OwnedBytes>;

export interface KeyringLock {
  readonly engine: CryptoEngine;
  readonly argon2id: Argon2id;
  /** `user@host`. */
  readonly account: string;
  readonly accountKey: Uint8Array;
  readonly password: string;
}

/** JSON text of the file. */
export async function lockKeyring(
  lock: KeyringLock,
  plaintext: Uint8Array,
  random: Random,
): Promise<string> {
  const salt = random.bytes(16);
  const nonce = random.bytes(24);
  const { key, commit } = await deriveKeys(lock, salt, DEFAULT_PARAMS);
  const aad = aadOf(lock.account, DEFAULT_PARAMS, salt);
  const ct = xchacha20poly1305(key, nonce, aad).encrypt(plaintext);
  return JSON.stringify({
    v: 1,
    m: DEFAULT_PARAMS.memoryKib,
    t: DEFAULT_PARAMS.passes,
    p: DEFAULT_PARAMS.lanes,
    salt: bytesToBase64Url(salt),
    nonce: bytesToBase64Url(nonce),
    commit: bytesToBase64Url(commit),
    ct: bytesToBase64Url(ct),
  });
}

/**
 * The keyring's plaintext. @throws SEJF_INVALID_PASSWORD for a wrong password or account key; SEJF_CORRUPT for a
 * damaged file, and for one whose parameters are weaker than any that we write.
 */
export async function unlockKeyring(lock: KeyringLock, text: string): Promise<OwnedBytes> {
  const shape = new JsonShape("the keyring file", parse(text));
  shape.version(1);
  const params = {
    memoryKib: shape.integer("m"),
    passes: shape.integer("t"),
    lanes: shape.integer("p"),
  };
  checkParams(params);
  const salt = shape.bytes("salt", 16);
  const nonce = shape.bytes("nonce", 24);
  const { key, commit } = await deriveKeys(lock, salt, params);
  if (!equalSecrets(commit, shape.bytes("commit", 32)))
    throw new SejfError("SEJF_INVALID_PASSWORD", `wrong password for ${lock.account}`, {
      hint: "or the account key on this device is another account's, or one that it had before",
    });
  try {
    const plain = xchacha20poly1305(key, nonce, aadOf(lock.account, params, salt)).decrypt(
      shape.bytes("ct"),
    );
    return new Uint8Array(plain);
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", "the keyring file does not authenticate", { cause: error });
  }
}

async function deriveKeys(
  { engine, argon2id, accountKey, password }: KeyringLock,
  salt: Uint8Array,
  params: Argon2Params,
): Promise<{ readonly key: OwnedBytes; readonly commit: OwnedBytes }> {
  const stretched = await argon2id(utf8ToBytes(password.normalize("NFKC")), salt, params);
  const okm = deriveKey(engine, stretched, LABEL, 64, accountKey);
  return { key: okm.slice(0, 32), commit: okm.slice(32) };
}

function aadOf(account: string, params: Argon2Params, salt: Uint8Array): OwnedBytes {
  const numbers = new Uint8Array(12);
  const view = new DataView(numbers.buffer);
  view.setUint32(0, params.memoryKib);
  view.setUint32(4, params.passes);
  view.setUint32(8, params.lanes);
  return concatBytes(labelled(LABEL, labelled(account)), numbers, salt);
}

function checkParams({ memoryKib, passes, lanes }: Argon2Params): void {
  if (memoryKib < MIN_MEMORY_KIB || memoryKib > MAX_MEMORY_KIB || passes < MIN_PASSES)
    throw new SejfError(
      "SEJF_CORRUPT",
      `the keyring file asks for Argon2id with ${memoryKib} KiB and ${passes} passes`,
      { hint: "this program never writes that: somebody tries to make the password easy to guess" },
    );
  if (passes > MAX_PASSES || lanes < 1 || lanes > MAX_LANES)
    throw new SejfError("SEJF_CORRUPT", "the keyring file asks for more work than any is worth");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", "the keyring file is not JSON", { cause: error });
  }
}
