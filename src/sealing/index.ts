/** The repository that seals: over a folder, a server, any other repository. */
export {
  type AccountOpener,
  type DeviceGroup,
  type DeviceSecrets,
  splitAccount,
} from "./account.ts";
export { type DocumentName, type DocumentStore, SnapshotDocuments } from "./documents.ts";
export { assertDeviceMaySign, HeadMemory, type SeenHead } from "./head-memory.ts";
export { isSealedPath } from "./sealed-manifests.ts";
export { SealedRepository, type SealedRepositoryOptions } from "./sealed-repository.ts";
export type { LastSnapshot, LastSnapshots } from "./sealed-snapshots.ts";
