/**
 * The status that ends a call: codes, the percent-encoding of messages, deadlines in headers, and how a status becomes
 * one of our errors. Spec: gRPC over HTTP/2, "Responses"; gRPC status codes.
 */
import { bytesToUtf8, utf8ToBytes } from "../../bytes/index.ts";
import { type ErrorCode, isSejfError, SejfError } from "../../errors/index.ts";

/** Every code of gRPC by its number. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatusName = keyof typeof GRPC_STATUS;

const NAME_BY_CODE: ReadonlyMap<number, GrpcStatusName> = new Map(
  (Object.keys(GRPC_STATUS) as GrpcStatusName[]).map((name) => [GRPC_STATUS[name], name]),
);

/** The one table from status to our codes. */
const CODE_OF_STATUS: Readonly<Record<GrpcStatusName, ErrorCode>> = {
  OK: "SEJF_CONNECTION",
  CANCELLED: "SEJF_CONNECTION",
  UNKNOWN: "SEJF_IO",
  INVALID_ARGUMENT: "SEJF_INVALID_ARGUMENT",
  DEADLINE_EXCEEDED: "SEJF_CONNECTION",
  NOT_FOUND: "SEJF_NOT_FOUND",
  ALREADY_EXISTS: "SEJF_ALREADY_EXISTS",
  PERMISSION_DENIED: "SEJF_ACCESS_DENIED",
  RESOURCE_EXHAUSTED: "SEJF_INVALID_ARGUMENT",
  FAILED_PRECONDITION: "SEJF_IO",
  ABORTED: "SEJF_CONNECTION",
  OUT_OF_RANGE: "SEJF_RANGE",
  UNIMPLEMENTED: "SEJF_UNSUPPORTED",
  INTERNAL: "SEJF_IO",
  UNAVAILABLE: "SEJF_CONNECTION",
  DATA_LOSS: "SEJF_CORRUPT",
  UNAUTHENTICATED: "SEJF_ACCESS_DENIED",
};

/** Longest message that is sent: it travels in a header. */
const MAX_STATUS_MESSAGE_BYTES = 4096;

/** A status other than OK: what a handler throws to end its call with, and what a client's call ends with. */
export class GrpcError extends SejfError {
  readonly status: GrpcStatusName;

  constructor(status: GrpcStatusName, message: string, options: { readonly cause?: unknown } = {}) {
    const code = CODE_OF_STATUS[status];
    super(code, message, { ...options, retryable: code === "SEJF_CONNECTION" });
    this.status = status;
  }
}

/** Any error as the status of a call. What is not ours tells nothing of itself. */
export function statusOf(error: unknown): {
  readonly status: GrpcStatusName;
  readonly message: string;
} {
  if (error instanceof GrpcError) return { status: error.status, message: error.message };
  if (isSejfError(error)) return { status: "UNKNOWN", message: error.message };
  return { status: "INTERNAL", message: "internal error" };
}

/** A status as trailers say it. */
export function statusFields(
  status: GrpcStatusName,
  message: string,
): Readonly<Record<string, string>> {
  return {
    "grpc-status": String(GRPC_STATUS[status]),
    ...(message === "" ? {} : { "grpc-message": encodeStatusMessage(message) }),
  };
}

/** The error of a call that ended so, `undefined` for OK. */
export function errorOfStatus(code: number, message: string): GrpcError | undefined {
  if (code === GRPC_STATUS.OK) return undefined;
  const status = NAME_BY_CODE.get(code) ?? "UNKNOWN";
  return new GrpcError(status, message === "" ? `the call ended with status ${status}` : message);
}

/** Everything but printable ASCII, and `%`, as `%XX`; cut where it grows too long for a header. */
export function encodeStatusMessage(message: string): string {
  let encoded = "";
  for (const byte of utf8ToBytes(message).subarray(0, MAX_STATUS_MESSAGE_BYTES)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** Never fails: what is not an escape stays as it is, what is not UTF-8 too. */
export function decodeStatusMessage(encoded: string): string {
  if (!encoded.includes("%")) return encoded;
  const decoded: number[] = [];
  for (let at = 0; at < encoded.length; at++) {
    const escape = /^%([0-9a-fA-F]{2})/.exec(encoded.slice(at, at + 3));
    if (escape === null) decoded.push(...utf8ToBytes(encoded.charAt(at)));
    else {
      decoded.push(Number.parseInt(escape[1] ?? "", 16));
      at += 2;
    }
  }
  try {
    return bytesToUtf8(Uint8Array.from(decoded));
  } catch {
    return encoded;
  }
}

/** Longest time that a timer of Node can wait; a longer one would be over at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** `grpc-timeout` in milliseconds. @throws GrpcError INVALID_ARGUMENT. */
export function parseTimeout(text: string): number {
  const parts = /^(\d{1,8})([HMSmun])$/.exec(text);
  const unit = UNIT_MS[parts?.[2] ?? ""];
  if (parts === null || unit === undefined)
    throw new GrpcError(
      "INVALID_ARGUMENT",
      `grpc-timeout is ${JSON.stringify(text.slice(0, 20))}, expected up to 8 digits and a unit`,
    );
  return Number(parts[1]) * unit;
}

/** The shortest unit that fits into 8 digits, rounded up. */
export function formatTimeout(timeoutMs: number): string {
  for (const unit of ["m", "S", "M", "H"]) {
    const count = Math.ceil(timeoutMs / (UNIT_MS[unit] ?? 1));
    if (count < 1e8) return `${count}${unit}`;
  }
  return "99999999H";
}
