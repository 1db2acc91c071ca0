/** `snapshot expire`: removes snapshots that no rule of their policy keeps. Reference: kopia cli/command_snapshot_expire.go. */
import {
  expireSnapshots,
  formatSource,
  listSources,
  parsePartialSource,
  type RetentionDecision,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { flag } from "../flags.ts";

export const command: Command = defineCommand({
  summary: "Remove old snapshots according to defined expiration policies",
  description: "Only shows what would be deleted, unless --delete is given.",
  flags: {
    all: flag("Expire all snapshots"),
    delete: flag("Whether to actually delete snapshots"),
  },
  arguments: [{ name: "path", help: "Expire snapshots for given paths only", variadic: true }],
  async run(context, values, args) {
    const { signal } = context;
    if (!values.all && args.length === 0)
      context.log.warn("Nothing to expire: name paths, or pass --all.");
    await using repository = await context.openRepository();
    const sources = values.all
      ? await listSources(repository, { signal })
      : args.map((text) => parsePartialSource(text, repository.identity));
    const sorted = sources.toSorted((a, b) => (formatSource(a) < formatSource(b) ? -1 : 1));
    for (const source of sorted) {
      const dryRun = !values.delete;
      const decisions = await expireSnapshots(repository, source, { dryRun, signal });
      tellDecisions(context, decisions, values.delete);
      const expired = decisions.filter(({ reasons }) => reasons.length === 0);
      context.log.info(conclusion(formatSource(source), expired.length, values.delete));
    }
    if (values.delete) await repository.flush({ signal });
    return 0;
  },
});

function tellDecisions(
  context: CommandContext,
  decisions: readonly RetentionDecision[],
  confirmed: boolean,
): void {
  for (const { snapshot, reasons } of decisions) {
    const what = `snapshot ${snapshot.id} at ${context.time(snapshot.startTimeNs)}`;
    if (reasons.length > 0) context.log.debug(`  keeping ${what} (${reasons.join(",")})`);
    else context.log.info(`  ${confirmed ? "deleting" : "would delete"} ${what}`);
  }
}

function conclusion(source: string, count: number, confirmed: boolean): string {
  if (count === 0) return `Nothing to delete for ${source}.`;
  return confirmed
    ? `Deleted ${count} snapshots of ${source}...`
    : `${count} snapshot(s) of ${source} would be deleted. Pass --delete to do it.`;
}
