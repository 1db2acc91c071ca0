/** Everything that one account's seed gives. Spec: sealed 3. */
import { bech32 } from "@scure/base";
import { identityToRecipient } from "age-encryption";
import { bytesToBase64Url, concatBytes, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { deriveKey, labelled } from "./labels.ts";
import { signingPublicKey } from "./signed.ts";

const IDENTITY_PREFIX = "AGE-SECRET-KEY-PQ-";
const SEED_BYTES = 32;

/** What only the holder of the seed has. Never logged, never in an error. */
export interface AccountKeys {
  /** `AGE-SECRET-KEY-PQ-1…`. */
  readonly identity: string;
  /** `age1pq1…`: for everybody who seals to this account. */
  readonly recipient: string;
  /** 16 bytes: what a server lacks for guessing the password. */
  readonly accountKey: OwnedBytes;
  /** 32 bytes: contents that must not be shared, blinding of paths. */
  readonly privateSecret: OwnedBytes;
  /** Ed25519 seed. */
  readonly signingSeed: OwnedBytes;
  readonly signingPublicKey: OwnedBytes;
}

/** @throws RangeError unless the seed has 32 bytes. */
export async function deriveAccountKeys(
  engine: CryptoEngine,
  seed: Uint8Array,
): Promise<AccountKeys> {
  if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has 32 bytes, not ${seed.length}`);
  const identity = seedToIdentity(seed);
  const signingSeed = deriveKey(engine, seed, "sejf account signing v1");
  const keys = {
    identity,
    recipient: await identityToRecipient(identity),
    accountKey: deriveKey(engine, seed, "sejf account key v1", 16),
    privateSecret: deriveKey(engine, seed, "sejf private secret v1"),
    signingSeed,
    signingPublicKey: signingPublicKey(signingSeed),
  };
  // Whoever prints or logs them sees nothing.
  const value = (): string => "[account keys]";
  return Object.defineProperty(keys, Symbol.for("nodejs.util.inspect.custom"), { value });
}

/** The seed as an age identity. */
export function seedToIdentity(seed: Uint8Array): string {
  return bech32.encode(IDENTITY_PREFIX.toLowerCase(), bech32.toWords(seed), false).toUpperCase();
}

/** @throws SEJF_INVALID_ARGUMENT for a line that is no post-quantum age identity; the line is not repeated. */
export function identityToSeed(identity: string): OwnedBytes {
  const text = identity.trim();
  try {
    const { prefix, words } = bech32.decode(text as `${string}1${string}`, false);
    const seed = bech32.fromWords(words);
    if (prefix.toUpperCase() === IDENTITY_PREFIX && seed.length === SEED_BYTES)
      return new Uint8Array(seed);
  } catch {
    // Told below; the library's message would repeat the line.
  }
  throw new SejfError("SEJF_INVALID_ARGUMENT", "this is no identity line of a recovery kit", {
    hint: "it begins with AGE-SECRET-KEY-PQ-1",
  });
}

/** What OPAQUE gets instead of the password: a server that knows all but the account key cannot guess. */
export function loginInput(
  engine: CryptoEngine,
  accountKey: Uint8Array,
  password: string,
  purpose: "login" | "delete",
): string {
  const message = labelled(`sejf ${purpose} v1`, utf8ToBytes(password.normalize("NFKC")));
  return bytesToBase64Url(engine.hmacSha256(accountKey, message));
}

/** Keys that hang on the private secret. */
export interface PrivateKeys {
  readonly pathKey: OwnedBytes;
  readonly policyKey: OwnedBytes;
}

export function derivePrivateKeys(engine: CryptoEngine, privateSecret: Uint8Array): PrivateKeys {
  return {
    pathKey: deriveKey(engine, privateSecret, "sejf path v1"),
    policyKey: deriveKey(engine, privateSecret, "sejf policy v1"),
  };
}

/** `user@host` and a path as one message; a zero byte cannot be in either. */
export function accountAndPath(account: string, path: string): OwnedBytes {
  return concatBytes(labelled(account), utf8ToBytes(path));
}
