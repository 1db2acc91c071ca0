/** Connection tokens: everything that is needed to connect again, as one word. Spec: kopia-snapshots 8.4. */
import { base64UrlToBytes, bytesToBase64Url, bytesToUtf8, utf8ToBytes } from "../bytes/index.ts";
import type { ConnectionInfo } from "../blob/index.ts";
import { SejfError } from "../errors/index.ts";
import { isRecord, readStorage } from "./config-json.ts";

const VERSION = "1";

export interface Token {
  readonly storage: ConnectionInfo;
  /** SECURITY: readable by anyone who sees the token. */
  readonly password: string | undefined;
}

/** Unpadded base64url of the JSON that Kopia writes. */
export function encodeToken(token: Token): string {
  const password =
    token.password === undefined || token.password === "" ? {} : { password: token.password };
  return bytesToBase64Url(
    utf8ToBytes(JSON.stringify({ version: VERSION, storage: token.storage, ...password })),
  );
}

/** @throws SEJF_INVALID_ARGUMENT for anything that is not a token of version 1. The text is never quoted. */
export function decodeToken(text: string): Token {
  let json: unknown;
  try {
    json = JSON.parse(bytesToUtf8(base64UrlToBytes(text.trim())));
  } catch {
    throw malformed("is not base64url text of JSON");
  }
  if (!isRecord(json)) throw malformed("holds no JSON object");
  if (json["version"] !== VERSION) throw malformed(`has another version than ${VERSION}`);
  const storage = readStorage(json["storage"]);
  if (storage === undefined) throw malformed("names no storage");
  const password = json["password"];
  return {
    storage,
    password: typeof password === "string" && password !== "" ? password : undefined,
  };
}

function malformed(what: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", `the connection token ${what}`, {
    hint: "copy the whole token that `repository status -t` printed",
  });
}
