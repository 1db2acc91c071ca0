/** Starting a server, and telling a running one what to do. */
import type { RegisteredCommand } from "./types.ts";

export const SERVER_CONTROL_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "server cancel",
    summary: "Cancels in-progress uploads for one or more sources",
    load: () => import("../cmd/server-cancel.ts"),
  },
  {
    path: "server flush",
    summary: "Flush the state of the server to persistent storage",
    load: () => import("../cmd/server-flush.ts"),
  },
  {
    path: "server pause",
    summary: "Pause the scheduled snapshots for one or more sources",
    load: () => import("../cmd/server-pause.ts"),
  },
  {
    path: "server refresh",
    summary: "Refresh the server to observe new sources, accounts and snapshots",
    load: () => import("../cmd/server-refresh.ts"),
  },
  {
    path: "server resume",
    aliases: ["unpause"],
    summary: "Resume the scheduled snapshots for one or more sources",
    load: () => import("../cmd/server-resume.ts"),
  },
  {
    path: "server shutdown",
    summary: "Gracefully shutdown the server",
    load: () => import("../cmd/server-shutdown.ts"),
  },
  {
    path: "server snapshot",
    aliases: ["upload"],
    summary: "Trigger an upload for one or more existing sources",
    load: () => import("../cmd/server-snapshot.ts"),
  },
  {
    path: "server start",
    summary: "Start a repository server",
    load: () => import("../cmd/server-start.ts"),
  },
  {
    path: "server status",
    summary: "Status of a running server: its sources",
    load: () => import("../cmd/server-status.ts"),
  },
  {
    path: "server throttle get",
    summary: "Get throttling parameters for a running server",
    load: () => import("../cmd/server-throttle-get.ts"),
  },
  {
    path: "server throttle set",
    summary: "Set throttling parameters for a running server",
    load: () => import("../cmd/server-throttle-set.ts"),
  },
];
