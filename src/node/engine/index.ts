/** The thread engine: the bulk paths of upload and restore over one shared memory. */
export { createBulkEngine, defaultThreads } from "./bulk-engine.ts";
export { ClaimTable, type ClaimTableDescriptor } from "./claim-table.ts";
export type {
  BulkEngine,
  BulkEngineConfig,
  BulkEngineHost,
  ContentBatch,
  ContentLocation,
  OpenedPack,
  StoredBatch,
} from "./host.ts";
export {
  createRemoteEngine,
  type RemoteEngineConfig,
  type RemoteEngineHost,
} from "./remote-engine.ts";
export { startSpareThread } from "./spare-thread.ts";
export { WalkAhead } from "./walk-ahead.ts";
