/** The repository server: accounts, rights, sessions, jobs, the web interface's endpoints. */
export type * from "./types.ts";
