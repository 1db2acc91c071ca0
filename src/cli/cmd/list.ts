/** `list` (`ls`): what a directory in the repository holds. Reference: kopia cli/command_ls.go. */
import type { Repository } from "../../repository/index.ts";
import {
  type Directory,
  type DirEntry,
  listDirectory,
  resolveObjectPath,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag } from "../flags.ts";
import { formatMode } from "../output/mode.ts";
import { formatBytes } from "../output/units.ts";

const ID_WIDTH = 34;
const SIZE_WIDTH = 12;

const flags = {
  long: flag("Long output", { short: "l" }),
  humanReadable: flag("Show human-readable sizes", { short: "h" }),
  recursive: flag("Recursive output", { short: "r" }),
  showObjectId: flag("Show object IDs", { short: "o" }),
  errorSummary: flag("Emit error summary", { default: true }),
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "List a directory stored in repository object",
  flags,
  arguments: [{ name: "object-path", help: "Path", required: true }],
  async run(context, values, args) {
    const path = args[0] ?? "";
    await using repository = await context.openRepository();
    const { entry } = await resolveObjectPath(repository, path, { signal: context.signal });
    const prefix = values.long ? "" : path.endsWith("/") ? path : `${path}/`;
    await list(context, repository, entry, prefix, values);
    return 0;
  },
});

async function list(
  context: CommandContext,
  repository: Repository,
  at: DirEntry,
  prefix: string,
  values: Values,
): Promise<void> {
  const directory = await listDirectory(repository, at.object, { signal: context.signal });
  for (const entry of directory.entries) {
    context.signal.throwIfAborted();
    context.out.line(line(context, entry, prefix, values));
    if (values.recursive && entry.type === "d")
      await list(context, repository, entry, `${prefix}${entry.name}/`, values);
  }
  if (values.errorSummary) tellErrors(context, directory);
}

function line(context: CommandContext, entry: DirEntry, prefix: string, values: Values): string {
  const failed = values.errorSummary ? (entry.summary?.failed ?? 0) : 0;
  const name = displayName(entry, prefix, values) + (failed > 0 ? ` (${failed} errors)` : "");
  if (values.long) {
    const size =
      entry.type === "d" ? (entry.summary?.sizeBytes ?? entry.sizeBytes) : entry.sizeBytes;
    const shown = values.humanReadable ? formatBytes(size) : String(size);
    const time = context.time(entry.summary?.maxTimeNs ?? entry.mtimeNs);
    return `${formatMode(entry.type, entry.mode)} ${shown.padStart(SIZE_WIDTH)} ${time} ${entry.object.padEnd(ID_WIDTH)} ${name}`;
  }
  return values.showObjectId ? `${entry.object.padEnd(ID_WIDTH)} ${name}` : name;
}

function displayName(entry: DirEntry, prefix: string, values: Values): string {
  if (!values.long && !values.recursive) return entry.name;
  return `${prefix}${entry.name}${entry.type === "d" ? "/" : ""}`;
}

function tellErrors(context: CommandContext, { summary }: Directory): void {
  if (summary === undefined || summary.failed === 0) return;
  context.out.flush();
  context.log.error(
    `\nNOTE: Encountered ${summary.failed} errors while snapshotting this directory:\n`,
  );
  for (const { path, error } of summary.errors) context.log.error(`- Error in "${path}": ${error}`);
}
