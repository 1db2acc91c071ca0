/**
 * All commands: path, summary, and the file that is loaded when the command runs. Adding a command is one file under
 * `cmd/` and one line here.
 */
import type { Command } from "./command.ts";

export interface RegisteredCommand {
  /** `repository create filesystem`. */
  readonly path: string;
  /** Other words for the last part of the path. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Not in the list of commands. */
  readonly hidden?: boolean;
  readonly load: () => Promise<{ readonly command: Command }>;
}

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
  {
    path: "completion",
    summary: "Print a completion script for a shell",
    load: () => import("./cmd/completion.ts"),
  },
  {
    path: "list",
    aliases: ["ls"],
    summary: "List a directory stored in repository object",
    load: () => import("./cmd/list.ts"),
  },
  {
    path: "restore",
    summary: "Restore a directory or a file",
    load: () => import("./cmd/restore.ts"),
  },
  {
    path: "show",
    aliases: ["cat"],
    summary: "Display the contents of a repository object",
    load: () => import("./cmd/show.ts"),
  },
  {
    path: "repository change-password",
    summary: "Change repository password",
    load: () => import("./cmd/repository-change-password.ts"),
  },
  {
    path: "repository connect filesystem",
    summary: "Connect to repository in a filesystem",
    load: () => import("./cmd/repository-connect-filesystem.ts"),
  },
  {
    path: "repository connect from-config",
    summary: "Connect to repository in the provided configuration file",
    load: () => import("./cmd/repository-connect-from-config.ts"),
  },
  {
    path: "repository create filesystem",
    summary: "Create repository in a filesystem",
    load: () => import("./cmd/repository-create-filesystem.ts"),
  },
  {
    path: "repository create from-config",
    summary: "Create repository in the provided configuration file",
    load: () => import("./cmd/repository-create-from-config.ts"),
  },
  {
    path: "repository disconnect",
    summary: "Disconnect from a repository",
    load: () => import("./cmd/repository-disconnect.ts"),
  },
  {
    path: "repository repair filesystem",
    summary: "Recover the format blob of a repository in a filesystem",
    hidden: true,
    load: () => import("./cmd/repository-repair-filesystem.ts"),
  },
  {
    path: "repository set-client",
    summary: "Set repository client options",
    load: () => import("./cmd/repository-set-client.ts"),
  },
  {
    path: "repository set-parameters",
    aliases: ["set-params"],
    summary: "Set repository parameters",
    load: () => import("./cmd/repository-set-parameters.ts"),
  },
  {
    path: "repository status",
    summary: "Display the status of connected repository",
    load: () => import("./cmd/repository-status.ts"),
  },
  {
    path: "repository sync-to filesystem",
    summary: "Synchronize repository data to another repository in a filesystem",
    load: () => import("./cmd/repository-sync-to-filesystem.ts"),
  },
  {
    path: "repository throttle get",
    summary: "Get throttling parameters for a repository",
    load: () => import("./cmd/repository-throttle-get.ts"),
  },
  {
    path: "repository throttle set",
    summary: "Set throttling parameters for a repository",
    load: () => import("./cmd/repository-throttle-set.ts"),
  },
  {
    path: "repository validate-provider",
    summary: "Validate that a repository provider is compatible with Kopia",
    load: () => import("./cmd/repository-validate-provider.ts"),
  },
  {
    path: "snapshot create",
    summary: "Create a snapshot of local directory or file",
    load: () => import("./cmd/snapshot-create.ts"),
  },
  {
    path: "snapshot delete",
    summary: "Explicitly delete a snapshot by providing a snapshot ID",
    load: () => import("./cmd/snapshot-delete.ts"),
  },
  {
    path: "snapshot list",
    aliases: ["ls"],
    summary: "List snapshots of files and directories",
    load: () => import("./cmd/snapshot-list.ts"),
  },
  {
    path: "snapshot restore",
    summary: "Restore a directory or a file",
    load: () => import("./cmd/restore.ts"),
  },
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
