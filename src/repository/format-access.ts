/**
 * The repository's format behind its password: opened from the storage, kept with its key, and rewritten when the
 * password or the parameters change. The storage is asked every time: a cached `kopia.repository` of a repository
 * that was made anew would silently give the old keys, and is never trusted.
 *
 * SECURITY: the format key opens everything. It stays in a private field, and is wiped when the access is disposed.
 */
import { type BlobStorage, getBlobIfPresent, type RetentionOptions } from "../blob/index.ts";
import {
  type CallOptions,
  type Clock,
  equalBytes,
  type OwnedBytes,
  type Random,
} from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { errorFromUnknown, isSejfError, SejfError } from "../errors/index.ts";
import {
  BLOB_CONFIG_BLOB_ID,
  type BlobConfig,
  type DerivedKeys,
  decodeFormatBlob,
  deriveFormatKey,
  deriveKeys,
  encodeFormatBlob,
  FORMAT_BLOB_ID,
  type FormatBlob,
  NO_BLOB_CONFIG,
  openBlobConfig,
  openFormat,
  packSize,
  type RepositoryFormat,
  retentionOf,
  sealBlobConfig,
  sealFormat,
  validateBlobConfig,
  validateEpochParameters,
} from "../format/index.ts";
import type { EarlyKey } from "./early-key.ts";
import { keepKey, loadKeptKey } from "./key-file.ts";

/** What opening and rewriting the format needs of the world. */
export interface FormatTools {
  readonly engine: CryptoEngine;
  readonly clock: Clock;
  readonly random: Random;
}

/** Where the key may come from, besides deriving it now. */
export interface KeySources {
  readonly earlyKey?: EarlyKey | undefined;
  /** The connection file beside which a key may be kept. */
  readonly configFile?: string | undefined;
}

/** The stored blob, not opened yet: the key can be derived while other things start. */
export interface StoredFormat {
  readonly blob: FormatBlob;
  readonly bytes: OwnedBytes;
}

/** @throws SEJF_NOT_A_REPOSITORY when the storage holds none; SEJF_CORRUPT. */
export async function readStoredFormat(
  storage: BlobStorage,
  options: CallOptions = {},
): Promise<StoredFormat> {
  const bytes = await getBlobIfPresent(storage, FORMAT_BLOB_ID, options);
  if (bytes === undefined) {
    throw new SejfError(
      "SEJF_NOT_A_REPOSITORY",
      `there is no repository in ${storage.displayName}`,
      {
        hint: "check the path, or make one with `repository create`",
      },
    );
  }
  return { blob: decodeStored(bytes), bytes };
}

function decodeStored(bytes: OwnedBytes): FormatBlob {
  try {
    return decodeFormatBlob(bytes);
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw new SejfError("SEJF_CORRUPT", error.message, {
      hint: "bring the blob back from a copy of the repository; `repository repair` rebuilds that of format version 1",
      cause: error,
    });
  }
}

/** An opened format with its key. */
export class FormatAccess implements Disposable {
  readonly #tools: FormatTools;
  #formatKey: OwnedBytes;
  #stored: StoredFormat;
  #format: RepositoryFormat;
  #blobConfig: BlobConfig;
  #loadedMs: number;

  private constructor(
    tools: FormatTools,
    formatKey: OwnedBytes,
    stored: StoredFormat,
    format: RepositoryFormat,
    blobConfig: BlobConfig,
  ) {
    this.#tools = tools;
    this.#formatKey = formatKey;
    this.#stored = stored;
    this.#format = format;
    this.#blobConfig = blobConfig;
    this.#loadedMs = tools.clock.nowMs();
  }

  /** @throws SEJF_INVALID_PASSWORD, SEJF_UNSUPPORTED_FORMAT, SEJF_CORRUPT, and the storage's own. */
  static async open(
    storage: BlobStorage,
    stored: StoredFormat,
    password: string,
    tools: FormatTools,
    options: CallOptions & KeySources = {},
  ): Promise<FormatAccess> {
    const [{ formatKey, format }, configBytes] = await settleBoth(
      openWithPassword(stored.blob, password, tools, options),
      getBlobIfPresent(storage, BLOB_CONFIG_BLOB_ID, { signal: options.signal }),
    );
    return new FormatAccess(
      tools,
      formatKey,
      stored,
      format,
      readBlobConfig(tools, stored, formatKey, configBytes),
    );
  }

