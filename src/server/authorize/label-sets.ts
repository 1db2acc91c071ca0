/**
 * The exact label sets that manifests may have. Kopia searches by "contains these pairs", so a label too many makes one
 * manifest answer to several questions. SECURITY: what is no legal set is never found, read, written or deleted through
 * the server, whatever the entries say. Spec: kopia-server 6, 12.2, 12.4.
 */
import type { Labels } from "../../manifest/index.ts";
import { isTrash } from "../../snapshot/index.ts";
import { isAccountName } from "../accounts/index.ts";

/** What a legal label set is the name of. */
export type ManifestKind =
  | "snapshot"
  | "policy:global"
  | "policy:host"
  | "policy:user"
  | "policy:path"
  | "user"
  | "acl";

const TAG = "tag:";
const MAX_LABELS = 128;
const MAX_CHARACTERS = 65_536;

const POLICY_KEYS: Readonly<Record<string, readonly string[]>> = {
  global: [],
  host: ["hostname"],
  user: ["hostname", "username"],
  path: ["hostname", "username", "path"],
};

/** `undefined` for every set that is not exactly one of the legal ones. */
export function kindOfLabels(labels: Labels): ManifestKind | undefined {
  if (!isBounded(labels)) return undefined;
  switch (labels["type"]) {
    case "snapshot":
      // SECURITY: what was deleted is nobody's snapshot; its owner sees it through the account service.
      if (isTrash(labels)) return undefined;
      return hasKeys(withoutTags(labels), ["type", "hostname", "username", "path"])
        ? "snapshot"
        : undefined;
    case "policy":
      return kindOfPolicy(labels);
    case "user":
      return hasKeys(labels, ["type", "username"]) && isAccountName(labels["username"] ?? "")
        ? "user"
        : undefined;
    case "acl":
      return hasKeys(labels, ["type"]) ? "acl" : undefined;
    case undefined:
    default:
      return undefined;
  }
}

/** A policy's labels are one of the four sets and nothing more. */
export function exactPolicyLabels(labels: Labels): boolean {
  return labels["type"] === "policy" && kindOfLabels(labels) !== undefined;
}

/** The labels of a snapshot that are tags. */
export function tagLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key.startsWith(TAG)));
}

function kindOfPolicy(labels: Labels): ManifestKind | undefined {
  const policyType = labels["policyType"] ?? "";
  const keys = Object.hasOwn(POLICY_KEYS, policyType) ? POLICY_KEYS[policyType] : undefined;
  return keys !== undefined && hasKeys(labels, ["type", "policyType", ...keys])
    ? (`policy:${policyType}` as ManifestKind)
    : undefined;
}

function withoutTags(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith(TAG)));
}

/** Exactly these, none empty. */
function hasKeys(labels: Labels, keys: readonly string[]): boolean {
  return (
    Object.keys(labels).length === keys.length &&
    keys.every((key) => Object.hasOwn(labels, key) && labels[key] !== "")
  );
}

function isBounded(labels: Labels): boolean {
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) return false;
  let characters = 0;
  for (const [key, value] of entries) characters += key.length + value.length;
  return characters <= MAX_CHARACTERS;
}
