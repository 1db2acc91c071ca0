/** `policy list`: what is stored, by target. Reference: kopia cli/command_policy_ls.go. */
import { encodePolicy, formatPolicyTarget, listPolicies } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";

export const command: Command = defineCommand({
  summary: "List policies",
  flags: JSON_FLAGS,
  async run(context, flags) {
    await using repository = await context.openRepository();
    const policies = await listPolicies(repository.manifests, { signal: context.signal });
    if (!flags.json) {
      for (const { id, target } of policies)
        context.out.line(`${id} ${formatPolicyTarget(target)}`);
      return 0;
    }
    const list = new JsonList(context.out, flags);
    for (const { id, target, policy } of policies) {
      const { hostname: host, username: userName, path } = target;
      list.add({ id, target: { host, userName, path }, ...encodePolicy(policy) });
    }
    list.end();
    return 0;
  },
});
