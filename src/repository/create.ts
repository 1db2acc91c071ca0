/** Making a repository in an empty storage. Spec: kopia-format 2.10, kopia-snapshots 5.1 and 7.1. */
import type { BlobStorage } from "../blob/index.ts";
import { type CallOptions, type Random, systemRandom } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  BLOB_CONFIG_BLOB_ID,
  type BlobConfig,
  type CreateFormatOptions,
  createFormat,
  deriveFormatKey,
  encodeFormatBlob,
  type FormatBlob,
  NO_BLOB_CONFIG,
  type RepositoryFormat,
  sealBlobConfig,
  sealFormat,
} from "../format/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import { assertPassword, putFormat, validateParameters } from "./format-access.ts";
import { assertRetentionPossible } from "./retention.ts";

export interface CreateRepositoryOptions extends CallOptions {
  readonly password: string;
  /** Algorithms and sizes; what is absent has sejf's defaults. */
  readonly format?: CreateFormatOptions | undefined;
  /** Object lock of everything that will be put. */
  readonly retention?: BlobConfig | undefined;
  readonly engine?: CryptoEngine | undefined;
  readonly random?: Random | undefined;
}

/** What was made: nothing in it is secret. */
export interface CreatedRepository {
  readonly uniqueId: Uint8Array;
  readonly keyAlgorithm: string;
  readonly format: Pick<
    RepositoryFormat,
    "version" | "hash" | "encryption" | "ecc" | "eccOverheadPercent" | "splitter"
  >;
}

/**
 * Writes `kopia.blobcfg` and `kopia.repository` into an empty storage.
 * @throws SEJF_ALREADY_EXISTS when the storage holds anything else; SEJF_INVALID_ARGUMENT, SEJF_UNSUPPORTED.
 */
export async function createRepository(
  storage: BlobStorage,
  options: CreateRepositoryOptions,
): Promise<CreatedRepository> {
  const engine = options.engine ?? nodeCryptoEngine;
  const random = options.random ?? systemRandom;
  const retention = options.retention ?? NO_BLOB_CONFIG;
  assertPassword(options.password);
  const { blob: unsealed, format } = createFormat(options.format ?? {}, random);
  validateParameters(format, retention);
  assertRetentionPossible(storage, retention);
  await assertEmpty(storage, options);
  const formatKey = await deriveFormatKey(engine, unsealed, options.password);
  const blob: FormatBlob = sealFormat(engine, unsealed, formatKey, format, random);
  const configBytes = sealBlobConfig(engine, blob, formatKey, retention, random);
  formatKey.fill(0);
  await putFormat(storage, { configBytes, bytes: encodeFormatBlob(blob) }, retention, {
    signal: options.signal,
  });
  return { uniqueId: blob.uniqueId, keyAlgorithm: blob.keyAlgorithm, format };
}

/** A lone `kopia.blobcfg` is what a creation leaves that was killed between its two blobs: nothing hangs on it. */
async function assertEmpty(storage: BlobStorage, options: CallOptions): Promise<void> {
  for await (const page of storage.list("", { signal: options.signal })) {
    const found = page.find(({ id }) => id !== BLOB_CONFIG_BLOB_ID);
    if (found === undefined) continue;
    throw new SejfError(
      "SEJF_ALREADY_EXISTS",
      `${storage.displayName} is not empty: it holds ${found.id}`,
      {
        hint: "use `repository connect` when it is a repository, or choose an empty place",
      },
    );
  }
}
