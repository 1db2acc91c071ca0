/**
 * What lies below `/sealed` belongs to sealed accounts, and is all that they write. SECURITY: a client that by mistake, or
 * because it was told so, sends its names in the clear is refused here, before anything of it is stored. Spec: sealed 5.
 */
import { SejfError } from "../../errors/index.ts";
import type { Labels } from "../../manifest/index.ts";
import type { Account } from "../types.ts";
import type { ManifestKind } from "./label-sets.ts";

const ROOT = "/sealed";
const SOURCE = /^\/sealed\/[a-z2-7]{20}$/;
/** What a policy may say that the server acts on. */
const SERVER_PARTS: ReadonlySet<string> = new Set(["retention", "scheduling", "noParent"]);
const MEMBERS: readonly string[] = [
  "id",
  "source",
  "description",
  "startTime",
  "endTime",
  "incomplete",
  "rootEntry",
  "pins",
];
const ROOT_MEMBERS: readonly string[] = ["name", "type", "mode", "mtime", "obj", "summ"];

/** @throws SEJF_ACCESS_DENIED, SEJF_INVALID_ARGUMENT. */
export function assertSide(
  account: Account,
  kind: ManifestKind,
  labels: Labels,
  json: object,
): void {
  const { path } = labels;
  if (account.encryption === "server") {
    if (path === ROOT || path?.startsWith(`${ROOT}/`) === true)
      throw denied(`what is below ${ROOT} belongs to sealed accounts, and ${account.name} is none`);
  } else if (kind === "snapshot") assertSealedSnapshot(labels, json);
  else assertSealedPolicy(account, kind, labels, json);
}

function assertSealedSnapshot(labels: Labels, json: object): void {
  const { path = "" } = labels;
  if (path === `${ROOT}/keyring` || path === `${ROOT}/policies`)
    throw denied(
      "the keyring and the policies of an account have a place of their own on this server",
    );
  if (!SOURCE.test(path)) throw denied("a sealed account stores sealed snapshots only");
  if (Object.keys(labels).length !== 4) throw denied("a sealed snapshot has no tags");
  onlyHas(json, MEMBERS, "a sealed snapshot");
  const { description, startTime, rootEntry } = json as Readonly<Record<string, unknown>>;
  if (description !== undefined && description !== "")
    throw denied("a sealed snapshot has no description");
  if (typeof rootEntry !== "object" || rootEntry === null)
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the snapshot has no root");
  onlyHas(rootEntry, ROOT_MEMBERS, "the root of a sealed snapshot");
  const { name, type, mode, mtime } = rootEntry as Readonly<Record<string, unknown>>;
  if (name !== "sealed" || type !== "d" || mode !== "0700" || mtime !== startTime)
    throw denied("the root of a sealed snapshot is named sealed, and says nothing else");
}

/** For the whole account, and for its sources by their blinded paths. */
function assertSealedPolicy(
  { username, hostname }: Account,
  kind: ManifestKind,
  labels: Labels,
  json: object,
): void {
  const isOwn = labels["username"] === username && labels["hostname"] === hostname;
  const isSource = kind === "policy:path" && SOURCE.test(labels["path"] ?? "");
  if (!isOwn || (kind !== "policy:user" && !isSource))
    throw denied("a sealed account stores sealed snapshots and its own policies, nothing else");
  for (const name of Object.keys(json))
    if (!SERVER_PARTS.has(name))
      throw denied(
        `the policy of a sealed account does not tell the server of ${JSON.stringify(name.slice(0, 64))}`,
      );
}

function onlyHas(json: object, names: readonly string[], what: string): void {
  for (const name of Object.keys(json))
    if (!names.includes(name)) throw denied(`${what} has no ${JSON.stringify(name.slice(0, 64))}`);
}

function denied(why: string): SejfError {
  return new SejfError("SEJF_ACCESS_DENIED", `access denied: ${why}`);
}
