/** The entries in the repository: listed, added, deleted, reset. Spec: kopia-server 8.2. */
import type { CallOptions } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { Labels, ManifestId, ManifestStore } from "../../manifest/index.ts";
import {
  type AclEntry,
  assertAclEntry,
  decodeAclEntry,
  DEFAULT_ENTRIES,
  encodeAclEntry,
  formatAclTarget,
  levelRank,
} from "./acl-entry.ts";
import { kindOfLabels } from "./label-sets.ts";

const LABELS: Labels = { type: "acl" };

/** One manifest of the type `acl`. */
export interface StoredAclEntry {
  readonly id: ManifestId;
  /** `undefined`: what is stored is no entry; it grants nothing, here and in most cases in Kopia. */
  readonly entry: AclEntry | undefined;
  /**
   * SECURITY: false for labels that no operator's program writes. A client can plant such an entry through a kopia
   * server without ACL, and a kopia server obeys it; here it counts for nothing. Spec: kopia-server 12.2.
   */
  readonly counts: boolean;
}

/** Oldest first, planted ones included. */
export async function listAclEntries(
  manifests: ManifestStore,
  options: CallOptions = {},
): Promise<readonly StoredAclEntry[]> {
  const entries: StoredAclEntry[] = [];
  for (const { id, labels } of await manifests.find(LABELS, options)) {
    try {
      const { data } = await manifests.get(id, options);
      entries.push({ id, entry: decodeAclEntry(data), counts: kindOfLabels(labels) === "acl" });
    } catch (error) {
      if (!isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) throw error; // gone meanwhile
    }
  }
  return entries;
}

/**
 * Replaces an entry of the same user and target when the new level is no lower, or with `overwrite`. Pending until the
 * repository is flushed. @throws SEJF_INVALID_ARGUMENT; SEJF_ALREADY_EXISTS.
 */
export async function addAclEntry(
  manifests: ManifestStore,
  entry: AclEntry,
  options: CallOptions & { readonly overwrite?: boolean | undefined } = {},
): Promise<ManifestId> {
  assertAclEntry(entry);
  const same = (await listAclEntries(manifests, options)).filter(
    (stored) => stored.entry !== undefined && isSameRule(stored.entry, entry),
  );
  for (const { entry: old } of same) {
    if (options.overwrite !== true && levelRank(entry.access) < levelRank(old?.access ?? "NONE"))
      throw new SejfError(
        "SEJF_ALREADY_EXISTS",
        `${entry.user} already has ${old?.access} on ${formatAclTarget(entry.target)}, which is more than ${entry.access}`,
        { hint: "--overwrite lowers it" },
      );
  }
  const id = await manifests.put(LABELS, encodeAclEntry(entry), options);
  for (const old of same) await manifests.delete(old.id, options);
  return id;
}

/** Pending until the repository is flushed. @throws SEJF_MANIFEST_NOT_FOUND for an ID that is no entry's. */
export async function deleteAclEntry(
  manifests: ManifestStore,
  id: ManifestId,
  options: CallOptions = {},
): Promise<void> {
  const found = await manifests.find(LABELS, options);
  if (!found.some((item) => item.id === id))
    throw new SejfError("SEJF_MANIFEST_NOT_FOUND", `there is no ACL entry ${id}`, {
      hint: "`server acl list` shows the entries and their IDs",
    });
  await manifests.delete(id, options);
}

/**
 * Begins with the default entries. With `reset` all others are deleted, planted ones too. Gives the IDs of the deleted
 * ones. Pending until the repository is flushed. @throws SEJF_ALREADY_EXISTS when there are entries.
 */
export async function enableAcl(
  manifests: ManifestStore,
  options: CallOptions & { readonly reset?: boolean | undefined } = {},
): Promise<readonly ManifestId[]> {
  const old = await listAclEntries(manifests, options);
  if (old.length > 0 && options.reset !== true)
    throw new SejfError("SEJF_ALREADY_EXISTS", "ACLs already enabled", {
      hint: "--reset deletes all entries and begins anew with the defaults",
    });
  for (const entry of DEFAULT_ENTRIES) await manifests.put(LABELS, encodeAclEntry(entry), options);
  for (const { id } of old) await manifests.delete(id, options);
  return old.map(({ id }) => id);
}

function isSameRule(a: AclEntry, b: AclEntry): boolean {
  return a.user === b.user && formatAclTarget(a.target) === formatAclTarget(b.target);
}
