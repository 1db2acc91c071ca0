/** The repository that seals: over a folder, a server, any other repository; its account, devices and documents. */
export {
  type AccountOpener,
  type DeviceGroup,
  type DeviceSecrets,
  splitAccount,
} from "./account.ts";
export { AccountGroups, type InviteWishes, type NewInvite } from "./account-groups.ts";
export { AccountClient, documentsOfServer, needsSejfServer } from "./account-client.ts";
export { nodeArgon2id } from "./argon2.ts";
export {
  deviceFileOf,
  type DeviceState,
  lastSnapshots,
  loadDevice,
  removeDevice,
  saveDevice,
  updateDevice,
} from "./device-file.ts";
export { type DocumentName, type DocumentStore, SnapshotDocuments } from "./documents.ts";
export {
  addDevice,
  deviceOfIdentity,
  enrollInRepository,
  type KitIdentities,
  type Enrolled,
  enrollOnServer,
  type EnrollOptions,
  type EnrollTools,
  type NewDeviceOptions,
} from "./enroll.ts";
export { nameOf as groupNameOf } from "./group-book.ts";
export type { AccountGroupsOptions, GroupState } from "./group-ledger.ts";
export {
  assertMinSize,
  DEFAULT_GROUP_COMPRESSION,
  DEFAULT_MIN_SIZE,
  type GroupWishes,
} from "./group-params.ts";
export {
  assertDeviceMaySign,
  describeMissing,
  HeadMemory,
  type MissingHead,
  type SeenHead,
  sourceOfChain,
} from "./head-memory.ts";
export type { HttpsServer } from "./https-json.ts";
export { KeptListings, keptFolderOf, removeKept } from "./kept-listings.ts";
export { identifiersOf, type LoginPurpose } from "./opaque-client.ts";
export {
  documentsIn,
  type OpenedBelow,
  openSealed,
  type OpenSealed,
  type OpenSealedOptions,
} from "./open.ts";
export { rekeyAccount } from "./rekey.ts";
export {
  parseRecoveryKit,
  recoveryKitText,
  type RecoveryKitParts,
} from "./recovery-kit.ts";
export { isSealedPath } from "./sealed-manifests.ts";
export { DeleteLogin, type DeleteLoginOptions } from "./delete-login.ts";
export { type Guard, GuardedRepository } from "./guarded-repository.ts";
export { SealedRepository, type SealedRepositoryOptions } from "./sealed-repository.ts";
export type { LastSnapshot, LastSnapshots } from "./sealed-snapshots.ts";
export type { HeadAudit } from "./snapshot-heads.ts";
export {
  logIn,
  logInToDelete,
  PasswordOpener,
  unlockAccount,
  type UnlockedAccount,
  type UnlockOptions,
} from "./unlock.ts";
export type { JoinVerdict } from "./join-requests.ts";
export { changeKeyring, type KeyringPlace, sessionOf } from "./keyring-store.ts";
export {
  keepGroups,
  unlockDevice,
  type UnlockDeviceOptions,
  type UnlockedDevice,
} from "./unlock-device.ts";
export {
  openRestoredFolder,
  type RestoredFolder,
  type RestoredFolderOptions,
  type UnsealTools,
} from "./unseal.ts";
export {
  type ChangeOptions,
  changePassword,
  headsOf,
  type NewPasswords,
  renameDevice,
  revokeDevice,
} from "./account-change.ts";
export { type ResetAccount, resetInRepository, resetOnServer } from "./account-reset.ts";
