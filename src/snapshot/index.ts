/** Snapshots: trees of directories in objects, their manifests, policies, upload, retention and restore. */
export { applyRetention, expiredSnapshots } from "./apply-retention.ts";
export { compressorOfFile } from "./compression-choice.ts";
export { createSnapshot, DEFAULT_CHECKPOINT_INTERVAL_MS } from "./create.ts";
export type {
  ActionEvent,
  ActionName,
  ActionSettings,
  CreatedSnapshot,
  CreateSnapshotOptions,
  EntryFields,
  EstimationSettings,
  EstimationType,
  StreamSource,
  UploadCounters,
  UploadEvent,
} from "./create-types.ts";
export { decodeChildren, decodeDirectory, encodeDirectory, sortEntries } from "./directory.ts";
export { decodeSnapshot, snapshotToJson } from "./manifest-json.ts";
export {
  effectivePolicy,
  formatPolicyTarget,
  getPolicy,
  getPolicyById,
  GLOBAL_TARGET,
  listPolicies,
  parsePolicyTarget,
  policyLevels,
  type PolicyTree,
  policyTree,
  removePolicy,
  setPolicy,
} from "./policies.ts";
export type {
  ActionCommand,
  ActionsPolicy,
  CompressionPolicy,
  ErrorHandlingPolicy,
  FilesPolicy,
  LoggingPolicy,
  Policy,
  PolicyLevel,
  PolicyTarget,
  RetentionPolicy,
  SchedulingPolicy,
  StoredPolicy,
  TimeOfDay,
  UploadPolicy,
} from "./policy.ts";
export { checkPolicy } from "./policy-check.ts";
export { decodePolicy, DEFAULT_POLICY, EMPTY_POLICY, encodePolicy } from "./policy-json.ts";
export { policyValue, withPolicyValue } from "./policy-edit.ts";
export { mergePolicies } from "./policy-merge.ts";
export { policyOrigins, type PolicyOrigins } from "./policy-origins.ts";
export {
  isTrash,
  readTrash,
  toTrash,
  TRASH_LABELS,
  type TrashedManifest,
  trashLabels,
  trashOwner,
} from "./trash.ts";
export { unknownPolicyMembers } from "./policy-unknown.ts";
export type {
  RestoreCallOptions,
  RestoreCounters,
  RestoreEvent,
  RestoreOptions,
  RestoreSummary,
} from "./restore-types.ts";
export { retentionReasons } from "./retention.ts";
export { isCronExpression } from "./cron.ts";
export { nextSnapshotTime } from "./schedule.ts";
export {
  deleteSnapshot,
  findSnapshots,
  listSnapshots,
  type ListSnapshotsOptions,
  loadSnapshot,
  previousSnapshots,
  saveSnapshot,
} from "./snapshots.ts";
export { compactPins, compactReasons } from "./compact-reasons.ts";
export type { DirectoryChild } from "./plain-listing.ts";
export { formatSource, parseSource } from "./source.ts";
export {
  resolveObjectPath,
  type ResolvedObject,
  type ResolveOptions,
  type SnapshotChoice,
} from "./resolve.ts";
export type { ArchiveFormat } from "./archive-types.ts";
export { restoreTree } from "./restore.ts";
export { type RestoreArchiveOptions, restoreToArchive } from "./restore-archive.ts";
export { openPlaceholder } from "./restore-placeholder.ts";
export { PLACEHOLDER_SUFFIX } from "./placeholder.ts";
export { findEntry, listDirectory, type TreeEntry, walkTree } from "./tree.ts";
export { summaryOf } from "./summary-builder.ts";
export type {
  Directory,
  DirectorySummary,
  DirEntry,
  EntryType,
  FailedEntry,
  SnapshotManifest,
  SnapshotSource,
  SnapshotStats,
} from "./types.ts";
export {
  diffTrees,
  type DiffCounts,
  type Difference,
  type EntryDiffCounts,
  type MetadataField,
  type TreeDiff,
  withTotals,
} from "./diff.ts";
export {
  type Estimate,
  estimateInSteps,
  type EstimateOptions,
  estimateTree,
  type SizeBucket,
} from "./estimate.ts";
export { expireSnapshots, type RetentionDecision, retentionDecisions } from "./expire.ts";
export {
  brokenEntries,
  type FixedSnapshot,
  type FixRules,
  fixSnapshots,
  type InvalidHandling,
  removalOf,
} from "./fix-snapshots.ts";
export {
  copyHistory,
  type HistoryOptions,
  type HistoryStep,
  parsePartialSource,
} from "./history.ts";
export { listSources, type MigratedPolicy, migratePolicies, migrateSource } from "./migrate.ts";
export type {
  MigrateCounters,
  MigratedSource,
  MigrateEvent,
  MigrateOptions,
} from "./migrate-types.ts";
export { changePins } from "./pin.ts";
export { editSnapshot, type SnapshotChanges } from "./manifest-edit.ts";
export { type RewriteRules, TreeRewriter } from "./rewrite-tree.ts";
export { verifyTrees } from "./verify.ts";
export {
  type LoadedSnapshots,
  loadSnapshots,
  manifestDamage,
  type UnreadableSnapshot,
} from "./verify-roots.ts";
export type {
  HurtRoot,
  VerifyCounters,
  VerifyEvent,
  VerifyOptions,
  VerifyProblem,
  SnapshotVerification,
  VerifyRoot,
} from "./verify-types.ts";
