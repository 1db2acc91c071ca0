/** `diff`: differences between two stored trees. Reference: kopia cli/command_diff.go. */
import { formatTimestamp, type TimestampNs } from "../../bytes/index.ts";
import {
  type Difference,
  type DirEntry,
  diffTrees,
  type MetadataField,
  type ResolvedObject,
  resolveObjectPath,
  withTotals,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag, text } from "../flags.ts";
import { jsonText } from "../output/json.ts";
import { formatMode } from "../output/mode.ts";
import { ExternalDiff } from "../shared/external-diff.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Displays differences between two repository objects (files or directories)",
  description:
    "Each is a snapshot ID, an object ID, either with a path below it, or a path that has snapshots, which means the newest. The last line counts the differences as JSON.",
  flags: {
    files: flag("Compare files by launching diff command for all pairs of (old,new)", {
      short: "f",
    }),
    statsOnly: flag(
      "Displays only aggregate statistics of the changes between two repository objects",
    ),
    diffCommand: text("The command that compares files, split at spaces", {
      default: process.platform === "win32" ? "cmp" : "diff -u",
      env: "DIFF",
      placeholder: "COMMAND",
    }),
  },
  arguments: [
    { name: "object-path1", help: "First object/path", required: true },
    { name: "object-path2", help: "Second object/path", required: true },
  ],
  async run(context, values, [first = "", second = ""]) {
    if (values.files && values.diffCommand.trim() === "")
      throw usageError("--diff-command: the command is empty");
    await using repository = await context.openRepository();
    const { signal } = context;
    const before = asCompared(await resolveObjectPath(repository, first, { signal }));
    const after = asCompared(await resolveObjectPath(repository, second, { signal }));
    const { counts, differences } = diffTrees(repository, before, after, { signal });
    await using external = values.files
      ? await ExternalDiff.open(context, repository, values.diffCommand)
      : undefined;
    for await (const page of differences) {
      for (const difference of page) {
        if (!values.statsOnly) context.out.line(line(difference));
        await compareFiles(external, difference);
      }
    }
    context.out.write(jsonText(counts, { json: true, jsonIndent: false }));
    return 0;
  },
});

function asCompared({ entry, path }: ResolvedObject): DirEntry {
  return path === "" ? entry : withTotals(entry);
}

async function compareFiles(
  external: ExternalDiff | undefined,
  difference: Difference,
): Promise<void> {
  if (external === undefined) return;
  const { kind, path } = difference;
  if (kind === "content" && difference.before.type === "f")
    await external.compare(path, difference.before, difference.after);
  if (kind === "added" && difference.entry.type === "f")
    await external.compare(path, undefined, difference.entry);
  if (kind === "removed" && difference.entry.type === "f")
    await external.compare(path, difference.entry, undefined);
}

function line(difference: Difference): string {
  const { kind, path } = difference;
  switch (kind) {
    case "added":
    case "removed": {
      const { entry } = difference;
      if (entry.type === "d") return `${kind} directory ${path}`;
      return `${kind} file ${path} (${entry.sizeBytes} bytes)`;
    }
    case "metadata": {
      const { field, before, after } = difference;
      const [label, show] = METADATA[field];
      return `${path} ${label} differ: ${show(before)} ${show(after)}`;
    }
    case "content": {
      const { before, after } = difference;
      return `changed ${path} at ${goTime(after.mtimeNs)} (size ${before.sizeBytes} -> ${after.sizeBytes})`;
    }
    case "type":
      return difference.before.type === "d"
        ? `changed ${path} from directory to non-directory`
        : `changed ${path} from non-directory to a directory`;
  }
}

const METADATA: Readonly<
  Record<MetadataField, readonly [label: string, show: (entry: DirEntry) => string]>
> = {
  mode: ["modes", ({ type, mode }) => formatMode(type, mode)],
  size: ["sizes", ({ sizeBytes }) => String(sizeBytes)],
  mtime: ["modification times", ({ mtimeNs }) => goTime(mtimeNs)],
  uid: ["owner users", ({ uid }) => String(uid)],
  gid: ["owner groups", ({ gid }) => String(gid)],
};

/** As Go prints a time: `2026-01-02 03:04:05.6 +0000 UTC`. */
function goTime(timeNs: TimestampNs): string {
  return formatTimestamp(timeNs).replace("T", " ").replace("Z", " +0000 UTC");
}
