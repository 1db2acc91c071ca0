/**
 * Kopia's server protocol: gRPC over HTTP/2, the messages of a session, both ends of it, and a repository behind a
 * server. Who may do what is decided in `server/`, not here.
 */
export * from "./wire/messages.ts";
