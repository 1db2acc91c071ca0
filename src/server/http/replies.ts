/** Answers in the shape of Kopia's: indented JSON, errors as code and text. Spec: kopia-server 9. */

export const API_ERRORS = {
  INTERNAL: 500,
  ACCESS_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_CONNECTED: 400,
  ALREADY_INITIALIZED: 400,
  INVALID_PASSWORD: 400,
  INVALID_TOKEN: 400,
  MALFORMED_REQUEST: 400,
  NOT_CONNECTED: 400,
  NOT_INITIALIZED: 400,
  PATH_NOT_FOUND: 400,
  STORAGE_CONNECTION: 400,
} as const;
export type ApiErrorCode = keyof typeof API_ERRORS;

const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
} as const;

/** Members in the order given, indented by two, with a newline. */
export function jsonReply(value: unknown): Response {
  return new Response(`${JSON.stringify(value, null, 2)}\n`, {
    headers: { ...SECURITY_HEADERS, "content-type": "application/json" },
  });
}

/** `status`: another one than the code's. */
export function errorReply(code: ApiErrorCode, error: string, status?: number): Response {
  return new Response(`${JSON.stringify({ code, error }, null, 2)}\n`, {
    status: status ?? API_ERRORS[code],
    headers: { ...SECURITY_HEADERS, "content-type": "text/plain; charset=utf-8" },
  });
}

export function textReply(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { ...SECURITY_HEADERS, "content-type": "text/plain; charset=utf-8", ...headers },
  });
}
