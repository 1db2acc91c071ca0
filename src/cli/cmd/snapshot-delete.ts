/** `snapshot delete`: forgets snapshots; their data goes at maintenance. */
import { SejfError } from "../../errors/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  deleteSnapshot,
  findSnapshots,
  formatSource,
  listSnapshots,
  parseSource,
  type SnapshotManifest,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { flag } from "../flags.ts";

export const command: Command = defineCommand({
  summary: "Explicitly delete a snapshot by providing a snapshot ID",
  description: "Only shows what would be deleted, unless --delete is given.",
  flags: {
    allSnapshotsForSource: flag("Delete all snapshots for a source"),
    delete: flag("Confirm deletion"),
    unsafeIgnoreSource: flag("Alias for --delete", { hidden: true }),
  },
  arguments: [
    {
      name: "id",
      help: "Snapshot ID or root object ID to be deleted",
      required: true,
      variadic: true,
    },
  ],
  async run(context, flags, args) {
    const confirmed = flags.delete || flags.unsafeIgnoreSource;
    await using repository = await context.openRepository();
    const { signal } = context;
    for (const id of args) {
      const found = flags.allSnapshotsForSource
        ? await ofSource(repository, id, signal)
        : await findSnapshots(repository, id, { signal });
      for (const snapshot of found) await deleteOne(context, repository, snapshot, confirmed);
    }
    if (confirmed) await repository.flush({ signal });
    return 0;
  },
});

async function ofSource(
  repository: Repository,
  text: string,
  signal: AbortSignal,
): Promise<readonly SnapshotManifest[]> {
  const source = parseSource(text, repository.identity);
  const found = await listSnapshots(repository, { source, signal });
  if (found.length > 0) return found;
  throw new SejfError("SEJF_NOT_FOUND", `no snapshots for source ${formatSource(source)}`, {
    hint: "see snapshot list --all",
  });
}

async function deleteOne(
  context: CommandContext,
  repository: Repository,
  snapshot: SnapshotManifest,
  confirmed: boolean,
): Promise<void> {
  const what = `snapshot ${snapshot.id} of ${formatSource(snapshot.source)} at ${context.time(snapshot.startTimeNs)}`;
  if (!confirmed) {
    context.log.info(`Would delete ${what} (pass --delete to confirm)`);
    return;
  }
  context.log.info(`Deleting ${what}...`);
  await deleteSnapshot(repository, snapshot.id, { signal: context.signal });
}
