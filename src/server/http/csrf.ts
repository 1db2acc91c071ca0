/**
 * Tokens against forged requests: a page of the interface carries one, and calls of the interface must bring it along.
 * The token is a keyed hash of the browser's session cookie. SECURITY: the key signs nothing else. With Kopia it also
 * signs login cookies, so that a token is a forged login; here no cookie lets anybody in at all. Spec: kopia-server 12.8.
 */
import { createHmac, hkdfSync, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";

export const SESSION_COOKIE = "Kopia-Session-Cookie";
export const CSRF_HEADER = "x-kopia-csrf-token";

const KEY_BYTES = 32;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** From a key that several servers may share, else new for each process. */
export function csrfKey(sharedKey: string | undefined): Uint8Array {
  const secret = sharedKey ?? randomBytes(KEY_BYTES);
  return new Uint8Array(hkdfSync("sha256", secret, "", "sejf server: csrf token", KEY_BYTES));
}

export function newSessionCookie(): string {
  return randomUUID();
}

export function isSessionCookie(value: string | undefined): value is string {
  return value !== undefined && UUID.test(value);
}

/** Lower-case hex. */
export function csrfToken(key: Uint8Array, session: string): string {
  return createHmac("sha256", key).update(session).digest("hex");
}

/** In constant time. */
export function isCsrfToken(
  key: Uint8Array,
  session: string | undefined,
  token: string | undefined,
): boolean {
  if (!isSessionCookie(session) || token === undefined) return false;
  const expected = Buffer.from(csrfToken(key, session));
  const given = Buffer.from(token);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
