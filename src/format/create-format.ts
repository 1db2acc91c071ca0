/** The format of a new repository. Spec: kopia-format 2.4, 2.10. */
import type { Random } from "../bytes/index.ts";
import {
  DEFAULT_ENCRYPTION,
  DEFAULT_HASH,
  encryptionAlgorithm,
  hashAlgorithm,
} from "../crypto/index.ts";
import { createEcc } from "../ecc/index.ts";
import { SejfError } from "../errors/index.ts";
import { DEFAULT_SPLITTER, splitterSpec } from "../splitter/index.ts";
import { DEFAULT_EPOCH_PARAMETERS, DISABLED_EPOCH_PARAMETERS } from "./epoch-parameters.ts";
import type { FormatBlob } from "./format-blob.ts";
import { DEFAULT_KEY_ALGORITHM, KEY_ALGORITHMS } from "./password-box.ts";
import {
  DEFAULT_MAX_PACK_SIZE,
  MAX_MAX_PACK_SIZE,
  MIN_MAX_PACK_SIZE,
  type RepositoryFormat,
} from "./repository-format.ts";

/** Absent ones have sejf's defaults: version 3, BLAKE3-256, AES256-GCM-HMAC-SHA256, DYNAMIC-4M-BUZHASH, scrypt. */
export interface CreateFormatOptions {
  /** 1, 2 or 3. Version 1 has index version 1, no epochs, no error correction and no change of the password. */
  readonly version?: number | undefined;
  readonly hash?: string | undefined;
  readonly encryption?: string | undefined;
  /** `REED-SOLOMON-CRC32`, with an overhead in percent. */
  readonly ecc?: string | undefined;
  readonly eccOverheadPercent?: number | undefined;
  readonly splitter?: string | undefined;
  readonly keyAlgorithm?: string | undefined;
  readonly maxPackSize?: number | undefined;
  /** Informational: what made the repository, and which version of it. */
  readonly tool?: string | undefined;
  readonly buildVersion?: string | undefined;
}

const DEFAULT_VERSION = 3;
const SECRET_BYTES = 32;

/**
 * Fresh secrets and the parameters chosen. `blob` holds no encrypted format yet: derive the key, then `sealFormat`.
 * @throws SEJF_INVALID_ARGUMENT for a value that cannot be; SEJF_UNSUPPORTED for a name that is not known.
 */
export function createFormat(
  options: CreateFormatOptions,
  random: Random,
): { readonly blob: FormatBlob; readonly format: RepositoryFormat } {
  const version = options.version ?? DEFAULT_VERSION;
  if (!Number.isInteger(version) || version < 1 || version > DEFAULT_VERSION) {
    throw invalid(`format version is ${version}, expected 1, 2 or 3`);
  }
  const format: RepositoryFormat = {
    hash: hashAlgorithm(options.hash ?? DEFAULT_HASH, SECRET_BYTES).name,
    encryption: encryptionAlgorithm(options.encryption ?? DEFAULT_ENCRYPTION).name,
    ...errorCorrection(options, version),
    secret: random.bytes(SECRET_BYTES),
    masterKey: random.bytes(SECRET_BYTES),
    version,
    maxPackSize: packSize(options.maxPackSize ?? DEFAULT_MAX_PACK_SIZE),
    indexVersion: version === 1 ? 1 : 2,
    epochParameters: version === 1 ? DISABLED_EPOCH_PARAMETERS : DEFAULT_EPOCH_PARAMETERS,
    enablePasswordChange: version !== 1,
    splitter: splitterSpec(options.splitter ?? DEFAULT_SPLITTER).name,
    upgradeLock: undefined,
    requiredFeatures: [],
    unknown: {},
    unknownAround: {},
  };
  return { blob: emptyBlob(options, random), format };
}

function emptyBlob(options: CreateFormatOptions, random: Random): FormatBlob {
  const keyAlgorithm = options.keyAlgorithm ?? DEFAULT_KEY_ALGORITHM;
  if (!KEY_ALGORITHMS.includes(keyAlgorithm)) {
    throw new SejfError(
      "SEJF_UNSUPPORTED",
      `key derivation ${JSON.stringify(keyAlgorithm)} is not known`,
      {
        hint: `known ones are ${KEY_ALGORITHMS.join(", ")}`,
      },
    );
  }
  return {
    tool: options.tool ?? "sejf",
    buildVersion: options.buildVersion ?? "",
    buildInfo: "",
    uniqueId: random.bytes(SECRET_BYTES),
    keyAlgorithm,
    encryption: "AES256_GCM",
    encryptedFormat: new Uint8Array(0),
    unknown: {},
  };
}

function errorCorrection(
  options: CreateFormatOptions,
  version: number,
): Pick<RepositoryFormat, "ecc" | "eccOverheadPercent"> {
  const name = options.ecc ?? "";
  const percent = options.eccOverheadPercent ?? 0;
  if (createEcc(name, percent) === undefined) return { ecc: "", eccOverheadPercent: 0 };
  if (version === 1)
    throw invalid("format version 1 has no error correction, choose version 2 or 3");
  return { ecc: name, eccOverheadPercent: percent };
}

/** A size that may be set. @throws SEJF_INVALID_ARGUMENT. */
export function packSize(bytes: number): number {
  if (Number.isInteger(bytes) && bytes >= MIN_MAX_PACK_SIZE && bytes <= MAX_MAX_PACK_SIZE)
    return bytes;
  throw invalid(
    `maximum pack size is ${bytes} bytes, expected ${MIN_MAX_PACK_SIZE} to ${MAX_MAX_PACK_SIZE}`,
  );
}

function invalid(message: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", message);
}
