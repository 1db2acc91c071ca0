/**
 * The library `sejf`: everything of `sejf/portable`, and on Node the storages, repositories worked on directly or through
 * a server, and snapshots.
 *
 * ```ts
 * import { createSnapshot, openRepository } from "sejf";
 *
 * await using repository = await openRepository({ password: "…" });   // the connection that the command line made
 * const { identity } = repository;
 * const { snapshot } = await createSnapshot(repository, { ...identity, path: "/home/me" }, {});
 * await repository.flush();                                           // durable from here on
 * ```
 *
 * Failures are `SejfError` with a stable `code`; wrong use is a TypeError or RangeError. Whatever has to be closed
 * is used with `await using`. Everything long takes a `signal`.
 */
export { type DirectContents, openDirectContents } from "./content/index.ts";
export { nodeCompressionEngine, nodeCryptoEngine } from "./node/index.ts";
export * from "./portable.ts";
export * from "./repository/index.ts";
export {
  connectServer,
  type ConnectServerOptions,
  openConnectedRepository,
  type OpenConnectedOptions,
  openRemoteRepository,
  type OpenRemoteOptions,
  openServerRepository,
  type RemoteRepository,
  type SendNotificationRequest,
  type ServerCapacity,
  type UnflushedLimits,
} from "./rpc/index.ts";
export * from "./snapshot/index.ts";
export * from "./storage/index.ts";
