/** Policies in the repository: stored, listed, merged, and the tree of them that an upload goes by. */
import type { CallOptions } from "../bytes/index.ts";
import {
  type Labels,
  type ManifestId,
  type ManifestMetadata,
  type ManifestStore,
  newestOf,
} from "../manifest/index.ts";
import type { ClientIdentity } from "../repository/index.ts";
import type { Policy, PolicyLevel, PolicyTarget, StoredPolicy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import { decodePolicy, EMPTY_POLICY, encodePolicy } from "./policy-json.ts";
import { mergePolicies } from "./policy-merge.ts";
import { parseSource } from "./source.ts";
import type { SnapshotSource } from "./types.ts";

const TYPE = "policy";
export const GLOBAL_TARGET: PolicyTarget = { hostname: "", username: "", path: "" };

/** `(global)`, `@host`, `user@host`, `user@host:/path`, or a path of this client. @throws SEJF_INVALID_ARGUMENT. */
export function parsePolicyTarget(text: string, identity: ClientIdentity): PolicyTarget {
  if (text === "(global)") return GLOBAL_TARGET;
  const match = /^([^@:/\\]*)@([^@:/\\]+)$/.exec(text);
  if (match !== null)
    return { username: match[1] as string, hostname: match[2] as string, path: "" };
  return parseSource(text, identity);
}

export function formatPolicyTarget({ username, hostname, path }: PolicyTarget): string {
  if (hostname === "") return "(global)";
  return path === "" ? `${username}@${hostname}` : `${username}@${hostname}:${path}`;
}

function labelsOf({ username, hostname, path }: PolicyTarget): Labels {
  if (path !== "") return { type: TYPE, policyType: "path", username, hostname, path };
  if (username !== "") return { type: TYPE, policyType: "user", username, hostname };
  return hostname === ""
    ? { type: TYPE, policyType: "global" }
    : { type: TYPE, policyType: "host", hostname };
}

/**
 * SECURITY: a search also finds what has more labels than were asked for. A client that may write its own policies could
 * so put one into everybody's global policy; what counts has just the labels of its target.
 */
async function findExactly(
  manifests: ManifestStore,
  labels: Labels,
  options: CallOptions,
): Promise<readonly ManifestMetadata[]> {
  const count = Object.keys(labels).length;
  const found = await manifests.find(labels, options);
  return found.filter((item) => Object.keys(item.labels).length === count);
}

async function load(
  manifests: ManifestStore,
  { id, labels }: ManifestMetadata,
  options: CallOptions,
): Promise<StoredPolicy> {
  const target = {
    username: labels["username"] ?? "",
    hostname: labels["hostname"] ?? "",
    path: labels["path"] ?? "",
  };
  const { data } = await manifests.get(id, options);
  return { id, target, policy: decodePolicy(data, `policy of ${formatPolicyTarget(target)}`) };
}

/** What is stored for exactly this target; `undefined` when nothing is. @throws SEJF_CORRUPT. */
export async function getPolicy(
  manifests: ManifestStore,
  target: PolicyTarget,
  options: CallOptions = {},
): Promise<StoredPolicy | undefined> {
  const newest = newestOf(await findExactly(manifests, labelsOf(target), options));
  return newest === undefined ? undefined : load(manifests, newest, options);
}

/** The policy stored as this manifest; `undefined` when there is none, or it is something else. @throws SEJF_CORRUPT. */
export async function getPolicyById(
  manifests: ManifestStore,
  id: ManifestId,
  options: CallOptions = {},
): Promise<StoredPolicy | undefined> {
  const all = await manifests.find({ type: TYPE }, options);
  const found = all.find((item) => item.id === id);
  return found === undefined ? undefined : load(manifests, found, options);
}

/** All stored ones, the newest of each target. @throws SEJF_CORRUPT. */
export async function listPolicies(
  manifests: ManifestStore,
  options: CallOptions = {},
): Promise<readonly StoredPolicy[]> {
  const byTarget = new Map<string, StoredPolicy>();
  for (const item of await manifests.find({ type: TYPE }, options)) {
    const stored = await load(manifests, item, options);
    byTarget.set(formatPolicyTarget(stored.target), stored);
  }
  return [...byTarget].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, stored]) => stored);
}

/** A new item; all older ones of the target are deleted. Pending until the repository is flushed. @throws SEJF_INVALID_ARGUMENT for a policy that cannot be. */
export async function setPolicy(
  manifests: ManifestStore,
  target: PolicyTarget,
  policy: Policy,
  options: CallOptions = {},
): Promise<ManifestId> {
  checkPolicy(target, policy);
  const old = await manifests.find(labelsOf(target), options);
  const id = await manifests.put(labelsOf(target), encodePolicy(policy), options);
  for (const item of old) await manifests.delete(item.id, options);
  return id;
}

