/** Commands on the local cache. */
import type { RegisteredCommand } from "./types.ts";

export const CACHE_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "cache clear",
    summary: "Clears the cache",
    load: () => import("../cmd/cache-clear.ts"),
  },
  {
    path: "cache info",
    summary: "Displays cache information and statistics",
    load: () => import("../cmd/cache-info.ts"),
  },
  {
    path: "cache prefetch",
    summary: "Prefetches the provided objects into cache",
    load: () => import("../cmd/cache-prefetch.ts"),
  },
  {
    path: "cache set",
    summary: "Sets parameters local caching of repository data",
    load: () => import("../cmd/cache-set.ts"),
  },
  {
    path: "cache sync",
    summary: "Synchronizes the metadata cache with blobs in storage",
    load: () => import("../cmd/cache-sync.ts"),
  },
];
