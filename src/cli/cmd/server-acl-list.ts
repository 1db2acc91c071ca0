/** `server acl list`. Reference: kopia cli/command_acl_list.go. */
import { encodeAclEntry, formatAclTarget, listAclEntries } from "../../server/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";

export const command: Command = defineCommand({
  summary: "List ACL entries",
  flags: { ...JSON_FLAGS },
  async run(context, flags) {
    const { signal, log, out } = context;
    await using repository = await context.openManagedRepository();
    const list = flags.json ? new JsonList(out, flags) : undefined;
    for (const { id, entry, counts } of await listAclEntries(repository.manifests, { signal })) {
      if (!counts)
        log.warn(
          `entry ${id} has labels that no operator gave it: somebody planted it. It counts for nothing here, and a kopia server obeys it: delete it with 'server acl delete ${id} --delete'`,
        );
      if (entry === undefined) log.warn(`entry ${id} cannot be read and grants nothing`);
      else if (list !== undefined) list.add({ id, ...encodeAclEntry(entry) });
      else
        out.line(
          `id:${id} user:${entry.user} access:${entry.access} target:${formatAclTarget(entry.target)}`,
        );
    }
    list?.end();
    return 0;
  },
});
