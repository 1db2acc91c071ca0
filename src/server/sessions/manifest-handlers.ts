/**
 * Requests about manifests. What one may not see is not found, whether or not it is there; a policy is found only when
 * its labels are exactly those of a policy, so that nobody's extra labels make it count for somebody else.
 * Spec: kopia-server 4, 8, 12.
 */
import { bytesToUtf8, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type {
  Labels,
  Manifest,
  ManifestId,
  ManifestMetadata as StoredMetadata,
} from "../../manifest/index.ts";
import type { ManifestEntryMetadata, RequestContext, SessionHandlers } from "../../rpc/index.ts";
import { accessDenied, type AccountSession } from "./account-session.ts";
import type { SessionParts } from "./session-parts.ts";
import type { CheckedManifest } from "./types.ts";

const MAX_JSON_BYTES = 4 << 20;
/** Types of which clients may delete something. */
const DELETABLE: ReadonlySet<string> = new Set(["snapshot", "policy", "user"]);
/** Those that somebody might like to write. */
const KNOWN_TYPES: ReadonlySet<string> = new Set([
  ...DELETABLE,
  "acl",
  "maintenance",
  "notificationProfile",
  "notificationTemplate",
]);
const MAX_TARGET = 500;

type ManifestRequests =
  | "getManifest"
  | "putManifest"
  | "findManifests"
  | "deleteManifest"
  | "applyRetentionPolicy";

export function manifestHandlers(
  session: AccountSession,
  parts: SessionParts,
): Pick<SessionHandlers, ManifestRequests> {
  const { manifestRules, retention } = parts.options;
  const { manifests } = session;
  return {
    getManifest: async ({ manifestId }, context) => {
      const manifest = await mustSee(session, parts, manifestId, context);
      return { jsonData: utf8ToBytes(manifest.text), metadata: metadataOf(manifest) };
    },
    findManifests: async ({ labels }, { signal }) => {
      await parts.freshness.ensure();
      const found = await manifests.find(labels, { signal });
      const seen = found.filter((item) => isVisible(session, parts, item.labels));
      return { metadata: seen.map(metadataOf) };
    },
    putManifest: async ({ jsonData, labels }, { signal }) => {
      session.assertWritable();
      if (jsonData.byteLength > MAX_JSON_BYTES)
        throw new SejfError(
          "SEJF_INVALID_ARGUMENT",
          `a manifest of ${jsonData.byteLength} bytes, at most ${MAX_JSON_BYTES} are taken`,
        );
      if ((labels["type"] ?? "") === "")
        throw new SejfError("SEJF_INVALID_ARGUMENT", "'type' label is required");
      const { principal: account, rights } = session;
      let checked: CheckedManifest;
      try {
        if (!session.allows(labels, "APPEND")) throw accessDenied();
        const json = checkedJson(jsonData);
        const manifest = { account, rights, labels, json, manifests };
        checked = await manifestRules.checkNew(manifest, { signal });
      } catch (error) {
        auditRefused(session, labels, error);
        throw error;
      }
      const id = await manifests.put(checked.labels, checked.data);
      const action = `${checked.labels["type"]}.create`;
      session.audit({ action, result: "ok", target: targetOf(session, id, checked.labels) });
      return { manifestId: id };
    },
    deleteManifest: async ({ manifestId }, context) => {
      session.assertWritable();
      const { id, labels } = await mustSee(session, parts, manifestId, context);
      const type = labels["type"] ?? "";
      const isForeign = type === "user" && labels["username"] !== session.account;
      if (!DELETABLE.has(type) || isForeign || !session.allows(labels, "FULL")) {
        session.audit({ action: `${type}.delete`, result: "denied", target: id });
        throw accessDenied();
      }
      assertNoProofNeeded(session, type, id);
      await manifests.delete(id);
      const target = targetOf(session, id, labels);
      session.audit({ action: `${type}.delete`, result: "ok", target });
      return {};
    },
    applyRetentionPolicy: async ({ sourcePath, reallyDelete }, { signal }) => {
      if (reallyDelete) session.assertWritable();
      const { principal: account } = session;
      const { username, hostname } = account;
      const labels = { type: "snapshot", username, hostname, path: sourcePath };
      if (!session.allows(labels, "APPEND")) throw accessDenied();
      await parts.freshness.ensure();
      const options = { reallyDelete, manifests, signal };
      const expired = await retention.apply(account, sourcePath, options);
      return { manifestIds: expired };
    },
  };
}

/**
 * SECURITY: the account's password is not enough to take something away from a sealed account, and a session has no place
 * for a proof of the other one. Spec: sealed 9.
 */
function assertNoProofNeeded(session: AccountSession, type: string, target: ManifestId): void {
  if (session.principal.encryption !== "client") return;
  session.audit({ action: `${type}.delete`, result: "denied", target, detail: "without a proof" });
  throw new SejfError(
    "SEJF_ACCESS_DENIED",
    "access denied: what a sealed account stored is deleted with its delete password, through the account service",
  );
}

/** What somebody tried to write and may not. SECURITY: the action is one of few, the labels are the client's. */
function auditRefused(session: AccountSession, labels: Labels, error: unknown): void {
  if (!isSejfError(error, "SEJF_ACCESS_DENIED")) return;
  const type = labels["type"] ?? "";
  const action = `${KNOWN_TYPES.has(type) ? type : "manifest"}.create`;
  const { path, username, hostname } = labels;
  const isNamed = session.principal.encryption === "server" && path !== undefined;
  const target = isNamed ? `${username}@${hostname}:${path}`.slice(0, MAX_TARGET) : undefined;
  session.audit({ action, result: "denied", target, detail: error.message.slice(0, MAX_TARGET) });
}

function isVisible(session: AccountSession, parts: SessionParts, labels: Labels): boolean {
  if (labels["type"] === "policy" && !parts.options.manifestRules.exactPolicyLabels(labels))
    return false;
  return session.allows(labels, "READ");
}

/** @throws SEJF_MANIFEST_NOT_FOUND also for what may not be seen. */
async function mustSee(
  session: AccountSession,
  parts: SessionParts,
  text: string,
  { signal }: RequestContext,
): Promise<Manifest> {
  const manifest = await findOne(session, text as ManifestId, signal);
  const found =
    manifest === undefined && isManifestId(text) && (await parts.freshness.ensure())
      ? await findOne(session, text, signal)
      : manifest;
  if (found === undefined || !isVisible(session, parts, found.labels))
    throw new SejfError("SEJF_MANIFEST_NOT_FOUND", `manifest ${text.slice(0, 200)}: not found`);
  return found;
}

async function findOne(
  session: AccountSession,
  id: ManifestId,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  try {
    return await session.manifests.get(id, { signal });
  } catch (error) {
    if (isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) return undefined;
    throw error;
  }
}

function isManifestId(text: string): text is ManifestId {
  return /^[0-9a-f]{32}$/.test(text);
}

function metadataOf(item: StoredMetadata): ManifestEntryMetadata {
  const { id, modified, lengthBytes, labels } = item;
  return { id, modTimeNanos: modified, length: lengthBytes, labels };
}

/** A copy, for the message's memory is used again. @throws SEJF_INVALID_ARGUMENT for what is not UTF-8. */
function checkedJson(bytes: Uint8Array): Uint8Array {
  try {
    return utf8ToBytes(bytesToUtf8(bytes));
  } catch {
    throw new SejfError("SEJF_INVALID_ARGUMENT", "a manifest is not UTF-8");
  }
}

/** What the audit log names it by. SECURITY: of sealed accounts no path. */
function targetOf(session: AccountSession, id: ManifestId, labels: Labels): string {
  const { path, username, hostname } = labels;
  if (session.principal.encryption === "client" || path === undefined) return id;
  return `${id} ${username}@${hostname}:${path}`;
}
