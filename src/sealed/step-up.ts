/** Authorisation of one destructive operation by a fresh login with the delete password. Spec: sealed 9. */
import canonicalize from "canonicalize";
import { type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import { type CryptoEngine, equalSecrets } from "../crypto/index.ts";
import { labelled } from "./labels.ts";

export type StepUpVerb =
  | "snapshot.delete"
  | "snapshot.unpin"
  | "policy.set"
  | "acl.set"
  | "user.delete"
  | "device.revoke"
  | "password.delete"
  | "account.rekey"
  | "objectlock.disable"
  | "maintenance.unsafe";

/** What is asked for, for once and soon. */
export interface StepUpOperation {
  readonly account: string;
  /** RFC 3339, from the server: at most 60 s ahead. */
  readonly expires: string;
  /** base64url of 16 bytes from the server. */
  readonly nonce: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Unique ID of the repository as hex. */
  readonly repository: string;
  /** Sorted: manifest IDs, account names, device IDs or policy targets. */
  readonly targets: readonly string[];
  readonly verb: StepUpVerb;
}

/** SHA-256 over the operation as RFC 8785 JSON. */
export function operationHash(engine: CryptoEngine, operation: StepUpOperation): OwnedBytes {
  const text = canonicalize(operation);
  if (text === undefined) throw new TypeError("an operation that is no JSON");
  return engine.sha256(labelled("sejf step-up v1", utf8ToBytes(text)));
}

/** `sessionKey` is that of the login with the delete password. */
export function authorizeOperation(
  engine: CryptoEngine,
  sessionKey: Uint8Array,
  operation: StepUpOperation,
): OwnedBytes {
  const message = labelled("sejf step-up mac v1", operationHash(engine, operation));
  return engine.hmacSha256(sessionKey, message);
}

export function isAuthorized(
  engine: CryptoEngine,
  sessionKey: Uint8Array,
  operation: StepUpOperation,
  mac: Uint8Array,
): boolean {
  return equalSecrets(authorizeOperation(engine, sessionKey, operation), mac);
}
