/**
 * Client-side encryption: contents, cuts, references, snapshots, keyrings, groups and policies that only their owners
 * read. Nothing here does I/O; a `Repository` that seals is made of these parts. Spec: `docs/sealed.md`.
 */
export {
  type AccountKeys,
  deriveAccountKeys,
  derivePrivateKeys,
  identityToSeed,
  loginInput,
  type PrivateKeys,
  seedToIdentity,
} from "./account-keys.ts";
export { isRecipient, openSealed, recipientFingerprint, sealTo } from "./age.ts";
export { blindedPath, SEALED_ROOT } from "./blinded-path.ts";
export {
  ContentSealer,
  deriveContentKey,
  openContent,
  type SealedContent,
} from "./content-seal.ts";
export {
  ContentsTreeBuilder,
  type ListedContent,
  type StoreDirectory,
  type StoredDirectory,
  type TreeSummary,
} from "./contents-tree.ts";
export {
  certifyDevice,
  chainOf,
  type DeviceCertificate,
  type Head,
  openCertificate,
  type OpenedHead,
  openHead,
  signHead,
} from "./device.ts";
export {
  adminsIn,
  type Group,
  type GroupMember,
  type GroupParams,
  type InviteRecord,
  inviteId,
  isJoinKeyMac,
  isJoinMac,
  joinKeyMac,
  joinMac,
  type KnownGroup,
  newGroupId,
  type OpenedGroup,
  openGroup,
  openInvite,
  type ProbeScope,
  readPinnedGroup,
  writeGroup,
  writeInvite,
} from "./group.ts";
export {
  decodeKeyring,
  encodeKeyring,
  type Keyring,
  type KeyringDevice,
  type KeyringGroup,
  type KeyringInvite,
} from "./keyring.ts";
export {
  type KeyringCopy,
  keyringCopyIn,
  openKeyringCopy,
  writeKeyringCopy,
} from "./keyring-copy.ts";
export {
  type Argon2id,
  type Argon2Params,
  type KeyringLock,
  lockKeyring,
  unlockKeyring,
} from "./keyring-file.ts";
export {
  type DeletedHeads,
  openPolicies,
  type PolicyDocument,
  type SealedPolicy,
  writePolicies,
} from "./policy-document.ts";
export { shortensRetention } from "./policy-parts.ts";
export {
  ACCOUNT_KEY_LABEL,
  ENROLLMENT_LABEL,
  INVITE_LABEL,
  parseCode,
  printCode,
} from "./printed-code.ts";
export {
  formatReference,
  joinReference,
  parseReference,
  type SealedReference,
  splitReference,
} from "./reference.ts";
export { createSealedSplitter, deriveSplitterSecrets } from "./sealed-splitter.ts";
export { JsonShape } from "./json-shape.ts";
export {
  parsePayload,
  payloadOf,
  readUnverified,
  signingPublicKey,
  signLine,
  verifyLine,
} from "./signed.ts";
export { openSnapshotBody, sealSnapshotBody, type SnapshotBody } from "./snapshot-body.ts";
export {
  authorizeOperation,
  isAuthorized,
  operationHash,
  type StepUpOperation,
  type StepUpVerb,
} from "./step-up.ts";
export type * from "./account-service.ts";
export {
  ACCOUNT_SERVICE_PATH,
  MAX_DELETED_AT_ONCE,
  REKEY_LABEL,
  RESET_LABEL,
  RESET_START_LABEL,
  STEP_UP_HEADER,
  TOKEN_PREFIX,
} from "./account-service.ts";
