/** Direct contents: packs, indexes, epochs and sessions of a repository in a blob store, read and written without a server. */
export { openDirectContents } from "./direct-contents.ts";
export type {
  CacheLimits,
  CompactIndexesOptions,
  ContentInfo,
  ContentProblem,
  ContentsEvent,
  ContentsStatistics,
  DirectContents,
  DirectContentsOptions,
  EpochState,
  IndexBlobInfo,
  IndexMaintenanceOptions,
  IndexMaintenanceResult,
  ListContentsOptions,
  RecoverIndexesOptions,
  RecoverIndexesResult,
  RewriteOptions,
  SessionInfo,
  VerifyContentsOptions,
  VerifyContentsResult,
  WriterIdentity,
} from "./types.ts";
