/** Commands on index blobs, for experts. */
import type { RegisteredCommand } from "./types.ts";

export const INDEX_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "index epoch list",
    summary: "List the status of epochs",
    load: () => import("../cmd/index-epoch-list.ts"),
  },
  {
    path: "index inspect",
    summary: "Inspect index blob",
    load: () => import("../cmd/index-inspect.ts"),
  },
  {
    path: "index list",
    aliases: ["ls"],
    summary: "List content indexes",
    load: () => import("../cmd/index-list.ts"),
  },
  {
    path: "index optimize",
    summary: "Optimize indexes blobs",
    hidden: true,
    load: () => import("../cmd/index-optimize.ts"),
  },
  {
    path: "index recover",
    summary: "Recover indexes from pack blobs",
    load: () => import("../cmd/index-recover.ts"),
  },
];
