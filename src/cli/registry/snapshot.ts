/** Commands on snapshots. */
import type { RegisteredCommand } from "./types.ts";

export const SNAPSHOT_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "snapshot copy-history",
    summary: "Performs a copy of the history of snapshots from another user or host",
    load: () => import("../cmd/snapshot-copy-history.ts"),
  },
  {
    path: "snapshot move-history",
    summary: "Performs a move of the history of snapshots from another user or host",
    load: () => import("../cmd/snapshot-move-history.ts"),
  },
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
    path: "snapshot estimate",
    summary: "Estimate the snapshot size and upload time",
    load: () => import("../cmd/snapshot-estimate.ts"),
  },
  {
    path: "snapshot expire",
    summary: "Remove old snapshots according to defined expiration policies",
    load: () => import("../cmd/snapshot-expire.ts"),
  },
  {
    path: "snapshot fix invalid-files",
    summary: "Remove references to any invalid (unreadable) files from snapshots",
    load: () => import("../cmd/snapshot-fix-invalid-files.ts"),
  },
  {
    path: "snapshot fix remove-files",
    summary: "Remove references to the specified files from snapshots",
    load: () => import("../cmd/snapshot-fix-remove-files.ts"),
  },
  {
    path: "snapshot list",
    aliases: ["ls"],
    summary: "List snapshots of files and directories",
    load: () => import("../cmd/snapshot-list.ts"),
  },
  {
    path: "snapshot migrate",
    summary: "Migrate snapshots from another repository",
    load: () => import("../cmd/snapshot-migrate.ts"),
  },
  {
    path: "snapshot pin",
    summary: "Add or remove pins preventing snapshot deletion",
    load: () => import("../cmd/snapshot-pin.ts"),
  },
  {
    path: "snapshot restore",
    summary: "Restore a directory or a file",
    load: () => import("../cmd/restore.ts"),
  },
  {
    path: "snapshot undelete",
    summary: "Bring back deleted snapshots from the trash of a server",
    load: () => import("../cmd/snapshot-undelete.ts"),
  },
  {
    path: "snapshot verify",
    summary: "Verify the contents of stored snapshot",
    load: () => import("../cmd/snapshot-verify.ts"),
  },
];