  get format(): RepositoryFormat {
    return this.#format;
  }

  get blobConfig(): BlobConfig {
    return this.#blobConfig;
  }

  get uniqueId(): OwnedBytes {
    return this.#stored.blob.uniqueId;
  }

  get keyAlgorithm(): string {
    return this.#stored.blob.keyAlgorithm;
  }

  /** `kopia.repository` as stored. */
  get storedBytes(): OwnedBytes {
    return this.#stored.bytes;
  }

  /** When the format was last read from the storage. */
  get loadedMs(): number {
    return this.#loadedMs;
  }

  /** Object lock of everything that is put, where the repository demands it. */
  get retention(): RetentionOptions | undefined {
    return retentionOf(this.#blobConfig);
  }

  /** Keys that follow from the format: of local caches and of the maintenance schedule. */
  derivedKeys(): DerivedKeys {
    return deriveKeys(this.#tools.engine, this.#stored.blob, this.#formatKey, this.#format);
  }

  /**
   * Reads the format again, with the key there is.
   * @throws SEJF_INVALID_PASSWORD when another client has changed the password meanwhile.
   */
  async reload(storage: BlobStorage, options: CallOptions = {}): Promise<void> {
    const stored = await readStoredFormat(storage, options);
    const configBytes = await getBlobIfPresent(storage, BLOB_CONFIG_BLOB_ID, options);
    this.#format = openFormat(this.#tools.engine, stored.blob, this.#formatKey);
    this.#blobConfig = readBlobConfig(this.#tools, stored, this.#formatKey, configBytes);
    this.#stored = stored;
    this.#loadedMs = this.#tools.clock.nowMs();
  }

  /**
   * Derives another key from the same salt and rewrites both blobs under it. The keys of the data stay: an old copy
   * of `kopia.repository` and the old password still open the repository.
   * @throws SEJF_UNSUPPORTED where the format does not allow it; SEJF_INVALID_ARGUMENT for an empty password.
   */
  async changePassword(
    storage: BlobStorage,
    newPassword: string,
    options: CallOptions = {},
  ): Promise<void> {
    if (!this.#format.enablePasswordChange) {
      throw new SejfError(
        "SEJF_UNSUPPORTED",
        "the password of this repository cannot be changed: its format is version 1, or was upgraded from it",
        {
          hint: "create a new repository and copy the snapshots into it",
        },
      );
    }
    assertPassword(newPassword);
    const formatKey = await deriveFormatKey(this.#tools.engine, this.#stored.blob, newPassword);
    // Two blobs under two keys are no repository. Without the one that says nothing, it opens at every moment; one that
    // demands locks must never be away, so that it is put back when the other cannot follow.
    if (isEmptyBlobConfig(this.#blobConfig)) {
      await storage.delete(BLOB_CONFIG_BLOB_ID, options);
      await this.#write(storage, formatKey, this.#format, this.#blobConfig, options);
    } else {
      try {
        await this.#write(storage, formatKey, this.#format, this.#blobConfig, options);
      } catch (error) {
        throw await this.#takenBack(storage, errorFromUnknown(error, "changing the password"));
      }
    }
    this.#formatKey.fill(0);
    this.#formatKey = formatKey;
  }

  /**
   * After a failure between the two blobs: the config again under the key of the format that is stored. Says in the
   * error where that was not possible.
   */
  async #takenBack(storage: BlobStorage, error: SejfError): Promise<SejfError> {
    const { engine, random } = this.#tools;
    try {
      const { blob, bytes } = await readStoredFormat(storage);
      if (!equalBytes(bytes, this.#stored.bytes)) return error;
      const config = sealBlobConfig(engine, blob, this.#formatKey, this.#blobConfig, random);
      await storage.put(BLOB_CONFIG_BLOB_ID, config, { retention: this.retention });
      return error;
    } catch (second) {
      const { code, message } = error;
      return new SejfError(
        code,
        `${message}; the blob ${BLOB_CONFIG_BLOB_ID} may be under the new password already, with ${FORMAT_BLOB_ID} under the old`,
        {
          hint: `if the repository does not open any more, bring back the version of ${BLOB_CONFIG_BLOB_ID} before, which the object lock has kept`,
          cause: second,
        },
      );
    }
  }

  /** Rewrites both blobs with these parameters. @throws SEJF_INVALID_ARGUMENT for values that cannot be. */
  async replace(
    storage: BlobStorage,
    format: RepositoryFormat,
    blobConfig: BlobConfig,
    options: CallOptions = {},
  ): Promise<void> {
    validateParameters(format, blobConfig);
    await this.#write(storage, this.#formatKey, format, blobConfig, options);
    this.#format = format;
    this.#blobConfig = blobConfig;
  }

  [Symbol.dispose](): void {
    this.#formatKey.fill(0);
  }

  async #write(
    storage: BlobStorage,
    formatKey: OwnedBytes,
    format: RepositoryFormat,
    blobConfig: BlobConfig,
    options: CallOptions,
  ): Promise<void> {
    const { engine, random, clock } = this.#tools;
    const blob = sealFormat(engine, this.#stored.blob, formatKey, format, random);
    const bytes = encodeFormatBlob(blob);
    await putFormat(
      storage,
      { configBytes: sealBlobConfig(engine, blob, formatKey, blobConfig, random), bytes },
      blobConfig,
      options,
    );
    this.#stored = { blob, bytes };
    this.#loadedMs = clock.nowMs();
  }
}

/**
 * Writes both blobs, locked where the repository demands it. A `kopia.blobcfg` that demands something comes first, so
 * that nobody who opens the repository writes without a lock; an empty one says what its absence says, and comes last.
 */
export async function putFormat(
  storage: BlobStorage,
  blobs: { readonly configBytes: OwnedBytes; readonly bytes: OwnedBytes },
  blobConfig: BlobConfig,
  options: CallOptions,
): Promise<void> {
  const retention = retentionOf(blobConfig);
  const writes = [
    { id: BLOB_CONFIG_BLOB_ID, bytes: blobs.configBytes },
    { id: FORMAT_BLOB_ID, bytes: blobs.bytes },
  ];
  if (isEmptyBlobConfig(blobConfig)) writes.reverse();
  for (const { id, bytes } of writes) await storage.put(id, bytes, { ...options, retention });
}

function isEmptyBlobConfig({ retentionMode, unknown }: BlobConfig): boolean {
  return retentionMode === "" && Object.keys(unknown).length === 0;
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function assertPassword(password: string): void {
  if (password === "")
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "the repository password is empty, expected at least one character",
    );
}

/** @throws SEJF_INVALID_ARGUMENT naming the parameter. Spec: kopia-format 2.4, 2.8, 5.1. */
export function validateParameters(format: RepositoryFormat, blobConfig: BlobConfig): void {
  packSize(format.maxPackSize);
  if (format.epochParameters.enabled) validateEpochParameters(format.epochParameters);
  validateBlobConfig(blobConfig);
}

/** A kept key is tried first; when it does not fit (any more), the key is derived and kept. */
async function openWithPassword(
  blob: FormatBlob,
  password: string,
  tools: FormatTools,
  { configFile, earlyKey }: KeySources,
): Promise<{ readonly formatKey: OwnedBytes; readonly format: RepositoryFormat }> {
  const kept = configFile === undefined ? undefined : loadKeptKey(configFile, password, blob);
  if (kept !== undefined) {
    try {
      return { formatKey: kept, format: openFormat(tools.engine, blob, kept) };
    } catch (error) {
      if (!isSejfError(error, "SEJF_INVALID_PASSWORD")) throw error;
    }
  }
  const formatKey = await (earlyKey?.take(blob, password) ??
    deriveFormatKey(tools.engine, blob, password));
  const format = openFormat(tools.engine, blob, formatKey);
  if (configFile !== undefined) await keepKey(configFile, password, blob, formatKey);
  return { formatKey, format };
}

function readBlobConfig(
  tools: FormatTools,
  stored: StoredFormat,
  key: Uint8Array,
  bytes: Uint8Array | undefined,
): BlobConfig {
  return bytes === undefined
    ? NO_BLOB_CONFIG
    : openBlobConfig(tools.engine, stored.blob, key, bytes);
}

/** Both results, or the first failure once neither is running any more. */
async function settleBoth<A, B>(a: Promise<A>, b: Promise<B>): Promise<readonly [A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === "rejected") throw first.reason;
  if (second.status === "rejected") throw second.reason;
  return [first.value, second.value];
}
