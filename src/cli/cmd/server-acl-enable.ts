/** `server acl enable`: the entries to begin with. Reference: kopia cli/command_acl_enable.go. */
import { enableAcl } from "../../server/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";

export const command: Command = defineCommand({
  summary: "Enable ACLs and install default entries",
  flags: { reset: flag("Reset all ACLs to default") },
  async run(context, { reset }) {
    const { signal } = context;
    await using repository = await context.openDirectRepository();
    for (const id of await enableAcl(repository.manifests, { signal, reset }))
      context.log.info(`deleting previous ACL entry ${id}`);
    await repository.flush({ signal });
    return 0;
  },
});
