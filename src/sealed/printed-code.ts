/**
 * Secrets of 16 bytes as people copy them: 32 letters in groups of four, the last 4 bytes a checksum that also says
 * what kind of code it is. Spec: sealed 3.
 */
import { concatBytes, equalBytes, type OwnedBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { base32, fromBase32 } from "./base32.ts";
import { labelled } from "./labels.ts";

export const ACCOUNT_KEY_LABEL = "sejf account key v1";
export const INVITE_LABEL = "sejf invite v1";
export const ENROLLMENT_LABEL = "sejf enrollment v1";

const SECRET_BYTES = 16;
const CHECK_BYTES = 4;
const LETTERS = 32;

/** @throws RangeError unless `secret` has 16 bytes. */
export function printCode(engine: CryptoEngine, label: string, secret: Uint8Array): string {
  if (secret.length !== SECRET_BYTES)
    throw new RangeError(`a code is made of 16 bytes, not of ${secret.length}`);
  const letters = base32(concatBytes(secret, checksum(engine, label, secret)));
  return (letters.match(/.{4}/g) as string[]).join("-");
}

/**
 * The 16 bytes; case, spaces and dashes do not count. @throws SEJF_INVALID_ARGUMENT for a code that was not copied
 * right, or is one of another kind.
 */
export function parseCode(engine: CryptoEngine, label: string, text: string): OwnedBytes {
  const letters = text.toLowerCase().replaceAll(/[\s-]/g, "");
  const bytes = letters.length === LETTERS ? fromBase32(letters) : undefined;
  const secret = bytes?.subarray(0, SECRET_BYTES);
  if (
    bytes === undefined ||
    secret === undefined ||
    !equalBytes(bytes.subarray(SECRET_BYTES), checksum(engine, label, secret))
  )
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `this is no ${kindOf(label)}, or not copied right`,
      {
        hint: "it has 32 letters and digits 2 to 7, in groups of four",
      },
    );
  return new Uint8Array(secret);
}

function checksum(engine: CryptoEngine, label: string, secret: Uint8Array): OwnedBytes {
  return engine.sha256(labelled(label, secret)).subarray(0, CHECK_BYTES);
}

/** `sejf account key v1` as people say it. */
function kindOf(label: string): string {
  return label.replace(/^sejf /, "").replace(/ v\d+$/, "");
}
