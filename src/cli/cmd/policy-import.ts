/** `policy import`: what `policy export` writes, or kopia does. Reference: kopia cli/command_policy_import.go. */
import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { errorFromUnknown } from "../../errors/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  checkPolicy,
  formatPolicyTarget,
  listPolicies,
  parsePolicyTarget,
  type PolicyLevel,
  removePolicy,
  setPolicy,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag, text } from "../flags.ts";
import { policiesByTarget, policyFromJson } from "../shared/policy-file.ts";
import { policyTargets, TARGET_ARGUMENTS, TARGET_FLAGS } from "../shared/policy-targets.ts";

export const command: Command = defineCommand({
  summary: "Import policies from a file or from standard input",
  description: "All policies are checked before the first one is stored.",
  flags: {
    fromFile: text("File path to import from", { placeholder: "FILE" }),
    allowUnknownFields: flag("Allow unknown fields in the policy file; they are kept"),
    deleteOtherPolicies: flag("Delete all other policies, keeping only those that got imported"),
    ...TARGET_FLAGS,
  },
  arguments: TARGET_ARGUMENTS,
  async run(context, flags, args) {
    const { signal } = context;
    const json = await read(flags.fromFile);
    await using repository = await context.openRepository();
    const limited = flags.global || args.length > 0;
    const only = limited ? await policyTargets(repository, flags.global, args, { signal }) : [];
    const names = new Set(only.map(formatPolicyTarget));
    const all = decodeAll(json, repository, flags.allowUnknownFields);
    const chosen = all.filter(({ target }) => !limited || names.has(formatPolicyTarget(target)));
    for (const { target, policy } of chosen) {
      await setPolicy(repository.manifests, target, policy, { signal });
      context.log.info(`Imported policy for ${formatPolicyTarget(target)}`);
    }
    if (flags.deleteOtherPolicies) {
      const kept = new Set(chosen.map(({ target }) => formatPolicyTarget(target)));
      for (const { target } of await listPolicies(repository.manifests, { signal })) {
        const name = formatPolicyTarget(target);
        if (kept.has(name)) continue;
        await removePolicy(repository.manifests, target, { signal });
        context.log.info(`Deleted policy for ${name}`);
      }
    }
    await repository.flush({ signal });
    return 0;
  },
});

async function read(path: string | undefined): Promise<string> {
  try {
    return path === undefined || path === ""
      ? await readAll(process.stdin)
      : await readFile(path, "utf8");
  } catch (error) {
    throw errorFromUnknown(error, "reading the policy file");
  }
}

function decodeAll(
  json: string,
  { identity }: Repository,
  allowUnknown: boolean,
): readonly PolicyLevel[] {
  return policiesByTarget(json, "the policy file").map(([name, value]) => {
    const target = parsePolicyTarget(name, identity);
    const policy = policyFromJson(value, `policy of ${name}`, () => allowUnknown);
    checkPolicy(target, policy);
    return { target, policy };
  });
}
