/** Connection tokens: everything that is needed to connect again, as one word. Spec: kopia-snapshots 8.4. */
import { base64UrlToBytes, bytesToBase64Url, bytesToUtf8, utf8ToBytes } from "../bytes/index.ts";
import type { ConnectionInfo } from "../blob/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ApiServer, apiServerJson, apiServerOf } from "./api-server.ts";
import { isRecord, readStorage } from "./config-json.ts";

const VERSION = "1";

/** SECURITY: the password is readable by anyone who sees the token. */
export type Token =
  | { readonly storage: ConnectionInfo; readonly password: string | undefined }
  | ServerToken;

/** Of a connection to a server, which kopia has no tokens for. */
export interface ServerToken {
  readonly server: ApiServer;
  readonly username: string;
  readonly hostname: string;
  readonly password: string | undefined;
}

/** Unpadded base64url of the JSON that Kopia writes. */
export function encodeToken(token: Token): string {
  const password =
    token.password === undefined || token.password === "" ? {} : { password: token.password };
  const what =
    "storage" in token
      ? { storage: token.storage }
      : {
          apiServer: apiServerJson(token.server),
          username: token.username,
          hostname: token.hostname,
        };
  return bytesToBase64Url(utf8ToBytes(JSON.stringify({ version: VERSION, ...what, ...password })));
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
  const password = textOf(json["password"]);
  const storage = readStorage(json["storage"]);
  if (storage !== undefined) return { storage, password };
  if (!isRecord(json["apiServer"])) throw malformed("names neither a storage nor a server");
  const username = textOf(json["username"]);
  const hostname = textOf(json["hostname"]);
  if (username === undefined || hostname === undefined) throw malformed("names no user and host");
  return { server: serverIn(json["apiServer"]), username, hostname, password };
}

function serverIn(json: Readonly<Record<string, unknown>>): ApiServer {
  try {
    return apiServerOf(json, "it");
  } catch {
    throw malformed("has a malformed server");
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function malformed(what: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", `the connection token ${what}`, {
    hint: "copy the whole token that `repository status -t` printed",
  });
}
