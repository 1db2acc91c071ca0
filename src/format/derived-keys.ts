/** Keys derived from the secrets of the format, or from the password where it cannot change. Spec: kopia-format 2.6. */
import { type OwnedBytes, type Random, utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import type { FormatBlob } from "./format-blob.ts";
import { openWithNonce, sealWithNonce } from "./password-box.ts";
import type { RepositoryFormat } from "./repository-format.ts";

export interface DerivedKeys {
  /** 16 bytes; only for caches on this machine. */
  readonly localCacheIntegrity: OwnedBytes;
  /** 32 bytes; for `kopia.maintenance`. */
  readonly maintenanceSchedule: OwnedBytes;
}

const CACHE_INFO = utf8ToBytes("local-cache-integrity");
const MAINTENANCE_INFO = utf8ToBytes("maintenance schedule");
const MAINTENANCE_AAD = utf8ToBytes("maintenance");

/** The keys of a repository that was opened with `formatKey`. */
export function deriveKeys(
  engine: CryptoEngine,
  blob: Pick<FormatBlob, "uniqueId">,
  formatKey: Uint8Array,
  format: Pick<RepositoryFormat, "secret" | "masterKey" | "enablePasswordChange">,
): DerivedKeys {
  const { secret, masterKey, enablePasswordChange } = format;
  // NOTE: Kopia cannot cache where the secret is absent; nobody else reads our caches, so any secret key will do
  const cacheSecret = secret.byteLength === 0 ? masterKey : secret;
  return {
    localCacheIntegrity: engine.hkdfSha256(
      enablePasswordChange ? cacheSecret : formatKey,
      blob.uniqueId,
      CACHE_INFO,
      16,
    ),
    maintenanceSchedule: engine.hkdfSha256(
      enablePasswordChange ? masterKey : formatKey,
      blob.uniqueId,
      MAINTENANCE_INFO,
      32,
    ),
  };
}

/** The bytes of `kopia.maintenance`. */
export function sealMaintenanceSchedule(
  engine: CryptoEngine,
  key: Uint8Array,
  json: Uint8Array,
  random: Random,
): OwnedBytes {
  return sealWithNonce(engine, key, json, MAINTENANCE_AAD, random);
}

/** The JSON in `kopia.maintenance`. @throws SEJF_CORRUPT. */
export function openMaintenanceSchedule(
  engine: CryptoEngine,
  key: Uint8Array,
  bytes: Uint8Array,
): OwnedBytes {
  return openWithNonce(engine, key, bytes, MAINTENANCE_AAD);
}
