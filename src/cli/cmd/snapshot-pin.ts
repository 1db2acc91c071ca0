/** `snapshot pin`: names that keep a snapshot from expiring. Reference: kopia cli/command_snapshot_pin.go. */
import { changePins, findSnapshots, formatSource } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { texts } from "../flags.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Add or remove pins preventing snapshot deletion",
  description: "A snapshot gets a new ID when its pins change.",
  flags: {
    add: texts("Add pins", { placeholder: "NAME" }),
    remove: texts("Remove pins", { placeholder: "NAME" }),
  },
  arguments: [
    { name: "id", help: "Snapshot ID or root object ID", required: true, variadic: true },
  ],
  async run(context, { add, remove }, args) {
    if (add.length + remove.length === 0) throw usageError("must specify --add and/or --remove");
    const { signal } = context;
    await using repository = await context.openRepository();
    for (const id of args) {
      for (const snapshot of await findSnapshots(repository, id, { signal })) {
        const what = `snapshot at ${context.time(snapshot.startTimeNs)} of ${formatSource(snapshot.source)}`;
        const changed = await changePins(repository, snapshot, add, remove, { signal });
        if (changed === undefined) context.log.info(`No change for ${what}`);
        else context.log.info(`Updating ${what}: its ID is now ${changed.id}`);
      }
    }
    await repository.flush({ signal });
    return 0;
  },
});
