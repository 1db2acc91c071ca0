/** Commands on contents, for experts. */
import type { RegisteredCommand } from "./types.ts";

export const CONTENT_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "content delete",
    aliases: ["remove", "rm"],
    summary: "Remove content",
    hidden: true,
    load: () => import("../cmd/content-delete.ts"),
  },
  {
    path: "content list",
    aliases: ["ls"],
    summary: "List contents",
    load: () => import("../cmd/content-list.ts"),
  },
  {
    path: "content rewrite",
    summary: "Rewrite content using most recent format",
    hidden: true,
    load: () => import("../cmd/content-rewrite.ts"),
  },
  {
    path: "content show",
    aliases: ["cat"],
    summary: "Show contents by ID",
    load: () => import("../cmd/content-show.ts"),
  },
  {
    path: "content stats",
    summary: "Content statistics",
    load: () => import("../cmd/content-stats.ts"),
  },
  {
    path: "content verify",
    summary: "Verify that each content is backed by a valid blob",
    load: () => import("../cmd/content-verify.ts"),
  },
];
