/**
 * What an account may do. Without entries the rules that a Kopia server begins with, without their hole: only the exact
 * label sets of snapshots and policies belong to an account. With entries, the highest that matches.
 * SECURITY: append-only accounts never get more than APPEND; nobody writes entries or other accounts through the server.
 * Spec: kopia-server 8.1, 8.2, 12.2, 12.4.
 */
import type { CallOptions, Clock } from "../../bytes/index.ts";
import type { Labels, ManifestStore } from "../../manifest/index.ts";
import { ShortLived } from "../short-lived.ts";
import type { AccessLevel, AccessRights, AccessRules, Account } from "../types.ts";
import { listAclEntries, type StoredAclEntry } from "./acl-entries.ts";
import {
  type AclEntry,
  CONTENT_LABELS,
  isForAccount,
  isOnTarget,
  levelRank,
  lowerLevel,
} from "./acl-entry.ts";
import { kindOfLabels, type ManifestKind } from "./label-sets.ts";

export interface AccessRulesOptions {
  readonly manifests: ManifestStore;
  readonly clock: Clock;
  /** How long entries count after they were read. Default and at most 10 s. */
  readonly refreshMs?: number | undefined;
}

const MAX_REFRESH_MS = 10_000;

export function openAccessRules(options: AccessRulesOptions): AccessRules {
  return new ManifestAccessRules(options);
}

class ManifestAccessRules implements AccessRules {
  readonly #entries: ShortLived<readonly StoredAclEntry[]>;

  constructor({ clock, manifests, refreshMs = MAX_REFRESH_MS }: AccessRulesOptions) {
    this.#entries = new ShortLived({
      clock,
      lifeMs: Math.min(MAX_REFRESH_MS, refreshMs),
      read: async () => await listAclEntries(manifests),
    });
  }

  async rightsOf(account: Account, options: CallOptions = {}): Promise<AccessRights> {
    const entries = await this.#entries.get(options);
    const counting = entries.filter(({ counts }) => counts);
    // An entry that cannot be read grants nothing, and is an entry all the same: the rules without ACL do not come back.
    if (counting.length === 0) return capped(account, rightsWithoutAcl(account));
    const own = counting.flatMap(({ entry }) =>
      entry !== undefined && isForAccount(entry.user, account) ? [entry] : [],
    );
    return capped(account, rightsByEntries(account, own));
  }

  refresh(): void {
    this.#entries.forget();
  }
}

function rightsWithoutAcl(account: Account): AccessRights {
  return {
    content: "FULL",
    manifest(labels) {
      switch (kindOfLabels(labels)) {
        case "policy:global":
          return "READ";
        case "policy:host":
          return labels["hostname"] === account.hostname ? "READ" : "NONE";
        case "snapshot":
        case "policy:user":
        case "policy:path":
          return isOwn(labels, account) ? "FULL" : "NONE";
        case "user":
        case "acl":
        case undefined:
          return "NONE";
      }
    },
  };
}

function rightsByEntries(account: Account, entries: readonly AclEntry[]): AccessRights {
  return {
    content: highest(account, entries, CONTENT_LABELS),
    manifest(labels) {
      const kind = kindOfLabels(labels);
      if (kind === undefined) return "NONE";
      return lowerLevel(highest(account, entries, labels), most(kind, labels, account));
    },
  };
}

/** What no entry can grant more of: the list itself and other accounts are the operator's. */
function most(kind: ManifestKind, labels: Labels, account: Account): AccessLevel {
  const foreign = kind === "acl" || (kind === "user" && labels["username"] !== account.name);
  return foreign ? "READ" : "FULL";
}

function highest(account: Account, entries: readonly AclEntry[], labels: Labels): AccessLevel {
  let level: AccessLevel = "NONE";
  for (const { target, access } of entries) {
    if (levelRank(access) > levelRank(level) && isOnTarget(target, labels, account)) level = access;
  }
  return level;
}

function isOwn(labels: Labels, { username, hostname }: Account): boolean {
  return labels["username"] === username && labels["hostname"] === hostname;
}

function capped({ appendOnly }: Account, rights: AccessRights): AccessRights {
  if (!appendOnly) return rights;
  return {
    content: lowerLevel(rights.content, "APPEND"),
    manifest: (labels) => lowerLevel(rights.manifest(labels), "APPEND"),
  };
}
