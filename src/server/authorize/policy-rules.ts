/**
 * Policies from clients. Whoever may only add, and not replace, must not bring in through a policy what shortens the life
 * of snapshots: a second policy of a target counts in place of the first, and retention goes by it. Spec: kopia-server 8.3.
 */
import type { CallOptions } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { Labels, ManifestStore } from "../../manifest/index.ts";
import { decodePolicy } from "../../snapshot/index.ts";
import type { AccessRights, Account } from "../types.ts";
import { assertExactMembers } from "./folded-members.ts";
import { exactPolicyLabels } from "./label-sets.ts";

/** Groups that say how a snapshot is made, not how long it stays nor when the server makes one. */
const HARMLESS: ReadonlySet<string> = new Set([
  "files",
  "errorHandling",
  "compression",
  "metadataCompression",
  "splitter",
  "logging",
  "upload",
  "osSnapshots",
]);
const KNOWN: readonly string[] = [...HARMLESS, "retention", "scheduling", "actions", "noParent"];

export interface NewPolicy {
  readonly account: Account;
  readonly rights: AccessRights;
  readonly labels: Labels;
  readonly json: object;
  readonly manifests: Pick<ManifestStore, "find">;
}

/**
 * A sealed account may bring in the first of a target, which can only make the server keep more; others need a proof that
 * has no place here. @throws SEJF_INVALID_ARGUMENT, SEJF_CORRUPT, SEJF_ACCESS_DENIED.
 */
export async function assertPolicy(policy: NewPolicy, options: CallOptions): Promise<void> {
  decodePolicy(policy.json, "the policy");
  assertExactMembers(policy.json, KNOWN, "the policy");
  const isSealed = policy.account.encryption === "client";
  const isFree = mayReplace(policy);
  if (isFree && !isSealed) return;
  for (const [name, value] of isFree ? [] : Object.entries(policy.json)) {
    if (HARMLESS.has(name) || isEmpty(value)) continue;
    throw new SejfError(
      "SEJF_ACCESS_DENIED",
      `access denied: a policy of ${policy.account.name} cannot set ${name}`,
      { hint: "whoever may add but not delete leaves this to the server's operator" },
    );
  }
  const { manifests, labels } = policy;
  const found = await manifests.find(labels, options);
  if (found.some((item) => exactPolicyLabels(item.labels)))
    throw new SejfError(
      "SEJF_ACCESS_DENIED",
      isFree
        ? "access denied: a sealed account replaces its policies through the account service"
        : `access denied: there is a policy for this already, and ${policy.account.name} may not replace it`,
    );
}

/** The policy, and all snapshots that it may apply to. */
function mayReplace({ account, rights, labels }: NewPolicy): boolean {
  if (account.appendOnly || rights.manifest(labels) !== "FULL") return false;
  const { username, hostname, path = "/" } = labels;
  if (username === undefined || hostname === undefined) return true;
  return rights.manifest({ type: "snapshot", hostname, username, path }) === "FULL";
}

/** Clients write every group, also those that say nothing. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === "object" && Object.values(value).every(isEmpty);
}
