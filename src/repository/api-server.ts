/** What a connection file says of a repository server, under Kopia's names. Spec: kopia-server 1.3. */
import { SejfError } from "../errors/index.ts";
import type { ApiServerJson } from "./config-json.ts";

/** Derivations of the key of the local cache, by Kopia's names; the first is the default. */
export const CACHE_KEY_ALGORITHMS = ["scrypt-65536-8-1", "pbkdf2-sha256-600000"] as const;
export type CacheKeyAlgorithm = (typeof CACHE_KEY_ALGORITHMS)[number];

/** How to reach a repository server. */
export interface ApiServer {
  /** `https://host:port`, `kopia://host:port` or `unix+https:///path`; no slash at the end. */
  readonly url: string;
  /** 64 hex digits in lower case; `undefined`: the system's roots decide. */
  readonly fingerprint: string | undefined;
  readonly cacheKeyAlgorithm: CacheKeyAlgorithm;
  /** It is one of ours, which gives a session a connection of its own. */
  readonly upgrades: boolean;
}

/** @throws SEJF_INVALID_ARGUMENT for a fingerprint that is none, or an unknown algorithm. */
export function parseApiServer(given: {
  readonly url: string;
  readonly fingerprint?: string | undefined;
  readonly cacheKeyAlgorithm?: string | undefined;
  readonly upgrades?: boolean | undefined;
}): ApiServer {
  return {
    url: given.url.replace(/\/$/, ""),
    fingerprint: parseFingerprint(given.fingerprint ?? ""),
    cacheKeyAlgorithm: cacheKeyAlgorithm(given.cacheKeyAlgorithm ?? ""),
    upgrades: given.upgrades ?? false,
  };
}

/** What a connection is called that has no other description. */
export function serverDescription({ url }: Pick<ApiServer, "url">): string {
  return `API Server: ${url}`;
}

/** The `apiServer` of a connection file. */
export function apiServerJson(server: ApiServer): ApiServerJson {
  return {
    url: server.url,
    serverCertFingerprint: server.fingerprint ?? "",
    localCacheKeyDerivationAlgorithm: server.cacheKeyAlgorithm,
    ...(server.upgrades ? { sejfUpgrades: true } : {}),
  };
}

/** @throws SEJF_NOT_CONNECTED when it cannot be understood; `where` names it in the message. */
export function apiServerOf(json: ApiServerJson, where: string): ApiServer {
  const text = (name: string): string => {
    const value = json[name] ?? "";
    if (typeof value === "string") return value;
    throw new SejfError("SEJF_NOT_CONNECTED", `${where} has a ${name} that is not text`);
  };
  const url = text("url");
  if (url === "") throw new SejfError("SEJF_NOT_CONNECTED", `${where} has a server without a url`);
  return parseApiServer({
    url,
    fingerprint: text("serverCertFingerprint"),
    cacheKeyAlgorithm: text("localCacheKeyDerivationAlgorithm"),
    upgrades: json["sejfUpgrades"] === true,
  });
}

/** Colons and spaces between the digits, as other programs print them, and upper case are taken away. */
function parseFingerprint(given: string): string | undefined {
  const text = given.replaceAll(/[:\s]/g, "").toLowerCase();
  if (text === "") return undefined;
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `a certificate's fingerprint is 64 hex digits, ${JSON.stringify(given.slice(0, 100))} is not`,
    { hint: "give the SHA-256 that the server printed when it started" },
  );
}

function cacheKeyAlgorithm(given: string): CacheKeyAlgorithm {
  const [standard] = CACHE_KEY_ALGORITHMS;
  const found = CACHE_KEY_ALGORITHMS.find((name) => name === given);
  if (found !== undefined || given === "") return found ?? standard;
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `the key of the local cache is derived by ${CACHE_KEY_ALGORITHMS.join(" or ")}, not by ${JSON.stringify(given.slice(0, 100))}`,
  );
}
