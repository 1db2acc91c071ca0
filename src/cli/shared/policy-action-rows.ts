/** The actions of a policy as rows of its table. */
import { formatDuration } from "../../bytes/index.ts";
import type { ActionCommand, ActionsPolicy } from "../../snapshot/index.ts";
import { type PolicyRow, row } from "./policy-row.ts";

const NS_PER_S = 1_000_000_000n;

export function actionRows(
  actions: ActionsPolicy,
  origin: (field: string) => string,
): readonly PolicyRow[] {
  const { beforeSnapshotRoot, afterSnapshotRoot, beforeFolder, afterFolder } = actions;
  const rows = [
    ...of(
      "Run command before snapshot root:",
      origin("actions.beforeSnapshotRoot"),
      beforeSnapshotRoot,
    ),
    ...of(
      "Run command after snapshot root:",
      origin("actions.afterSnapshotRoot"),
      afterSnapshotRoot,
    ),
    ...of("Run command before this folder:", "(non-inheritable)", beforeFolder),
    ...of("Run command after this folder:", "(non-inheritable)", afterFolder),
  ];
  return rows.length === 0 ? [row("No actions defined.")] : rows;
}

function of(
  title: string,
  origin: string,
  command: ActionCommand | undefined,
): readonly PolicyRow[] {
  if (command === undefined) return [];
  const { script = "", path = "", args = [], mode = "", timeout = 0 } = command;
  const what =
    script === ""
      ? [row("  Command:"), row(`    ${path} ${args.join(" ")}`)]
      : [
          row("  Embedded script (stored in repository):"),
          row(
            script
              .replace(/\n$/, "")
              .split("\n")
              .map((line) => `    ${line}`)
              .join("\n"),
          ),
        ];
  return [
    row(title, "", origin),
    ...what,
    row("  Mode:", mode === "" ? "sync" : mode),
    row("  Timeout:", formatDuration(BigInt(timeout) * NS_PER_S)),
    row(),
  ];
}