/** False when there was none. */
export async function removePolicy(
  manifests: ManifestStore,
  target: PolicyTarget,
  options: CallOptions = {},
): Promise<boolean> {
  const found = await manifests.find(labelsOf(target), options);
  for (const item of found) await manifests.delete(item.id, options);
  return found.length > 0;
}

/** Merged over path, its parents, user, host, global and the built-in defaults. @throws SEJF_CORRUPT. */
export async function effectivePolicy(
  manifests: ManifestStore,
  target: PolicyTarget,
  options: CallOptions = {},
): Promise<Policy> {
  const levels = await policyLevels(manifests, target, options);
  return mergePolicies(levels.map(({ policy }) => policy));
}

/**
 * What the policy of a target is merged from, most specific first: its own, which is an empty one where nothing is
 * stored, then its parents', the built-in defaults not among them. @throws SEJF_CORRUPT.
 */
export async function policyLevels(
  manifests: ManifestStore,
  target: PolicyTarget,
  options: CallOptions = {},
): Promise<readonly PolicyLevel[]> {
  const levels: PolicyLevel[] = [];
  for (const [index, level] of levelsOf(target).entries()) {
    const found = await findExactly(manifests, labelsOf(level), options);
    if (index === 0 && found.length === 0) levels.push({ target, policy: EMPTY_POLICY });
    for (const item of found) levels.push(await load(manifests, item, options));
  }
  return levels;
}

/** The targets that a policy is merged from, most specific first. */
function levelsOf({ username, hostname, path }: PolicyTarget): readonly PolicyTarget[] {
  const levels: PolicyTarget[] = [];
  for (let at = path; at !== ""; at = parentPath(at)) levels.push({ username, hostname, path: at });
  if (username !== "") levels.push({ username, hostname, path: "" });
  if (hostname !== "") levels.push({ username: "", hostname, path: "" });
  return [...levels, GLOBAL_TARGET];
}

/** Empty above the root. */
function parentPath(path: string): string {
  if (path === "/" || /^[A-Za-z]:[/\\]?$/.test(path)) return "";
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  if (cut === -1) return "";
  return cut === 0 || /^[A-Za-z]:$/.test(path.slice(0, cut))
    ? path.slice(0, cut + 1)
    : path.slice(0, cut);
}

/**
 * Policies along a tree. A directory with a policy of its own, and everything below it, goes by that one alone, as
 * stored: nothing is merged from above. Spec: kopia-snapshots 5.6.
 */
export class PolicyTree {
  /** In force here. */
  readonly policy: Policy;
  /** The one stored for just this directory; of the root the merged one. */
  readonly own: Policy | undefined;
  readonly #children: ReadonlyMap<string, PolicyTree> | undefined;
  readonly #inherited: PolicyTree;

  constructor(policy: Policy, own: Policy | undefined, children?: ReadonlyMap<string, PolicyTree>) {
    this.policy = policy;
    this.own = own;
    this.#children = children;
    this.#inherited =
      own === undefined && children === undefined ? this : new PolicyTree(policy, undefined);
  }

  child(name: string): PolicyTree {
    return this.#children?.get(name) ?? this.#inherited;
  }
}

/** The tree of a source: its merged policy, and the stored ones of the same user and host below its path. */
export async function policyTree(
  manifests: ManifestStore,
  source: SnapshotSource,
  options: CallOptions = {},
): Promise<PolicyTree> {
  const { username, hostname } = source;
  const below = new Map<string, Policy>();
  for (const item of await manifests.find(
    { type: TYPE, policyType: "path", username, hostname },
    options,
  )) {
    const relative = relativePath(source.path, item.labels["path"] ?? "");
    if (relative !== undefined) below.set(relative, (await load(manifests, item, options)).policy);
  }
  const merged = await effectivePolicy(manifests, source, options);
  return node(merged, merged, below);
}

function relativePath(root: string, path: string): string | undefined {
  const prefix = /[/\\]$/.test(root) ? root : `${root}${root.includes("/") ? "/" : "\\"}`;
  if (!path.startsWith(prefix) || path === prefix) return undefined;
  return root.includes("/")
    ? path.slice(prefix.length)
    : path.slice(prefix.length).replaceAll("\\", "/");
}

function node(
  policy: Policy,
  own: Policy | undefined,
  below: ReadonlyMap<string, Policy>,
): PolicyTree {
  if (below.size === 0) return new PolicyTree(policy, own);
  const grouped = new Map<string, Map<string, Policy>>();
  for (const [path, stored] of below) {
    const [name = "", ...rest] = path.split("/");
    const group = grouped.get(name) ?? new Map<string, Policy>();
    group.set(rest.join("/"), stored);
    grouped.set(name, group);
  }
  const children = new Map<string, PolicyTree>();
  for (const [name, group] of grouped) {
    const ownBelow = group.get("");
    group.delete("");
    children.set(name, node(ownBelow ?? policy, ownBelow, group));
  }
  return new PolicyTree(policy, own, children);
}
