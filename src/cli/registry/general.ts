/** Commands without a group. */
import type { RegisteredCommand } from "./types.ts";

export const GENERAL_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "completion",
    summary: "Print a completion script for a shell",
    load: () => import("../cmd/completion.ts"),
  },
  {
    path: "diff",
    aliases: ["compare"],
    summary: "Displays differences between two repository objects (files or directories)",
    load: () => import("../cmd/diff.ts"),
  },
  {
    path: "list",
    aliases: ["ls"],
    summary: "List a directory stored in repository object",
    load: () => import("../cmd/list.ts"),
  },
  {
    path: "recover",
    summary: "Get everything of a sealed account back with its recovery kit",
    load: () => import("../cmd/recover.ts"),
  },
  {
    path: "restore",
    summary: "Restore a directory or a file",
    load: () => import("../cmd/restore.ts"),
  },
  {
    path: "show",
    aliases: ["cat"],
    summary: "Display the contents of a repository object",
    load: () => import("../cmd/show.ts"),
  },
  {
    path: "unseal",
    summary: "Turn a restored sealed snapshot into the files, with the recovery kit alone",
    load: () => import("../cmd/unseal.ts"),
  },
];
