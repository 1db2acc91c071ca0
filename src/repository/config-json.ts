/**
 * The connection file's JSON, as Kopia writes it: known fields checked, unknown ones kept for the next writing.
 * Spec: kopia-format 1.6, kopia-snapshots 8.1. Written by hand: every command waits for it before it can start to
 * derive the key, and a schema library takes longer to load than all of this.
 */
import type { ConnectionInfo, ThrottlingLimits } from "../blob/index.ts";
import { SejfError } from "../errors/index.ts";

type Json = Readonly<Record<string, unknown>>;
/** `apiServer` as stored, unknown fields included. */
export type ApiServerJson = Json;

/** Settings of this client, the same for direct and server connections. */
export interface ClientOptions {
  readonly hostname: string;
  readonly username: string;
  readonly readOnly: boolean;
  readonly permissiveCacheLoading: boolean;
  readonly description: string;
  readonly enableActions: boolean;
  /** Nanoseconds; negative switches the cache of the format blob off. Kept for Kopia: sejf asks the storage each time. */
  readonly formatBlobCacheDurationNs: number;
  readonly throttling: ThrottlingLimits | undefined;
}

/** `caching` as stored: sizes in bytes, ages in seconds; absent or 0 is the default of whoever reads it. */
export interface CachingOptions {
  readonly cacheDirectory?: string | undefined;
  readonly maxCacheSize?: number | undefined;
  readonly contentCacheSizeLimitBytes?: number | undefined;
  readonly maxMetadataCacheSize?: number | undefined;
  readonly metadataCacheSizeLimitBytes?: number | undefined;
  readonly maxListCacheDuration?: number | undefined;
  readonly minMetadataSweepAge?: number | undefined;
  readonly minContentSweepAge?: number | undefined;
  readonly minIndexSweepAge?: number | undefined;
}

export interface ConnectionConfig {
  /** Only for a direct connection. */
  readonly storage: ConnectionInfo | undefined;
  /** Only for a connection to a server; `apiServerOf` takes it apart. */
  readonly apiServer: ApiServerJson | undefined;
  readonly caching: CachingOptions | undefined;
  readonly client: ClientOptions;
  /** Fields that this program does not know, as read. */
  readonly unknown: Json;
}

/** 15 minutes. */
export const DEFAULT_FORMAT_CACHE_NS = 900_000_000_000;

/** In Kopia's order. */
export const THROTTLING_NAMES: readonly (keyof ThrottlingLimits)[] = [
  "readsPerSecond",
  "writesPerSecond",
  "listsPerSecond",
  "maxUploadSpeedBytesPerSecond",
  "maxDownloadSpeedBytesPerSecond",
  "concurrentReads",
  "concurrentWrites",
];

const CACHING_NUMBERS = [
  "maxCacheSize",
  "contentCacheSizeLimitBytes",
  "maxMetadataCacheSize",
  "metadataCacheSizeLimitBytes",
  "maxListCacheDuration",
  "minMetadataSweepAge",
  "minContentSweepAge",
  "minIndexSweepAge",
] as const;

const KNOWN: ReadonlySet<string> = new Set([
  "apiServer",
  "storage",
  "caching",
  "hostname",
  "username",
  "readonly",
  "permissiveCacheLoading",
  "description",
  "enableActions",
  "formatBlobCacheDuration",
  "throttlingLimits",
]);

/** @throws SEJF_NOT_CONNECTED when the text is not such a file; `where` names it in the message. */
export function decodeConfig(text: string, where: string): ConnectionConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw broken(where, "is not JSON");
  }
  if (!isRecord(json)) throw broken(where, "holds no JSON object");
  const read = new Fields(json, where);
  const storage = readStorage(json["storage"]);
  if (json["storage"] !== undefined && storage === undefined)
    throw broken(where, "has a malformed storage");
  const apiServer = json["apiServer"];
  if (apiServer !== undefined && !isRecord(apiServer))
    throw broken(where, "has a malformed apiServer");
  if (storage === undefined && apiServer === undefined)
    throw broken(where, "names neither a storage nor a server");
  return {
    storage,
    apiServer,
    caching: read.caching(),
    client: {
      hostname: read.text("hostname"),
      username: read.text("username"),
      readOnly: read.flag("readonly"),
      permissiveCacheLoading: read.flag("permissiveCacheLoading"),
      description: read.text("description"),
      enableActions: read.flag("enableActions"),
      formatBlobCacheDurationNs: read.number("formatBlobCacheDuration") ?? 0,
      throttling: read.throttling(),
    },
    unknown: Object.fromEntries(Object.entries(json).filter(([name]) => !KNOWN.has(name))),
  };
}

