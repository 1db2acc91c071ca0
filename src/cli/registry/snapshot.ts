/** Commands on snapshots. */
import type { RegisteredCommand } from "./types.ts";

export const SNAPSHOT_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "snapshot create",
    summary: "Create a snapshot of local directory or file",
    load: () => import("../cmd/snapshot-create.ts"),
  },
  {
    path: "snapshot delete",
    summary: "Explicitly delete a snapshot by providing a snapshot ID",
    load: () => import("../cmd/snapshot-delete.ts"),
  },
  {
    path: "snapshot list",
    aliases: ["ls"],
    summary: "List snapshots of files and directories",
    load: () => import("../cmd/snapshot-list.ts"),
  },
  {
    path: "snapshot restore",
    summary: "Restore a directory or a file",
    load: () => import("../cmd/restore.ts"),
  },
];
