/** Basic authentication of a request through the one gate that checks passwords. */
import { bytesToUtf8, base64ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import type { LoginGate, Principal } from "../types.ts";
import { textReply } from "./replies.ts";

export interface Credentials {
  readonly name: string;
  readonly password: string;
}

const MAX_HEADER_CHARACTERS = 4096;
const CHALLENGE = { "www-authenticate": 'Basic realm="Kopia"' } as const;

/** `undefined` for any header that is not what it should be. */
export function parseBasic(header: string | undefined): Credentials | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header?.trim() ?? "") ?? [];
  if (encoded === undefined || encoded.length > MAX_HEADER_CHARACTERS) return undefined;
  try {
    const text = bytesToUtf8(base64ToBytes(encoded));
    const colon = text.indexOf(":");
    return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
  } catch {
    return undefined;
  }
}

/** The caller, or the answer that sends him away. Failures are logged by the gate. */
export async function authenticate(
  gate: LoginGate,
  header: string | undefined,
  address: string,
  signal: AbortSignal,
): Promise<Principal | Response> {
  const credentials = parseBasic(header);
  if (credentials === undefined) return textReply(401, "Missing credentials.\n", CHALLENGE);
  try {
    const login = await gate.login({ ...credentials, address, door: "http" }, { signal });
    return login.principal;
  } catch (error) {
    if (isSejfError(error, "SEJF_ACCESS_DENIED"))
      return textReply(401, "Access denied.\n", CHALLENGE);
    if (isSejfError(error, "SEJF_LOCKED")) return textReply(429, error.message);
    throw error;
  }
}
