/** `server acl delete`. Reference: kopia cli/command_acl_delete.go. */
import type { ManifestId } from "../../manifest/index.ts";
import { deleteAclEntry, listAclEntries } from "../../server/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";

export const command: Command = defineCommand({
  summary: "Delete ACL entry",
  description:
    "Only shows what would be deleted, unless --delete is given. When the last entry goes, the rules without ACL count again: every account has full access to its own snapshots and policies.",
  flags: {
    all: flag("Remove all ACL entries"),
    delete: flag("Really delete"),
  },
  arguments: [{ name: "id", help: "Entry ID", variadic: true }],
  async run(context, flags, args) {
    const { signal, log } = context;
    await using repository = await context.openDirectRepository();
    const { manifests } = repository;
    const entries = await listAclEntries(manifests, { signal });
    const ids = flags.all ? entries.map(({ id }) => id) : (args as readonly ManifestId[]);
    for (const id of ids) {
      if (flags.delete) await deleteAclEntry(manifests, id, { signal });
      else if (entries.some((entry) => entry.id === id))
        log.info(`would delete entry ${id}, pass --delete to actually delete`);
      else log.warn(`there is no entry ${id}`);
    }
    if (flags.delete) await repository.flush({ signal });
    return 0;
  },
});
