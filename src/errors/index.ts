/**
 * The errors of sejf: one class, a closed list of codes, and the assertion for what we broke ourselves.
 * Codes are a promise to callers; messages are for people and may change.
 */
export { assert } from "./assert.ts";
export { ERROR_CODES, type ErrorCode } from "./codes.ts";
export { errorFromUnknown, isSejfError, SejfError, type SejfErrorOptions } from "./sejf-error.ts";