/** Kopia's order, two spaces, no newline at the end; empty values are left out as Kopia leaves them out. */
export function encodeConfig(config: ConnectionConfig): string {
  return JSON.stringify(
    { ...configSections(config), ...clientOptionsJson(config.client), ...config.unknown },
    null,
    2,
  );
}

function configSections(config: ConnectionConfig): Json {
  return {
    ...(config.apiServer === undefined ? {} : { apiServer: config.apiServer }),
    ...(config.storage === undefined ? {} : { storage: config.storage }),
    ...(config.caching === undefined ? {} : { caching: cachingJson(config.caching) }),
  };
}

function cachingJson(caching: CachingOptions): Json {
  const names = ["cacheDirectory", ...CACHING_NUMBERS] as const;
  return withoutEmpty(Object.fromEntries(names.map((name) => [name, caching[name]])));
}

/** The fields of `repository status --json` and of the file. */
export function clientOptionsJson(client: ClientOptions): Json {
  return {
    hostname: client.hostname,
    username: client.username,
    ...withoutEmpty({
      readonly: client.readOnly,
      permissiveCacheLoading: client.permissiveCacheLoading,
      description: client.description,
    }),
    enableActions: client.enableActions,
    ...withoutEmpty({ formatBlobCacheDuration: client.formatBlobCacheDurationNs }),
    ...(client.throttling === undefined
      ? {}
      : { throttlingLimits: throttlingJson(client.throttling) }),
  };
}

/** Kopia's order, zero values left out. */
export function throttlingJson(limits: ThrottlingLimits): Json {
  return withoutEmpty(Object.fromEntries(THROTTLING_NAMES.map((name) => [name, limits[name]])));
}

/** `{"type":…, "config":{…}}`, or `undefined` when it is none. */
export function readStorage(value: unknown): ConnectionInfo | undefined {
  if (!isRecord(value) || typeof value["type"] !== "string" || !isRecord(value["config"]))
    return undefined;
  return { type: value["type"], config: value["config"] };
}

export function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutEmpty(values: object): Json {
  const isEmpty = (value: unknown): boolean =>
    value === undefined || value === 0 || value === "" || value === false;
  return Object.fromEntries(Object.entries(values).filter(([, value]) => !isEmpty(value)));
}

/** Fields of the right type, or an error that names the file and the field. */
class Fields {
  readonly #json: Json;
  readonly #where: string;

  constructor(json: Json, where: string) {
    this.#json = json;
    this.#where = where;
  }

  text(name: string): string {
    const value = this.#json[name] ?? "";
    if (typeof value !== "string") throw broken(this.#where, `has a ${name} that is not text`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#json[name] ?? false;
    if (typeof value !== "boolean")
      throw broken(this.#where, `has a ${name} that is neither true nor false`);
    return value;
  }

  number(name: string): number | undefined {
    const value = this.#json[name] ?? undefined;
    if (value !== undefined && typeof value !== "number")
      throw broken(this.#where, `has a ${name} that is not a number`);
    return value;
  }

  throttling(): ThrottlingLimits | undefined {
    const json = this.#section("throttlingLimits");
    return json && Object.fromEntries(THROTTLING_NAMES.map((name) => [name, json.number(name)]));
  }

  caching(): CachingOptions | undefined {
    const json = this.#section("caching");
    if (json === undefined) return undefined;
    const numbers = Object.fromEntries(CACHING_NUMBERS.map((name) => [name, json.number(name)]));
    return { cacheDirectory: json.text("cacheDirectory"), ...numbers };
  }

  #section(name: string): Fields | undefined {
    const value = this.#json[name] ?? undefined;
    if (value === undefined) return undefined;
    if (!isRecord(value)) throw broken(this.#where, `has a malformed ${name}`);
    return new Fields(value, this.#where);
  }
}

function broken(where: string, what: string): SejfError {
  return new SejfError("SEJF_NOT_CONNECTED", `the connection file ${where} ${what}`, {
    hint: "disconnect and connect again, or name another file with --config-file",
  });
}
