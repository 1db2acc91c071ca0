/** `snapshot undelete`: brings back from a server's trash what was deleted. */
import { type Command, defineCommand } from "../command.ts";
import { withTrash } from "../shared/trash.ts";

export const command: Command = defineCommand({
  summary: "Bring back deleted snapshots from the trash of a server",
  description:
    "What is deleted on a sejf server, by hand or by retention, stays in its trash for a while: `snapshot list --trash` shows it. A snapshot that comes back has a new ID.",
  flags: {},
  arguments: [{ name: "id", help: "ID that the snapshot had", required: true, variadic: true }],
  async run(context, _flags, ids) {
    await withTrash(context, async (trash) => {
      for (const id of ids)
        context.log.info(`Snapshot ${id} is back: its ID is now ${await trash.undelete(id)}`);
    });
    return 0;
  },
});
