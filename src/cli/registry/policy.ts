/** Commands on policies. */
import type { RegisteredCommand } from "./types.ts";

export const POLICY_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "policy delete",
    aliases: ["remove", "rm"],
    summary: "Remove policy",
    load: () => import("../cmd/policy-delete.ts"),
  },
  {
    path: "policy edit",
    summary: "Edit policy",
    load: () => import("../cmd/policy-edit.ts"),
  },
  {
    path: "policy export",
    summary: "Export policies to a file or to standard output",
    load: () => import("../cmd/policy-export.ts"),
  },
  {
    path: "policy import",
    summary: "Import policies from a file or from standard input",
    load: () => import("../cmd/policy-import.ts"),
  },
  {
    path: "policy list",
    aliases: ["ls"],
    summary: "List policies",
    load: () => import("../cmd/policy-list.ts"),
  },
  {
    path: "policy set",
    summary: "Set policy",
    load: () => import("../cmd/policy-set.ts"),
  },
  {
    path: "policy show",
    aliases: ["get"],
    summary: "Show snapshot policy",
    load: () => import("../cmd/policy-show.ts"),
  },
];
