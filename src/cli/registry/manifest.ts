/** Commands on manifests, for experts. */
import type { RegisteredCommand } from "./types.ts";

export const MANIFEST_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "manifest delete",
    aliases: ["remove", "rm"],
    summary: "Remove manifest items",
    hidden: true,
    load: () => import("../cmd/manifest-delete.ts"),
  },
  {
    path: "manifest list",
    aliases: ["ls"],
    summary: "List manifest items",
    load: () => import("../cmd/manifest-list.ts"),
  },
  {
    path: "manifest show",
    aliases: ["cat"],
    summary: "Show manifest items",
    load: () => import("../cmd/manifest-show.ts"),
  },
];
