/** The policies that a command is about: `--global`, or a list of targets. Reference: kopia cli/command_policy.go. */
import type { CallOptions } from "../../bytes/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  getPolicyById,
  GLOBAL_TARGET,
  parsePolicyTarget,
  type PolicyTarget,
} from "../../snapshot/index.ts";
import type { Argument } from "../command.ts";
import { type Flag, flag } from "../flags.ts";
import { usageError } from "../usage-error.ts";

const MANIFEST_ID = /^[0-9a-f]{32}$/;

export const TARGET_FLAGS: { readonly global: Flag<boolean> } = {
  global: flag("Select the global policy"),
};

export const TARGET_ARGUMENTS: readonly Argument[] = [
  {
    name: "target",
    help: "A per-host policy @host, a per-user policy user@host, a per-path policy user@host:path, a local path, or the ID of a policy",
    variadic: true,
  },
];

/** In the order given. @throws SEJF_INVALID_ARGUMENT for none, and for `--global` beside others. */
export async function policyTargets(
  repository: Repository,
  global: boolean,
  texts: readonly string[],
  options: CallOptions,
): Promise<readonly PolicyTarget[]> {
  if (global === texts.length > 0)
    throw usageError(
      "must pass either '--global' or a list of path targets",
      "a target is a path, @host, user@host or user@host:/path",
    );
  if (global) return [GLOBAL_TARGET];
  const targets: PolicyTarget[] = [];
  for (const text of texts) targets.push(await parseTarget(repository, text, options));
  return targets;
}

async function parseTarget(
  { manifests, identity }: Repository,
  text: string,
  options: CallOptions,
): Promise<PolicyTarget> {
  const stored = MANIFEST_ID.test(text)
    ? await getPolicyById(manifests, text as ManifestId, options)
    : undefined;
  return stored?.target ?? parsePolicyTarget(text, identity);
}
