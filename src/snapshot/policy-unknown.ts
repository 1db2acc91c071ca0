/** Members of a policy's JSON that this program does not know: a misspelt setting, or one of a newer program. */
import type { JsonObject } from "./json-fields.ts";
import { ACTION_MEMBERS, POLICY_GROUPS } from "./policy-fields.ts";

type Members = ReadonlyMap<string, Members>;
const LEAF: Members = new Map();

/** Everything a policy may hold, as a tree of names. */
const KNOWN: Members = knownMembers();

/** Their paths: `files.ingore`, `actions.beforeFolder.tmieout`. The JSON was decoded before, its types are right. */
export function unknownPolicyMembers(json: JsonObject): readonly string[] {
  return unknownIn(json, KNOWN, "");
}

function unknownIn(value: unknown, members: Members, at: string): readonly string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    const known = members.get(key);
    if (known === undefined) return [at + key];
    return known === LEAF ? [] : unknownIn(member, known, `${at}${key}.`);
  });
}

function knownMembers(): Members {
  const root = new Map<string, Members>([["noParent", LEAF]]);
  const action = new Map(ACTION_MEMBERS.map((name) => [name, LEAF]));
  for (const [path, group] of POLICY_GROUPS) {
    const fields = new Map(
      Object.entries(group).map(([key, { kind }]) => [key, kind === "action" ? action : LEAF]),
    );
    const [outer, inner] = path.split(".") as [string, string | undefined];
    if (inner === undefined) root.set(outer, fields);
    else root.set(outer, new Map([...(root.get(outer) ?? LEAF), [inner, fields]]));
  }
  return root;
}
