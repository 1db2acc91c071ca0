/** Commands on blobs, for experts. */
import type { RegisteredCommand } from "./types.ts";

export const BLOB_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "blob delete",
    aliases: ["remove", "rm"],
    summary: "Delete blobs by ID",
    hidden: true,
    load: () => import("../cmd/blob-delete.ts"),
  },
  {
    path: "blob gc",
    summary: "Garbage-collect unused blobs",
    hidden: true,
    load: () => import("../cmd/blob-gc.ts"),
  },
  {
    path: "blob list",
    aliases: ["ls"],
    summary: "List BLOBs",
    load: () => import("../cmd/blob-list.ts"),
  },
  {
    path: "blob show",
    aliases: ["cat"],
    summary: "Show contents of BLOBs",
    load: () => import("../cmd/blob-show.ts"),
  },
  {
    path: "blob stats",
    summary: "Blob statistics",
    load: () => import("../cmd/blob-stats.ts"),
  },
];
