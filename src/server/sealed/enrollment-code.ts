/** Enrollment codes, given by the operator, who holds the repository. Only the hash of one is kept. Spec: sealed 3. */
import type { Clock, Random } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { ManifestStore } from "../../manifest/index.ts";
import { ENROLLMENT_LABEL, printCode } from "../../sealed/index.ts";
import { parseAccountName } from "../accounts/index.ts";
import { codeHash } from "./enrollment.ts";
import { encode, labelsOf, timeText } from "./record-codec.ts";

export interface EnrollmentCodeOptions {
  readonly manifests: ManifestStore;
  readonly engine: CryptoEngine;
  readonly clock: Clock;
  readonly random: Random;
  /** How long it counts. */
  readonly validMs: number;
}

export interface EnrollmentCode {
  /** SECURITY: makes the account. Shown once. */
  readonly code: string;
  /** RFC 3339. */
  readonly expires: string;
}

const SECRET_BYTES = 16;

/**
 * A code for a sealed account; older ones of it count no more. Pending until the repository is flushed.
 * @throws SEJF_ALREADY_EXISTS when the account is enrolled.
 */
export async function issueEnrollmentCode(
  { manifests, engine, clock, random, validMs }: EnrollmentCodeOptions,
  account: string,
): Promise<EnrollmentCode> {
  const name = parseAccountName(account);
  if ((await manifests.find(labelsOf.login(name))).length > 0)
    throw new SejfError("SEJF_ALREADY_EXISTS", `${name} is enrolled already`, {
      hint: "a further device connects with the account's password and its account key",
    });
  const old = await manifests.find(labelsOf.code(name));
  const code = printCode(engine, ENROLLMENT_LABEL, random.bytes(SECRET_BYTES));
  const expiresMs = clock.nowMs() + validMs;
  const sha256 = codeHash(engine, code) as string;
  await manifests.put(labelsOf.code(name), encode.code(sha256, expiresMs));
  for (const { id } of old) await manifests.delete(id);
  return { code, expires: timeText(expiresMs) };
}
