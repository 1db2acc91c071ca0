/** One entry of the access control list: who gets which level on what. Spec: kopia-server 8.2. */
import * as z from "zod";
import { SejfError } from "../../errors/index.ts";
import type { Labels } from "../../manifest/index.ts";
import type { AccessLevel, Account } from "../types.ts";

export const ACCESS_LEVELS: readonly AccessLevel[] = ["NONE", "READ", "APPEND", "FULL"];

export interface AclEntry {
  /** `name@host`, each side exact or `*` alone. */
  readonly user: string;
  /** Pairs that the labels must contain, `type` among them; `OWN_USER` and `OWN_HOST` stand for the caller's. */
  readonly target: Labels;
  readonly access: AccessLevel;
}

/** The pseudo-type that stands for all contents. */
export const CONTENT_LABELS: Labels = { type: "content" };

const KEYS_OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  acl: [],
  content: [],
  policy: ["hostname", "path", "policyType", "username"],
  snapshot: ["hostname", "path", "username"],
  user: ["username"],
};
const POLICY_TYPES: readonly string[] = ["global", "host", "user", "path"];

/** What `server acl enable` begins with, in Kopia's order. */
export const DEFAULT_ENTRIES: readonly AclEntry[] = [
  { user: "*@*", target: CONTENT_LABELS, access: "APPEND" },
  { user: "*@*", target: { type: "policy", policyType: "global" }, access: "READ" },
  {
    user: "*@*",
    target: { type: "policy", policyType: "host", hostname: "OWN_HOST" },
    access: "READ",
  },
  {
    user: "*@*",
    target: { type: "policy", username: "OWN_USER", hostname: "OWN_HOST" },
    access: "FULL",
  },
  {
    user: "*@*",
    target: { type: "snapshot", username: "OWN_USER", hostname: "OWN_HOST" },
    access: "FULL",
  },
  { user: "*@*", target: { type: "user", username: "OWN_USER@OWN_HOST" }, access: "FULL" },
];

const STORED = z.object({
  user: z.string(),
  target: z.record(z.string(), z.string()),
  access: z.string().optional(),
});

/** Any other level than the four reads as NONE. `undefined` for what is no entry; it grants nothing. */
export function decodeAclEntry(data: unknown): AclEntry | undefined {
  const { data: stored } = STORED.safeParse(data);
  if (stored === undefined) return undefined;
  const { user, target } = stored;
  const access = ACCESS_LEVELS.find((level) => level === stored.access) ?? "NONE";
  const entry = { user, target: sorted(target), access };
  return problemOfEntry(entry) === undefined ? entry : undefined;
}

export function encodeAclEntry({ user, target, access }: AclEntry): object {
  return { user, target: sorted(target), access };
}

/** `type=T,key=value,…`. @throws SEJF_INVALID_ARGUMENT. */
export function parseAclTarget(text: string): Labels {
  const target: Record<string, string> = {};
  for (const pair of text.split(",")) {
    const at = pair.indexOf("=");
    if (at <= 0)
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `invalid target labels ${JSON.stringify(pair)}, must be key=value`,
      );
    target[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return target;
}

/** The type first, then the rest by key. */
export function formatAclTarget(target: Labels): string {
  const rest = Object.entries(sorted(target)).filter(([key]) => key !== "type");
  return [["type", target["type"] ?? ""], ...rest]
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** @throws SEJF_INVALID_ARGUMENT for an entry that could never be meant. */
export function assertAclEntry(entry: AclEntry): void {
  const problem = problemOfEntry(entry);
  if (problem !== undefined) throw new SejfError("SEJF_INVALID_ARGUMENT", problem);
}

function problemOfEntry({ user, target }: AclEntry): string | undefined {
  const sides = user.split("@");
  if (sides.length !== 2 || sides.includes(""))
    return `user is ${JSON.stringify(user)}, must be 'username@hostname' possibly including wildcards`;
  const { type = "" } = target;
  const keys = Object.hasOwn(KEYS_OF_TYPE, type) ? KEYS_OF_TYPE[type] : undefined;
  if (keys === undefined)
    return `target has type ${JSON.stringify(type)}, must be one of: ${Object.keys(KEYS_OF_TYPE).join(", ")}`;
  for (const [key, value] of Object.entries(target)) {
    if (key === "type") continue;
    if (!keys.includes(key))
      return `unsupported label ${JSON.stringify(key)} for type ${JSON.stringify(type)}, must be one of: ${keys.join(", ")}`;
    if (value === "") return `label ${JSON.stringify(key)} of the target must be non-empty`;
    if (key === "policyType" && !POLICY_TYPES.includes(value))
      return `policyType is ${JSON.stringify(value)}, must be one of: ${POLICY_TYPES.join(", ")}`;
  }
  return undefined;
}

export function isForAccount(user: string, { username, hostname }: Account): boolean {
  const [name, host, ...more] = user.split("@");
  const fits = (rule: string | undefined, actual: string): boolean =>
    rule === "*" || rule === actual;
  return more.length === 0 && fits(name, username) && fits(host, hostname);
}

/** The labels contain every pair of the target. */
export function isOnTarget(target: Labels, labels: Labels, account: Account): boolean {
  return Object.entries(target).every(([key, value]) => {
    const own = value
      .replaceAll("OWN_USER", account.username)
      .replaceAll("OWN_HOST", account.hostname);
    return Object.hasOwn(labels, key) && labels[key] === own;
  });
}

export function levelRank(level: AccessLevel): number {
  return ACCESS_LEVELS.indexOf(level);
}

export function lowerLevel(a: AccessLevel, b: AccessLevel): AccessLevel {
  return levelRank(a) < levelRank(b) ? a : b;
}

function sorted(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
