/** Policies of a sealed account: signed by it, readable to its devices only. They never name commands to run. Spec: sealed 5. */
import { bytesToBase64Url, bytesToUtf8, type Random, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { box, unbox } from "./boxed.ts";
import { JsonShape } from "./json-shape.ts";
import { parsePayload, payloadOf, signLine, verifyLine } from "./signed.ts";

const LABEL = "sejf policy v1";
/** Retention and schedule are the server's, by blinded path; commands are nobody's. */
const FORBIDDEN = ["retention", "scheduling", "actions"];

export interface SealedPolicy {
  /** `user@host`, or `user@host:path` in clear. */
  readonly target: string;
  /** Kopia's policy JSON without retention, scheduling and actions. */
  readonly policy: Readonly<Record<string, unknown>>;
}

/** What the account itself deleted from the end of a chain of snapshots. */
export interface DeletedHeads {
  /** Up to this number the chain's heads may be missing, but for `newest`. */
  readonly upTo: number;
  /** The newest that was left; 0: none was. */
  readonly newest: number;
}

export interface PolicyDocument {
  /** Grows with each change. */
  readonly version: number;
  readonly policies: readonly SealedPolicy[];
  /** By chain, `source#device`: so that devices which cannot delete know that it was no rollback. Absent: none. */
  readonly deleted?: Readonly<Record<string, DeletedHeads>> | undefined;
}

/** JSON text of the file. `policyKey` hangs on the private secret. */
export function writePolicies(
  keys: { readonly signingSeed: Uint8Array; readonly policyKey: Uint8Array },
  document: PolicyDocument,
  random: Random,
): string {
  for (const { policy } of document.policies) assertAllowed(policy);
  const { version, policies, deleted } = document;
  const line = signLine(LABEL, keys.signingSeed, payloadOf({ v: 1, version, policies, deleted }));
  const { nonce, ct } = box(LABEL, keys.policyKey, utf8ToBytes(line), random);
  return JSON.stringify({ v: 1, nonce: bytesToBase64Url(nonce), ct: bytesToBase64Url(ct) });
}

/**
 * @throws SEJF_CORRUPT unless this account signed it, or when it is older than `highestSeen`.
 */
export function openPolicies(
  keys: { readonly signingPublicKey: Uint8Array; readonly policyKey: Uint8Array },
  text: string,
  highestSeen: number,
): PolicyDocument {
  const file = new JsonShape("the policy file", parsePayload(LABEL, utf8ToBytes(text)));
  file.version(1);
  const boxed = { nonce: file.bytes("nonce", 24), ct: file.bytes("ct") };
  const line = bytesToUtf8(unbox(LABEL, keys.policyKey, boxed));
  const payload = verifyLine(LABEL, keys.signingPublicKey, line);
  const shape = new JsonShape("the policy document", parsePayload(LABEL, payload));
  shape.version(1);
  const version = shape.integer("version");
  if (version < highestSeen)
    throw new SejfError(
      "SEJF_CORRUPT",
      `the policy document went back from version ${highestSeen} to ${version}`,
      { hint: "after a restore of the server, --accept-rollback accepts it" },
    );
  const policies = shape.objects("policies").map((one) => {
    const policy = Object.fromEntries(one.entries("policy"));
    assertAllowed(policy);
    return { target: one.text("target"), policy };
  });
  return { version, policies, deleted: shape.has("deleted") ? readDeleted(shape) : undefined };
}

function readDeleted(shape: JsonShape): Record<string, DeletedHeads> {
  const deleted = new Map<string, DeletedHeads>();
  for (const [chain, value] of shape.entries("deleted")) {
    const one = new JsonShape(`what was deleted of ${chain}`, value);
    deleted.set(chain, { upTo: one.integer("upTo"), newest: one.integer("newest") });
  }
  return Object.fromEntries(deleted);
}

function assertAllowed(policy: Readonly<Record<string, unknown>>): void {
  for (const field of FORBIDDEN)
    if (Object.hasOwn(policy, field))
      throw new SejfError("SEJF_CORRUPT", `a sealed policy has "${field}", which it may not`);
}
