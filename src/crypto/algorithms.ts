/**
 * The algorithms a repository can be made of, by Kopia's names. Both engines read these tables, so that a name
 * means the same thing in each. Spec: `docs/format.md`, "Hashing" and "Encryption".
 */
import { SejfError } from "../errors/index.ts";
import type { AeadName } from "./engine.ts";

/** The keyed function behind a hash algorithm. BLAKE2 and BLAKE3 take the secret as their own key parameter. */
export type HashFunction =
  | "blake2b"
  | "blake2s"
  | "blake3"
  | "hmac-sha224"
  | "hmac-sha256"
  | "hmac-sha3-224"
  | "hmac-sha3-256";

/** A hash algorithm for content IDs. */
export interface HashAlgorithm {
  readonly name: string;
  readonly function: HashFunction;
  /** The length the function is asked for. BLAKE2 mixes it into the result, so it is not just a cut. */
  readonly digestBytes: number;
  /** What is kept of the digest, from its beginning. */
  readonly lengthBytes: number;
  /** The longest secret the function takes; unbounded where it hashes or cuts longer ones itself. */
  readonly maxSecretBytes: number;
  /** The shortest one. */
  readonly minSecretBytes: number;
  /** Chosen for new repositories when nothing else is asked for. Exactly one has it. */
  readonly isDefault: boolean;
}

/** An encryption algorithm for contents and whole blobs. */
export interface EncryptionAlgorithm {
  readonly name: string;
  readonly aead: AeadName;
  /** Chosen for new repositories when nothing else is asked for. Exactly one has it. */
  readonly isDefault: boolean;
}

const BLAKE2B_KEY_MAX = 64;
const BLAKE2S_KEY_MAX = 32;

/**
 * All hash algorithms, sorted by name. The default is BLAKE3-256: as strong as Kopia's own default and several
 * times cheaper.
 */
export const HASH_ALGORITHMS: readonly HashAlgorithm[] = [
  hash("BLAKE2B-256", "blake2b", 32, 32, { maxSecretBytes: BLAKE2B_KEY_MAX }),
  hash("BLAKE2B-256-128", "blake2b", 32, 16, { maxSecretBytes: BLAKE2B_KEY_MAX }),
  // Kopia's library offers 16-byte BLAKE2s only as a keyed function.
  hash("BLAKE2S-128", "blake2s", 16, 16, { maxSecretBytes: BLAKE2S_KEY_MAX, minSecretBytes: 1 }),
  hash("BLAKE2S-256", "blake2s", 32, 32, { maxSecretBytes: BLAKE2S_KEY_MAX }),
  hash("BLAKE3-256", "blake3", 32, 32, { isDefault: true }),
  hash("BLAKE3-256-128", "blake3", 32, 16),
  hash("HMAC-SHA224", "hmac-sha224", 28, 28),
  hash("HMAC-SHA256", "hmac-sha256", 32, 32),
  hash("HMAC-SHA256-128", "hmac-sha256", 32, 16),
  hash("HMAC-SHA3-224", "hmac-sha3-224", 28, 28),
  hash("HMAC-SHA3-256", "hmac-sha3-256", 32, 32),
];

/** All encryption algorithms, sorted by name. */
export const ENCRYPTION_ALGORITHMS: readonly EncryptionAlgorithm[] = [
  { name: "AES256-GCM-HMAC-SHA256", aead: "aes-256-gcm", isDefault: true },
  { name: "CHACHA20-POLY1305-HMAC-SHA256", aead: "chacha20-poly1305", isDefault: false },
];

/** The hash algorithm of new repositories. */
export const DEFAULT_HASH = "BLAKE3-256";

/** The encryption algorithm of new repositories. */
export const DEFAULT_ENCRYPTION = "AES256-GCM-HMAC-SHA256";

/**
 * A hash algorithm, checked to work with a secret of that length.
 * @throws SEJF_UNSUPPORTED for an unknown name or a secret the algorithm cannot use.
 */
export function hashAlgorithm(name: string, secretBytes: number): HashAlgorithm {
  const found = HASH_ALGORITHMS.find((each) => each.name === name);
  if (found === undefined) throw unknownAlgorithm("hash", name, HASH_ALGORITHMS);
  if (secretBytes < found.minSecretBytes || secretBytes > found.maxSecretBytes) {
    throw new SejfError(
      "SEJF_UNSUPPORTED",
      `hash algorithm ${name} cannot use a secret of ${secretBytes} bytes, expected ${found.minSecretBytes} to ${found.maxSecretBytes}`,
    );
  }
  return found;
}

/** @throws SEJF_UNSUPPORTED for an unknown name. */
export function encryptionAlgorithm(name: string): EncryptionAlgorithm {
  const found = ENCRYPTION_ALGORITHMS.find((each) => each.name === name);
  if (found === undefined) throw unknownAlgorithm("encryption", name, ENCRYPTION_ALGORITHMS);
  return found;
}

function hash(
  name: string,
  fn: HashFunction,
  digestBytes: number,
  lengthBytes: number,
  options: {
    readonly maxSecretBytes?: number;
    readonly minSecretBytes?: number;
    readonly isDefault?: boolean;
  } = {},
): HashAlgorithm {
  return {
    name,
    function: fn,
    digestBytes,
    lengthBytes,
    maxSecretBytes: options.maxSecretBytes ?? Number.MAX_SAFE_INTEGER,
    minSecretBytes: options.minSecretBytes ?? 0,
    isDefault: options.isDefault ?? false,
  };
}

function unknownAlgorithm(
  kind: string,
  name: string,
  known: readonly { readonly name: string }[],
): SejfError {
  return new SejfError(
    "SEJF_UNSUPPORTED",
    `${kind} algorithm ${JSON.stringify(name)} is not known`,
    {
      hint: `known ones are ${known.map((each) => each.name).join(", ")}`,
    },
  );
}
