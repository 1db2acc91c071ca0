/** What `snapshot fix invalid-files` and `snapshot fix remove-files` have in common. */
import { SejfError } from "../../errors/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  type FixedSnapshot,
  type FixRules,
  findSnapshots,
  fixSnapshots,
  formatSource,
  loadSnapshots,
  parsePartialSource,
  type SnapshotManifest,
} from "../../snapshot/index.ts";
import type { CommandContext } from "../context.ts";
import { choice, type Flag, flag, inert, texts } from "../flags.ts";
import { formatBytes } from "../output/units.ts";

type FixFlags = {
  readonly manifestId: Flag<readonly string[]>;
  readonly source: Flag<readonly string[]>;
  readonly commit: Flag<boolean>;
  readonly parallel: Flag<undefined>;
  readonly invalidDirectoryHandling: Flag<"fail" | "stub" | "keep">;
};

export const FIX_FLAGS: FixFlags = {
  manifestId: texts("Manifest IDs", { placeholder: "ID" }),
  source: texts("Source to target (username@hostname:/path)", { placeholder: "SOURCE" }),
  commit: flag("Update snapshot manifests"),
  parallel: inert("value", "directories are fetched ahead, and written one after another"),
  invalidDirectoryHandling: choice("Handling of invalid directories", ["fail", "stub", "keep"], {
    default: "stub",
  }),
};

/** Those asked for, else all. One that cannot be read is told of and left as it is. @throws SEJF_NOT_FOUND. */
export async function snapshotsToFix(
  context: CommandContext,
  repository: Repository,
  ids: readonly string[],
  sources: readonly string[],
): Promise<{ readonly snapshots: readonly SnapshotManifest[]; readonly unreadable: number }> {
  const { signal } = context;
  const found = new Map<string, SnapshotManifest>();
  let unreadableCount = 0;
  const load = async (filter: Parameters<typeof loadSnapshots>[1]): Promise<number> => {
    const { snapshots, unreadable } = await loadSnapshots(repository, filter, { signal });
    for (const snapshot of snapshots) found.set(snapshot.id, snapshot);
    for (const { id, message } of unreadable)
      context.log.error(`snapshot ${id} cannot be read and stays as it is: ${message}`);
    unreadableCount += unreadable.length;
    return snapshots.length + unreadable.length;
  };
  for (const id of ids)
    for (const snapshot of await findSnapshots(repository, id, { signal }))
      found.set(snapshot.id, snapshot);
  for (const text of sources) {
    context.log.info(`Listing snapshots for source "${text}"...`);
    if ((await load(parsePartialSource(text, repository.identity))) === 0)
      throw new SejfError("SEJF_NOT_FOUND", `no snapshots for ${text}`);
  }
  if (ids.length + sources.length === 0) {
    context.log.info("Listing all snapshots...");
    await load({});
  }
  return { snapshots: [...found.values()], unreadable: unreadableCount };
}

/** Rewrites, tells what changed, and flushes. */
export async function runFix(
  context: CommandContext,
  repository: Repository,
  snapshots: readonly SnapshotManifest[],
  rules: FixRules,
  commit: boolean,
): Promise<void> {
  const { signal } = context;
  let source: string | undefined;
  let count = 0;
  const onSnapshot = (snapshot: SnapshotManifest): void => {
    const name = formatSource(snapshot.source);
    if (name !== source) context.log.info(`Processing snapshot ${name}`);
    source = name;
  };
  const options = { commit, signal, onSnapshot };
  for await (const fixed of fixSnapshots(repository, snapshots, rules, options)) {
    tell(context, fixed);
    if (fixed.changed) count++;
  }
  await repository.flush({ signal });
  if (count === 0) context.log.info("No changes.");
  else if (commit) context.log.info(`Fixed and committed ${count} snapshots.`);
  else
    context.log.info(
      `Fixed ${count} snapshots, but snapshot manifests were not updated. Pass --commit to update snapshots.`,
    );
}

function tell(context: CommandContext, { snapshot, rootEntry, changed, id }: FixedSnapshot): void {
  const time = context.time(snapshot.startTimeNs);
  if (!changed) {
    context.log.info(`  ${time} unchanged (${snapshot.id})`);
    return;
  }
  context.log.info(`  ${time} replaced manifest from ${snapshot.id} to ${id}`);
  context.log.info(`    diff ${snapshot.rootEntry?.object ?? "-"} ${rootEntry?.object ?? "-"}`);
  const [before, after] = [snapshot.rootEntry?.summary, rootEntry?.summary];
  if (before === undefined || after === undefined) return;
  const delta = after.sizeBytes - before.sizeBytes;
  if (delta !== 0)
    context.log.info(`    delta:${delta < 0 ? "-" : "+"}${formatBytes(Math.abs(delta))}`);
}
