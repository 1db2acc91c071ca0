/** Sealed accounts on the server. */
export {
  describeAccounts,
  describeSealed,
  sealedAccountInfo,
  type SealedAccountInfo,
  type SealedAccountStatus,
  SEEN_OF_SEALED,
} from "./describe.ts";
export {
  type EnrollmentCode,
  type EnrollmentCodeOptions,
  issueEnrollmentCode,
} from "./enrollment-code.ts";
export { createAccountService } from "./routes.ts";
export type { AccountServiceOptions } from "./service-http.ts";
export { SealedRoom, type SealedRoomOptions } from "./sealed-room.ts";
export type { StepUp, StepUps } from "./step-ups.ts";
