/** Policies from and to JSON, and the built-in defaults. Spec: kopia-snapshots 5.2, 5.5. */
import { asObject, type JsonObject } from "./json-fields.ts";
import type { Policy } from "./policy.ts";
import { checkField, checkMembers, orderedMembers, POLICY_GROUPS } from "./policy-fields.ts";

const NO_PARENT = "noParent";
const NO_PARENT_FIELD = { kind: "flag", merge: "first" } as const;
/** Members of the policy that only hold groups. */
const NESTS: ReadonlySet<string> = new Set(
  [...POLICY_GROUPS.keys()]
    .filter((path) => path.includes("."))
    .map((path) => path.split(".")[0] as string),
);

/** Every known member checked, unknown ones kept, all groups there. `what` names it in errors. @throws SEJF_CORRUPT. */
export function decodePolicy(json: unknown, what: string): Policy {
  const source = asObject(json, what);
  const policy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(source)) {
    if (NESTS.has(key)) policy[key] = { ...asObject(value ?? {}, `${what}.${key}`) };
    else if (!POLICY_GROUPS.has(key))
      policy[key] =
        key === NO_PARENT ? checkField(NO_PARENT_FIELD, value, `${what}.${key}`) : value;
  }
  for (const [path, group] of POLICY_GROUPS) {
    setGroup(
      policy,
      path,
      checkMembers(
        group,
        asObject(groupOf(source, path) ?? {}, `${what}.${path}`),
        `${what}.${path}`,
      ),
    );
  }
  return policy as unknown as Policy;
}

/** As Kopia writes it: keys in its order, all groups, empty leaves left out, unknown members behind the known ones. */
export function encodePolicy(policy: Policy): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const [path, group] of POLICY_GROUPS)
    setGroup(json, path, orderedMembers(group, groupOf(policy, path) ?? {}));
  for (const [key, value] of Object.entries(policy)) {
    if (NESTS.has(key))
      json[key] = { ...(json[key] as JsonObject), ...unknownOf(key, value as JsonObject) };
    else if (!POLICY_GROUPS.has(key) && key !== NO_PARENT && value !== undefined) json[key] = value;
  }
  return policy.noParent === true ? { ...json, noParent: true } : json;
}

/** Members of a nest that are no group. */
function unknownOf(nest: string, values: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(values).filter(
      ([key, value]) => value !== undefined && !POLICY_GROUPS.has(`${nest}.${key}`),
    ),
  );
}

/** The group at `path`, one or two levels deep. */
export function groupOf(policy: JsonObject | Policy, path: string): JsonObject | undefined {
  const [outer, inner] = path.split(".") as [string, string | undefined];
  const value = policy[outer] as JsonObject | null | undefined;
  return (
    (inner === undefined ? value : (value?.[inner] as JsonObject | null | undefined)) ?? undefined
  );
}

export function setGroup(policy: Record<string, unknown>, path: string, value: JsonObject): void {
  const [outer, inner] = path.split(".") as [string, string | undefined];
  policy[outer] =
    inner === undefined ? value : { ...(policy[outer] as JsonObject | undefined), [inner]: value };
}

/** Nothing is set. */
export const EMPTY_POLICY: Policy = decodePolicy({}, "policy");

/** What counts where no level says otherwise. */
export const DEFAULT_POLICY: Policy = decodePolicy(
  {
    retention: {
      keepLatest: 10,
      keepHourly: 48,
      keepDaily: 7,
      keepWeekly: 4,
      keepMonthly: 24,
      keepAnnual: 3,
      ignoreIdenticalSnapshots: false,
    },
    files: { ignoreDotFiles: [".kopiaignore"] },
    errorHandling: {
      ignoreFileErrors: false,
      ignoreDirectoryErrors: false,
      ignoreUnknownTypes: true,
    },
    scheduling: { runMissed: true },
    compression: { compressorName: "none" },
    metadataCompression: { compressorName: "zstd-fastest" },
    osSnapshots: { volumeShadowCopy: { enable: 0 } },
    logging: {
      directories: { snapshotted: 5, ignored: 5 },
      entries: { snapshotted: 0, ignored: 5, cacheHit: 0, cacheMiss: 0 },
    },
    upload: { maxParallelSnapshots: 1, parallelUploadAboveSize: 2_147_483_648 },
  },
  "default policy",
);
