/** Opens the storage that a connection file describes, with the wrappers that every connection gets. */
import {
  type BlobStorage,
  type ConnectionInfo,
  isThrottled,
  type RetryOptions,
  type ThrottledStorage,
  type ThrottlingLimits,
  withRetry,
  withThrottle,
} from "../blob/index.ts";
import { type Clock, type Random, systemClock, systemRandom } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { openFilesystemStorage, parseFilesystemConfig } from "./filesystem/index.ts";

export interface OpenStorageOptions {
  /** Makes the place where there is none, and lays it out as a new repository. Default false. */
  readonly create?: boolean | undefined;
  readonly random?: Random | undefined;
  readonly clock?: Clock | undefined;
  /** Limits of the connection; they take the place of those in the storage's own configuration. */
  readonly limits?: ThrottlingLimits | undefined;
  /** Limits can be changed while the storage is in use: given what changes them, also where there are none now. */
  readonly onThrottle?: ((throttle: ThrottledStorage) => void) | undefined;
  readonly retry?: RetryOptions | undefined;
  /** Told what went wrong without stopping the work. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

interface Opened {
  readonly storage: BlobStorage;
  /** As the storage's own configuration has them. */
  readonly limits: ThrottlingLimits;
}

type Opener = (config: ConnectionInfo["config"], options: OpenStorageOptions) => Promise<Opened>;

const OPENERS: Readonly<Record<string, Opener>> = {
  filesystem: async (config, options) => {
    const parsed = parseFilesystemConfig(config);
    const random = options.random ?? systemRandom;
    const { create, onWarning } = options;
    return {
      storage: await openFilesystemStorage(parsed, { create, random, onWarning }),
      limits: parsed,
    };
  },
  s3: async (config, options) => {
    // the SDK is half a megabyte: only for whoever has a bucket
    const { openS3Storage, parseS3Config } = await import("./s3/index.ts");
    const parsed = parseS3Config(config);
    const { clock, retry } = options;
    return { storage: await openS3Storage(parsed, { clock, retry }), limits: parsed };
  },
};

/** What kopia knows beside them; named in the error, so that nobody looks for a typing mistake. */
const OTHER_TYPES: readonly string[] = [
  "sftp",
  "webdav",
  "gcs",
  "b2",
  "azureBlob",
  "gdrive",
  "rclone",
];

/** Types that can be opened. */
export const STORAGE_TYPES: readonly string[] = Object.keys(OPENERS);

/**
 * Opens a storage by its connection, with retries and, where limits are set, throttling around it.
 * @throws SEJF_UNSUPPORTED for a type that is not offered; SEJF_INVALID_ARGUMENT for a configuration that cannot be;
 * SEJF_NOT_A_REPOSITORY when the place does not exist.
 */
export async function openStorage(
  info: ConnectionInfo,
  options: OpenStorageOptions = {},
): Promise<BlobStorage> {
  const opener = Object.hasOwn(OPENERS, info.type) ? OPENERS[info.type] : undefined;
  if (opener === undefined) throw unsupported(info.type);
  const { storage, limits: own } = await opener(info.config, options);
  const retrying = withRetry(storage, options.retry);
  const limits = options.limits ?? own;
  if (!isThrottled(limits) && options.onThrottle === undefined) return retrying;
  const throttled = withThrottle(retrying, limits, { clock: options.clock ?? systemClock });
  options.onThrottle?.(throttled);
  return throttled;
}

function unsupported(type: string): SejfError {
  const known = OTHER_TYPES.includes(type);
  return new SejfError(
    "SEJF_UNSUPPORTED",
    `storage type ${JSON.stringify(type)} is ${known ? "not supported yet" : "unknown"}, supported are: ${STORAGE_TYPES.join(", ")}`,
    { hint: known ? "mount the store as a folder and connect to it as filesystem" : undefined },
  );
}
