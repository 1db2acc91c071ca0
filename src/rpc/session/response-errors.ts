/**
 * The one table between the error codes of responses and ours, both ways. What a server does not explain with a code
 * of its own arrives as SEJF_IO with the server's words. Spec: kopia-server 2.1, 3.
 */
import { type ErrorCode, isSejfError, SejfError } from "../../errors/index.ts";
import type { ErrorResponse } from "../wire/messages.ts";

export const RESPONSE_CODES = {
  UNKNOWN_ERROR: 0,
  CLIENT_ERROR: 1,
  CONTENT_NOT_FOUND: 2,
  MANIFEST_NOT_FOUND: 3,
  OBJECT_NOT_FOUND: 4,
  ACCESS_DENIED: 5,
  /** Made by clients for themselves, never sent. */
  STREAM_BROKEN: 6,
  NOT_A_VOLUME: 7,
} as const;

/** The first line of each number is what it becomes here; every line is what becomes it there. */
const TABLE: readonly (readonly [number, ErrorCode])[] = [
  [RESPONSE_CODES.UNKNOWN_ERROR, "SEJF_IO"],
  [RESPONSE_CODES.CLIENT_ERROR, "SEJF_INVALID_ARGUMENT"],
  [RESPONSE_CODES.CLIENT_ERROR, "SEJF_INVALID_ID"],
  [RESPONSE_CODES.CONTENT_NOT_FOUND, "SEJF_CONTENT_NOT_FOUND"],
  [RESPONSE_CODES.MANIFEST_NOT_FOUND, "SEJF_MANIFEST_NOT_FOUND"],
  [RESPONSE_CODES.OBJECT_NOT_FOUND, "SEJF_NOT_FOUND"],
  [RESPONSE_CODES.ACCESS_DENIED, "SEJF_ACCESS_DENIED"],
  [RESPONSE_CODES.STREAM_BROKEN, "SEJF_CONNECTION"],
  [RESPONSE_CODES.NOT_A_VOLUME, "SEJF_UNSUPPORTED"],
];

/** Sent to clients instead of the details of a defect. */
const INTERNAL_ERROR = "internal error";
/** A server's words end up on a terminal: so much of them, and no control characters, which could steer it. */
const MAX_MESSAGE_CHARACTERS = 2000;

/** What a server answers for this error. Errors that are not ours tell nothing of themselves. */
export function responseOf(error: unknown): ErrorResponse {
  if (!isSejfError(error)) return { code: RESPONSE_CODES.UNKNOWN_ERROR, message: INTERNAL_ERROR };
  const code = TABLE.find(([, ours]) => ours === error.code)?.[0] ?? RESPONSE_CODES.UNKNOWN_ERROR;
  const { message, hint } = error;
  // Whoever is refused something is told what to do; other hints are for whoever runs the server.
  const isHinted = hint !== undefined && error.code === "SEJF_ACCESS_DENIED";
  return { code, message: isHinted ? `${message} (${hint})` : message };
}

/** The error that a client's call ends with. `doing` names the request. */
export function errorOfResponse({ code, message }: ErrorResponse, doing: string): SejfError {
  const ours = TABLE.find(([theirs]) => theirs === code)?.[1] ?? "SEJF_IO";
  const words = message.slice(0, MAX_MESSAGE_CHARACTERS).replace(/\p{Cc}/gu, " ");
  return new SejfError(ours, `${doing}: the server says: ${words}`);
}
