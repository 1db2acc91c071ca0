/** `snapshot copy-history` and `snapshot move-history`, which differ in one word. */
import {
  copyHistory,
  formatSource,
  type HistoryStep,
  parsePartialSource,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { flag } from "../flags.ts";

export function historyCommand(verb: "copy" | "move"): Command {
  const move = verb === "move";
  return defineCommand({
    summary: `Performs a ${verb} of the history of snapshots from another user or host`,
    description: description(verb),
    flags: {
      dryRun: flag("Do not actually copy snapshots, only print what would happen", { short: "n" }),
    },
    arguments: [
      { name: "source", help: "Source (user@host or user@host:path)", required: true },
      { name: "destination", help: "Destination (defaults to current user@host)" },
    ],
    async run(context, { dryRun }, [from = "", to = ""]) {
      const { signal } = context;
      await using repository = await context.openRepository();
      const { identity } = repository;
      const source = parsePartialSource(from, identity);
      const destination = to === "" ? { ...identity, path: "" } : parsePartialSource(to, identity);
      const options = { move, dryRun, signal };
      for await (const step of copyHistory(repository, source, destination, options))
        context.log.info(told(context, step, move, dryRun));
      if (!dryRun) await repository.flush({ signal });
      return 0;
    },
  });
}

function told(
  context: CommandContext,
  { snapshot, destination, outcome }: HistoryStep,
  move: boolean,
  dryRun: boolean,
): string {
  const time = context.time(snapshot.startTimeNs);
  const to = formatSource(destination);
  if (outcome === "exists")
    return `${to} (${time}) already exists${move && !dryRun ? " - deleting source" : ""}`;
  const action = `${move ? "moving" : "copying"}${dryRun ? " (dry run)" : ""}`;
  return `${action} ${formatSource(snapshot.source)} (${time}) => ${to}`;
}

function description(verb: string): string {
  const rows = [
    ["Source", "Destination", "Behavior"],
    ["@host1", "@host2", `${verb} snapshots of all users of host1`],
    ["@host1", "user2@host2", "refused: users would be thrown together"],
    ["user1@host1", "@host2", `${verb} all snapshots to user1@host2`],
    ["user1@host1", "user2@host2", `${verb} all snapshots to user2@host2`],
    ["user1@host1", "user2@host2:/path2", "refused: paths would be thrown together"],
    ["user1@host1:/path1", "@host2", `${verb} to user1@host2:/path1`],
    ["user1@host1:/path1", "user2@host2", `${verb} to user2@host2:/path1`],
    ["user1@host1:/path1", "user2@host2:/path2", `${verb} the snapshots of one path`],
  ] as const;
  const table = rows.map(([from, to, what]) => `  ${from.padEnd(20)}${to.padEnd(20)}${what}`);
  return [
    "Only manifests change: for a new host name, user name or place of a directory. Parts of the destination that are given replace those of the source.",
    table.join("\n"),
  ].join("\n\n");
}
