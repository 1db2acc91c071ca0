/** Opens a bucket as a store: finds the region, reads the rules of storage classes, tries the credentials on the way. */
import { type BlobId, type BlobStorage, retried, type RetryOptions } from "../../blob/index.ts";
import { type CallOptions, type Clock, systemClock } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import { S3Bucket } from "./bucket.ts";
import { createS3Client, type S3Timeouts } from "./client.ts";
import { parseS3Config, pointInTimeOf, type S3Config } from "./config.ts";
import { s3Target } from "./endpoint.ts";
import { S3RegionError } from "./errors.ts";
import { PointInTimeStorage } from "./point-in-time.ts";
import { S3Storage } from "./s3-storage.ts";
import {
  parseStorageClasses,
  STORAGE_CONFIG_NAME,
  type StorageClasses,
} from "./storage-classes.ts";

export interface S3StorageOptions extends CallOptions {
  readonly clock?: Clock | undefined;
  /** Of what no wrapper of the store repeats: opening it, and later pages of listings. */
  readonly retry?: RetryOptions | undefined;
  readonly timeouts?: S3Timeouts | undefined;
}

/**
 * The bucket has to be there: stores have their own tools to make them.
 * @throws SEJF_INVALID_ARGUMENT, SEJF_NOT_A_REPOSITORY when there is no such bucket, SEJF_PERMISSION, SEJF_CONNECTION,
 * SEJF_CORRUPT for a broken `.storageconfig`, SEJF_UNSUPPORTED for a point in time of a bucket without versions.
 */
export async function openS3Storage(
  config: S3Config,
  options: S3StorageOptions = {},
): Promise<BlobStorage> {
  const parsed = parseS3Config(config);
  const { bucket, classes } = await openBucket(parsed, options);
  try {
    const connectionInfo = { type: "s3", config: { ...parsed } };
    const { retry, signal } = options;
    const instant = pointInTimeOf(parsed);
    if (instant === undefined) {
      const clock = options.clock ?? systemClock;
      return new S3Storage({ bucket, connectionInfo, classes, clock, retry });
    }
    if (!(await retried(() => bucket.isVersioned({ signal }), retry, signal))) {
      throw new SejfError(
        "SEJF_UNSUPPORTED",
        `the bucket ${parsed.bucket} keeps no versions, so it has no past`,
        { hint: "leave --point-in-time out" },
      );
    }
    return new PointInTimeStorage(bucket, connectionInfo, instant, retry);
  } catch (error) {
    bucket.client.destroy();
    throw error;
  }
}

interface OpenedBucket {
  readonly bucket: S3Bucket;
  readonly classes: StorageClasses;
}

/** Two seconds: who waits for a command has perhaps mistyped the host. */
const OPEN_RETRY: RetryOptions = { retries: 6 };

/** The first call shows where the bucket is, where nobody has said it. */
async function openBucket(config: S3Config, options: S3StorageOptions): Promise<OpenedBucket> {
  try {
    return await tryBucket(config, options, undefined);
  } catch (error) {
    if ((config.region ?? "") !== "" || !(error instanceof S3RegionError)) throw error;
    if (error.region === undefined) throw error;
    return await tryBucket(config, options, error.region);
  }
}

async function tryBucket(
  config: S3Config,
  options: S3StorageOptions,
  region: string | undefined,
): Promise<OpenedBucket> {
  const client = await createS3Client(config, s3Target(config, region), options.timeouts);
  const { bucket: name, endpoint, prefix = "" } = config;
  const bucket = new S3Bucket(client, { bucket: name, endpoint }, prefix);
  try {
    const read = (): Promise<StorageClasses> => readClasses(bucket, options);
    return { bucket, classes: await retried(read, options.retry ?? OPEN_RETRY, options.signal) };
  } catch (error) {
    client.destroy();
    throw error;
  }
}

async function readClasses(bucket: S3Bucket, options: CallOptions): Promise<StorageClasses> {
  try {
    const { signal } = options;
    const id = STORAGE_CONFIG_NAME as BlobId;
    return parseStorageClasses(await bucket.get(id, { signal }, "opening the storage"));
  } catch (error) {
    if (isSejfError(error, "SEJF_BLOB_NOT_FOUND")) return [];
    throw error;
  }
}
