/** `policy delete`: the target goes by the policies above it again. */
import { formatPolicyTarget, removePolicy } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";
import { policyTargets, TARGET_ARGUMENTS, TARGET_FLAGS } from "../shared/policy-targets.ts";

export const command: Command = defineCommand({
  summary: "Remove policy",
  flags: { ...TARGET_FLAGS, dryRun: flag("Do not remove", { short: "n" }) },
  arguments: TARGET_ARGUMENTS,
  async run(context, flags, args) {
    const { signal, log } = context;
    await using repository = await context.openRepository();
    for (const target of await policyTargets(repository, flags.global, args, { signal })) {
      const name = formatPolicyTarget(target);
      log.info(`Removing policy on ${JSON.stringify(name)}...`);
      if (flags.dryRun) continue;
      const found = await removePolicy(repository.manifests, target, { signal });
      if (!found) log.warn(`There is no policy on ${JSON.stringify(name)}.`);
    }
    if (!flags.dryRun) await repository.flush({ signal });
    return 0;
  },
});
