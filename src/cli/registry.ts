/**
 * All commands: path, summary, and the file that is loaded when the command runs. Adding a command is one file under
 * `cmd/` and one entry in its group's list under `registry/`.
 */
import { ACCOUNT_COMMANDS } from "./registry/account.ts";
import { BENCHMARK_COMMANDS } from "./registry/benchmark.ts";
import { BLOB_COMMANDS } from "./registry/blob.ts";
import { CACHE_COMMANDS } from "./registry/cache.ts";
import { CONTENT_COMMANDS } from "./registry/content.ts";
import { GENERAL_COMMANDS } from "./registry/general.ts";
import { GROUP_COMMANDS } from "./registry/group.ts";
import { INDEX_COMMANDS } from "./registry/indexes.ts";
import { MANIFEST_COMMANDS } from "./registry/manifest.ts";
import { POLICY_COMMANDS } from "./registry/policy.ts";
import { REPOSITORY_COMMANDS } from "./registry/repository.ts";
import { SERVER_COMMANDS } from "./registry/server.ts";
import { SNAPSHOT_COMMANDS } from "./registry/snapshot.ts";
import type { RegisteredCommand } from "./registry/types.ts";

export type { RegisteredCommand } from "./registry/types.ts";

/** What stands above commands: shown in help. */
export const GROUPS: Readonly<Record<string, string>> = {
  account: "Commands of a sealed account, which nobody but its user can read",
  benchmark: "Commands to test performance of algorithms",
  blob: "Commands to manipulate BLOBs",
  cache: "Commands to manipulate local cache",
  content: "Commands to manipulate content in repository",
  device: "Commands to manage the devices of a sealed account",
  group: "Commands of groups of sealed accounts that store equal data once",
  "index epoch": "Commands to view epochs",
  index: "Commands to manipulate content index",
  manifest: "Low-level commands to manipulate manifest items",
  policy: "Commands to manipulate snapshotting policies",
  "repository connect": "Connect to a repository",
  "repository create": "Create new repository in a specified location",
  "repository repair": "Recover a lost format blob",
  "repository sync-to": "Synchronize the contents of this repository to another location",
  "repository throttle": "Commands to manipulate throttle configuration",
  repository: "Commands to manipulate repository",
  "server acl": "Manage entries of the server's access control list",
  "server throttle": "Control throttling parameters for a running server",
  "server user": "Manage repository users",
  server: "Commands to control the repository server",
  "snapshot fix": "Commands to fix snapshot consistency issues",
  snapshot: "Commands to manipulate snapshots",
};

/** Other words for groups, with the path that stands before them. */
export const GROUP_ALIASES: Readonly<Record<string, string>> = {
  contents: "content",
  policies: "policy",
  repo: "repository",
  "server users": "server user",
  snap: "snapshot",
};

export const COMMANDS: readonly RegisteredCommand[] = [
  ...GENERAL_COMMANDS,
  ...ACCOUNT_COMMANDS,
  ...BENCHMARK_COMMANDS,
  ...BLOB_COMMANDS,
  ...CACHE_COMMANDS,
  ...CONTENT_COMMANDS,
  ...GROUP_COMMANDS,
  ...INDEX_COMMANDS,
  ...MANIFEST_COMMANDS,
  ...POLICY_COMMANDS,
  ...REPOSITORY_COMMANDS,
  ...SERVER_COMMANDS,
  ...SNAPSHOT_COMMANDS,
];

/** Kopia's commands that there are not, and what to do instead. */
export const UNSUPPORTED_COMMANDS: Readonly<Partial<Record<string, string>>> = {
  mount:
    "`restore` writes a snapshot or a part of it to a folder, `show` a single file to standard output; kopia mounts the same repository",
  notification:
    "kopia sets up profiles and templates of the same repository; a repository server of sejf keeps reports, and sends none",
};

/** Storage that Kopia has and sejf does not (yet). */
export const UNSUPPORTED_PROVIDERS: readonly string[] = [
  "azure",
  "b2",
  "gcs",
  "gdrive",
  "rclone",
  "server",
  "sftp",
  "webdav",
];
