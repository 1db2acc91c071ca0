/**
 * All commands: path, summary, and the file that is loaded when the command runs. Adding a command is one file under
 * `cmd/` and one entry in its group's list under `registry/`.
 */
import { GENERAL_COMMANDS } from "./registry/general.ts";
import { REPOSITORY_COMMANDS } from "./registry/repository.ts";
import { SNAPSHOT_COMMANDS } from "./registry/snapshot.ts";
import type { RegisteredCommand } from "./registry/types.ts";

export type { RegisteredCommand } from "./registry/types.ts";

/** What stands above commands: shown in help. */
export const GROUPS: Readonly<Record<string, string>> = {
  repository: "Commands to manipulate repository",
  "repository connect": "Connect to a repository",
  "repository create": "Create new repository in a specified location",
  "repository repair": "Recover a lost format blob",
  "repository sync-to": "Synchronize the contents of this repository to another location",
  "repository throttle": "Commands to manipulate throttle configuration",
  snapshot: "Commands to manipulate snapshots",
};

export const COMMANDS: readonly RegisteredCommand[] = [
  ...GENERAL_COMMANDS,
  ...REPOSITORY_COMMANDS,
  ...SNAPSHOT_COMMANDS,
];

/** Storage that Kopia has and sejf does not (yet). */
export const UNSUPPORTED_PROVIDERS: readonly string[] = [
  "azure",
  "b2",
  "gcs",
  "gdrive",
  "rclone",
  "s3",
  "server",
  "sftp",
  "webdav",
];
