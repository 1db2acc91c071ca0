/**
 * The closed list of what clients may write: snapshots, policies, and their own password. Never entries of the access
 * control list, maintenance, notifications, nor anything of ours. Spec: kopia-server 12, rule (a).
 */
import { bytesToUtf8, type CallOptions, type Clock } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { ManifestStore } from "../../manifest/index.ts";
import type { CheckedManifest, ManifestRules, NewManifest } from "../sessions/index.ts";
import { levelRank } from "./acl-entry.ts";
import { exactPolicyLabels, kindOfLabels } from "./label-sets.ts";
import { assertPolicy } from "./policy-rules.ts";
import { assertSide } from "./sealed-rules.ts";
import { assertSnapshot } from "./snapshot-rules.ts";
import { checkedProfile } from "./user-rules.ts";

export interface ManifestRulesOptions {
  /** What is there already; a request may bring its session's view. */
  readonly manifests: Pick<ManifestStore, "find" | "get">;
  readonly clock: Clock;
  /** Most snapshots of an account that may only add; 0: any number. Default 100,000. */
  readonly maxAppendOnlySnapshots?: number | undefined;
}

const DEFAULT_MAX_SNAPSHOTS = 100_000;
/** All manifests are held in memory, by everybody. */
const MAX_JSON_BYTES = 1 << 20;

export function createManifestRules(rules: ManifestRulesOptions): ManifestRules {
  return {
    exactPolicyLabels,
    checkNew: async (manifest, options = {}) =>
      await check(
        manifest,
        { ...rules, manifests: manifest.manifests ?? rules.manifests },
        options,
      ),
  };
}

async function check(
  { account, rights, labels, json: bytes }: NewManifest,
  { manifests, clock, maxAppendOnlySnapshots = DEFAULT_MAX_SNAPSHOTS }: ManifestRulesOptions,
  options: CallOptions,
): Promise<CheckedManifest> {
  const kind = kindOfLabels(labels);
  if (kind === undefined) throw refusedLabels(labels["type"] ?? "");
  if (kind === "acl" || levelRank(rights.manifest(labels)) < levelRank("APPEND"))
    throw new SejfError("SEJF_ACCESS_DENIED", "access denied");
  const json = parseJson(bytes);
  assertSide(account, kind, labels, json);
  const given = { account, rights, labels, json, manifests, clock };
  if (kind === "user") return { labels, data: checkedProfile(given) };
  try {
    if (kind === "snapshot")
      await assertSnapshot({ ...given, maxSnapshots: maxAppendOnlySnapshots }, options);
    else await assertPolicy(given, options);
  } catch (error) {
    // To a client, its own malformed data is a wrong argument; damage of the repository is told apart from it.
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw new SejfError("SEJF_INVALID_ARGUMENT", error.message, { cause: error });
  }
  return { labels, data: json };
}

function parseJson(bytes: Uint8Array): object {
  if (bytes.length > MAX_JSON_BYTES)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `the manifest is ${bytes.length} bytes, at most ${MAX_JSON_BYTES} are allowed`,
    );
  try {
    const json = JSON.parse(bytesToUtf8(bytes)) as unknown;
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isSejfError(error, "SEJF_CORRUPT")) throw error;
  }
  throw new SejfError("SEJF_INVALID_ARGUMENT", "the manifest is no JSON object");
}

function refusedLabels(type: string): SejfError {
  if (type === "") return new SejfError("SEJF_INVALID_ARGUMENT", "'type' label is required");
  return new SejfError(
    "SEJF_ACCESS_DENIED",
    `access denied: clients do not write manifests of type ${JSON.stringify(type.slice(0, 64))} with such labels`,
  );
}
