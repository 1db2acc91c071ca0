/** `policy show`: the policy in force for a target, and where each value comes from. */
import {
  encodePolicy,
  formatPolicyTarget,
  mergePolicies,
  policyLevels,
  policyOrigins,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { policyTable } from "../shared/policy-table.ts";
import { policyTargets, TARGET_ARGUMENTS, TARGET_FLAGS } from "../shared/policy-targets.ts";

export const command: Command = defineCommand({
  summary: "Show snapshot policy",
  flags: { ...TARGET_FLAGS, ...JSON_FLAGS },
  arguments: TARGET_ARGUMENTS,
  async run(context, flags, args) {
    const { signal, out } = context;
    await using repository = await context.openRepository();
    for (const target of await policyTargets(repository, flags.global, args, { signal })) {
      const levels = await policyLevels(repository.manifests, target, { signal });
      const policy = mergePolicies(levels.map((level) => level.policy));
      if (flags.json) out.line(jsonText(encodePolicy(policy), flags));
      else
        out.line(
          `Policy for ${formatPolicyTarget(target)}:\n\n${policyTable(policy, target, policyOrigins(levels))}`,
        );
    }
    return 0;
  },
});
