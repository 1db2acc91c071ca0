/** Starting and stopping a repository server. */
export { startServer } from "./start-server.ts";
export { trustLines } from "./trust.ts";
export type { RunningServer, StartServerOptions } from "./types.ts";
