/**
 * Passwords as Kopia stores them: 32 bytes of salt and 32 of a key that is costly to derive. Spec: kopia-server 7.1.
 * SECURITY: whoever reads the repository can guess offline, at a fifth of a second and 64 MiB a try; nothing but a good
 * password helps against that.
 */
import {
  base64ToBytes,
  bytesToBase64,
  bytesToUtf8,
  concatBytes,
  type Random,
  utf8ToBytes,
} from "../../bytes/index.ts";
import { type CryptoEngine, equalSecrets } from "../../crypto/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { PasswordHash } from "./types.ts";

const SALT_BYTES = 32;
const KEY_BYTES = 32;
/** Bytes of salt and key. */
export const HASH_BYTES: number = SALT_BYTES + KEY_BYTES;
const SCRYPT = { cost: 65_536, blockSize: 8, parallelization: 1, length: KEY_BYTES };
const PBKDF2_ITERATIONS = 600_000;
/** More than anybody types; a bound for what a stranger makes us hash. */
export const MAX_PASSWORD_BYTES = 1024;
const MAX_ENCODED_CHARACTERS = 512;

/** Costs as much as a real one and matches nothing: no password has this key. */
export const NO_PASSWORD: PasswordHash = {
  version: 1,
  saltAndKey: new Uint8Array(HASH_BYTES).fill(0xff),
};

/** With a new salt. @throws SEJF_INVALID_ARGUMENT for a password that no client could give. */
export async function hashPassword(
  password: string,
  engine: CryptoEngine,
  random: Random,
): Promise<PasswordHash> {
  assertUsable(password);
  const salt = random.bytes(SALT_BYTES);
  const key = await derive(password, salt, 1, engine);
  return { version: 1, saltAndKey: concatBytes(salt, key) };
}

/** Constant time as far as the bytes go. */
export async function passwordMatches(
  password: string,
  { version, saltAndKey }: PasswordHash,
  engine: CryptoEngine,
): Promise<boolean> {
  const key = await derive(password, saltAndKey.subarray(0, SALT_BYTES), version, engine);
  return equalSecrets(key, saltAndKey.subarray(SALT_BYTES));
}

async function derive(
  password: string,
  salt: Uint8Array,
  version: PasswordHash["version"],
  engine: CryptoEngine,
): Promise<Uint8Array> {
  const bytes = utf8ToBytes(password);
  return version === 1
    ? await engine.scrypt(bytes, salt, SCRYPT)
    : await engine.pbkdf2Sha256(bytes, salt, PBKDF2_ITERATIONS, KEY_BYTES);
}

/** What `server user hash-password` prints: base64 of JSON. */
export function formatPasswordHash({ version, saltAndKey }: PasswordHash): string {
  const json = { passwordHashVersion: version, passwordHash: bytesToBase64(saltAndKey) };
  return bytesToBase64(utf8ToBytes(JSON.stringify(json)));
}

/** @throws SEJF_INVALID_ARGUMENT. The text itself is not repeated in the error. */
export function parsePasswordHash(text: string): PasswordHash {
  const parsed = text.length > MAX_ENCODED_CHARACTERS ? undefined : decodeText(text);
  if (parsed !== undefined) return parsed;
  throw new SejfError("SEJF_INVALID_ARGUMENT", "the password hash is malformed", {
    hint: "`server user hash-password` prints one",
  });
}

function decodeText(text: string): PasswordHash | undefined {
  try {
    const json = JSON.parse(bytesToUtf8(base64ToBytes(text))) as unknown;
    if (typeof json !== "object" || json === null) return undefined;
    const { passwordHashVersion, passwordHash } = json as Record<string, unknown>;
    return decodePasswordHash(passwordHashVersion, passwordHash);
  } catch (error) {
    if (error instanceof SyntaxError || isSejfError(error)) return undefined;
    throw error;
  }
}

/** From the members of a profile; `undefined` for what is never valid: other versions, other lengths. */
export function decodePasswordHash(version: unknown, hash: unknown): PasswordHash | undefined {
  const known = version ?? 1;
  if (known !== 0 && known !== 1 && known !== 2) return undefined;
  if (typeof hash !== "string" || hash.length > MAX_ENCODED_CHARACTERS) return undefined;
  try {
    const saltAndKey = base64ToBytes(hash);
    return saltAndKey.length === HASH_BYTES
      ? { version: known === 2 ? 2 : 1, saltAndKey }
      : undefined;
  } catch (error) {
    if (isSejfError(error)) return undefined;
    throw error;
  }
}

function assertUsable(password: string): void {
  if (password === "") throw new SejfError("SEJF_INVALID_ARGUMENT", "the password is empty");
  if (utf8ToBytes(password).length > MAX_PASSWORD_BYTES)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `the password is longer than ${MAX_PASSWORD_BYTES} bytes`,
    );
  if (password.trim() !== password)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "the password begins or ends with white space, which clients cut off: it could never be given",
    );
}
