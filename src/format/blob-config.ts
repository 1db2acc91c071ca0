/** `kopia.blobcfg`: the object lock of everything that is put, encrypted as the format is. Spec: kopia-format 2.8. */
import type { RetentionOptions } from "../blob/index.ts";
import type { OwnedBytes, Random } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { FormatBlob } from "./format-blob.ts";
import { encodeJson, JsonObject, omitEmpty, type UnknownMembers } from "./json-members.ts";
import { openWithFormatKey, sealWithFormatKey } from "./password-box.ts";

/** Both set or neither. */
export interface BlobConfig {
  readonly retentionMode: "" | RetentionOptions["mode"];
  readonly retentionPeriodNs: bigint;
  readonly unknown: UnknownMembers;
}

/** No object lock: also what the absence of the blob means. */
export const NO_BLOB_CONFIG: BlobConfig = { retentionMode: "", retentionPeriodNs: 0n, unknown: {} };

const MODES: readonly string[] = ["", "GOVERNANCE", "COMPLIANCE", "Locked"];
const MIN_PERIOD_NS = 24n * 3_600_000_000_000n;

/** @throws SEJF_INVALID_PASSWORD for the wrong key or a damaged blob; SEJF_CORRUPT. */
export function openBlobConfig(
  engine: CryptoEngine,
  blob: Pick<FormatBlob, "uniqueId">,
  formatKey: Uint8Array,
  bytes: Uint8Array,
): BlobConfig {
  let json: OwnedBytes;
  try {
    json = openWithFormatKey(engine, blob.uniqueId, formatKey, bytes);
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw new SejfError(
      "SEJF_INVALID_PASSWORD",
      "kopia.blobcfg does not open with the repository's password",
      {
        hint: "the blob is damaged, or a change of the password was interrupted: bring back the version of it before, which an object lock keeps",
        cause: error,
      },
    );
  }
  return decodeBlobConfig(json);
}

/** @throws SEJF_INVALID_ARGUMENT for a config that may not be set. */
export function sealBlobConfig(
  engine: CryptoEngine,
  blob: Pick<FormatBlob, "uniqueId">,
  formatKey: Uint8Array,
  config: BlobConfig,
  random: Random,
): OwnedBytes {
  validateBlobConfig(config);
  return sealWithFormatKey(engine, blob.uniqueId, formatKey, encodeBlobConfig(config), random);
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function validateBlobConfig(config: BlobConfig): void {
  if ((config.retentionMode === "") !== (config.retentionPeriodNs === 0n)) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "retention needs both a mode and a period, or neither",
    );
  }
  if (config.retentionMode !== "" && config.retentionPeriodNs < MIN_PERIOD_NS) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `retention period is ${config.retentionPeriodNs} ns, expected 24 hours or more`,
    );
  }
}

/** What storages take; `undefined` without object lock. */
export function retentionOf(config: BlobConfig): RetentionOptions | undefined {
  if (config.retentionMode === "" || config.retentionPeriodNs <= 0n) return undefined;
  return { mode: config.retentionMode, periodNs: config.retentionPeriodNs };
}

/** The JSON inside. @throws SEJF_CORRUPT. */
export function decodeBlobConfig(bytes: Uint8Array): BlobConfig {
  const json = JsonObject.decode(bytes, "kopia.blobcfg");
  const mode = json.string("retentionMode");
  if (!MODES.includes(mode))
    throw new SejfError(
      "SEJF_CORRUPT",
      `kopia.blobcfg has the retention mode ${JSON.stringify(mode.slice(0, 40))}`,
    );
  return {
    retentionMode: mode as BlobConfig["retentionMode"],
    retentionPeriodNs: json.bigint("retentionPeriod"),
    unknown: json.unknown,
  };
}

export function encodeBlobConfig(config: BlobConfig): OwnedBytes {
  return encodeJson({
    retentionMode: omitEmpty(config.retentionMode),
    retentionPeriod: omitEmpty(config.retentionPeriodNs),
    ...config.unknown,
  });
}
