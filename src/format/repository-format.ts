/**
 * The decrypted format: algorithms, secrets and mutable parameters of a repository, and its way in and out of the
 * format blob. Spec: kopia-format 2.3, 2.4.
 *
 * SECURITY: a RepositoryFormat holds the secrets of the repository as plain bytes, because threads are started
 * from it. Never print, log or store it.
 */
import { bytesToBase64, type OwnedBytes, type Random } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type EpochParameters,
  epochParametersFromJson,
  epochParametersToJson,
} from "./epoch-parameters.ts";
import type { FormatBlob } from "./format-blob.ts";
import { encodeJson, JsonObject, omitEmpty, type UnknownMembers } from "./json-members.ts";
import { openWithFormatKey, sealWithFormatKey } from "./password-box.ts";
import {
  type RequiredFeature,
  requiredFeatureFromJson,
  requiredFeatureToJson,
} from "./required-features.ts";
import { type UpgradeLock, upgradeLockFromJson, upgradeLockToJson } from "./upgrade-lock.ts";

/** What a codec is made of: plain data, fit to be given to a thread. */
export interface CodecParameters {
  readonly hash: string;
  readonly encryption: string;
  /** Empty for none. */
  readonly ecc: string;
  readonly eccOverheadPercent: number;
  /** Key of the content hash; may be empty. */
  readonly secret: OwnedBytes;
  readonly masterKey: OwnedBytes;
  /** 1 or 2. */
  readonly indexVersion: number;
}

/** The decrypted format. Absent numbers have their defaults. */
export interface RepositoryFormat extends CodecParameters {
  /** 1, 2 or 3. Readers go by `indexVersion`, `epochParameters.enabled` and `enablePasswordChange` instead. */
  readonly version: number;
  /** Bytes at which a pack is finished. */
  readonly maxPackSize: number;
  readonly epochParameters: EpochParameters;
  /** False: no password change, a copy of the format blob in each pack, other keys from the password. */
  readonly enablePasswordChange: boolean;
  readonly splitter: string;
  readonly upgradeLock: UpgradeLock | undefined;
  readonly requiredFeatures: readonly RequiredFeature[];
  readonly unknown: UnknownMembers;
  /** Unknown members of the object around the format. */
  readonly unknownAround: UnknownMembers;
}

export const DEFAULT_MAX_PACK_SIZE: number = 20 << 20;
/** What may be set. */
export const MIN_MAX_PACK_SIZE: number = 10 << 20;
export const MAX_MAX_PACK_SIZE: number = 120 << 20;

const FORMAT_ENCRYPTION = "AES256_GCM";
const MAX_VERSION = 3;
const MAX_INDEX_VERSION = 2;
/** Offsets in packs have 30 bits in index version 2. */
const PACK_SIZE_LIMIT = 2 ** 30;

/**
 * The format inside of the blob.
 * @throws SEJF_INVALID_PASSWORD for the wrong key or a damaged blob; SEJF_UNSUPPORTED_FORMAT for what a newer
 * program wrote; SEJF_CORRUPT for authentic nonsense.
 */
export function openFormat(
  engine: CryptoEngine,
  blob: FormatBlob,
  formatKey: Uint8Array,
): RepositoryFormat {
  if (blob.encryption !== FORMAT_ENCRYPTION) {
    throw newerProgram(
      `the format is encrypted with ${JSON.stringify(blob.encryption)}, expected ${FORMAT_ENCRYPTION}`,
    );
  }
  return decodeFormat(openWithPassword(engine, blob, formatKey));
}

function openWithPassword(
  engine: CryptoEngine,
  blob: FormatBlob,
  formatKey: Uint8Array,
): OwnedBytes {
  try {
    return openWithFormatKey(engine, blob.uniqueId, formatKey, blob.encryptedFormat);
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw new SejfError("SEJF_INVALID_PASSWORD", "invalid repository password", {
      hint: "check the password; a damaged kopia.repository looks the same",
      cause: error,
    });
  }
}

