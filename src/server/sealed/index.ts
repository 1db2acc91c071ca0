/** Sealed accounts on the server. */
export type { ArrivingSnapshot, SealedAdmission } from "./admission.ts";
export {
  type EnrollmentCode,
  type EnrollmentCodeOptions,
  issueEnrollmentCode,
} from "./enrollment-code.ts";
export { isOuterPart } from "./outer-part.ts";
export { type AccountServiceOptions, createAccountService } from "./routes.ts";
export { type SealedAccountStatus, SealedRoom, type SealedRoomOptions } from "./sealed-room.ts";
export type { StepUp, StepUps } from "./step-ups.ts";