/** The blob with this format inside and everything else as it was; the nonce is fresh. */
export function sealFormat(
  engine: CryptoEngine,
  blob: FormatBlob,
  formatKey: Uint8Array,
  format: RepositoryFormat,
  random: Random,
): FormatBlob {
  const encryptedFormat = sealWithFormatKey(
    engine,
    blob.uniqueId,
    formatKey,
    encodeFormat(format),
    random,
  );
  return { ...blob, encryption: FORMAT_ENCRYPTION, encryptedFormat };
}

/** The JSON inside. @throws SEJF_CORRUPT, SEJF_UNSUPPORTED_FORMAT. */
export function decodeFormat(bytes: Uint8Array): RepositoryFormat {
  const around = JsonObject.decode(bytes, "repository format");
  const json = around.object("format");
  const upgradeLock = json.optionalObject("upgradeLock");
  const format = {
    hash: json.string("hash"),
    encryption: json.string("encryption"),
    ecc: json.string("ecc"),
    eccOverheadPercent: json.count("eccOverheadPercent"),
    secret: json.bytes("secret"),
    masterKey: json.bytes("masterKey"),
    version: json.count("version"),
    maxPackSize: json.count("maxPackSize") || DEFAULT_MAX_PACK_SIZE,
    indexVersion: json.count("indexVersion") || 1,
    epochParameters: epochParametersFromJson(json.object("epochParameters")),
    enablePasswordChange: json.boolean("enablePasswordChange"),
    splitter: json.string("splitter"),
    upgradeLock: upgradeLock === undefined ? undefined : upgradeLockFromJson(upgradeLock),
    requiredFeatures: json.objects("requiredFeatures").map(requiredFeatureFromJson),
    unknown: json.unknown,
    unknownAround: around.unknown,
  };
  assertReadable(format);
  return format;
}

function assertReadable(format: RepositoryFormat): void {
  if (format.version < 1 || format.version > MAX_VERSION) {
    throw newerProgram(
      `repository format version is ${format.version}, expected 1 to ${MAX_VERSION}`,
    );
  }
  if (format.indexVersion > MAX_INDEX_VERSION) {
    throw newerProgram(
      `index version is ${format.indexVersion}, expected 1 or ${MAX_INDEX_VERSION}`,
    );
  }
  if (format.maxPackSize > PACK_SIZE_LIMIT) {
    throw newerProgram(
      `maximum pack size is ${format.maxPackSize}, expected ${PACK_SIZE_LIMIT} at most`,
    );
  }
  if (format.masterKey.byteLength === 0)
    throw new SejfError("SEJF_CORRUPT", "repository format has no master key");
}

/** In Kopia's order of members, compact. */
export function encodeFormat(format: RepositoryFormat): OwnedBytes {
  const json = {
    hash: omitEmpty(format.hash),
    encryption: omitEmpty(format.encryption),
    ecc: omitEmpty(format.ecc),
    eccOverheadPercent: omitEmpty(format.eccOverheadPercent),
    secret: omitEmpty(bytesToBase64(format.secret)),
    masterKey: omitEmpty(bytesToBase64(format.masterKey)),
    version: format.version,
    maxPackSize: format.maxPackSize,
    indexVersion: format.indexVersion,
    epochParameters: epochParametersToJson(format.epochParameters),
    enablePasswordChange: format.enablePasswordChange,
    splitter: omitEmpty(format.splitter),
    upgradeLock:
      format.upgradeLock === undefined ? undefined : upgradeLockToJson(format.upgradeLock),
    requiredFeatures: omitEmpty(format.requiredFeatures.map(requiredFeatureToJson)),
    ...format.unknown,
  };
  return encodeJson({ format: json, ...format.unknownAround });
}

function newerProgram(message: string): SejfError {
  return new SejfError("SEJF_UNSUPPORTED_FORMAT", message, {
    hint: "the repository needs a newer program",
  });
}
