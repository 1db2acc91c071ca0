/** Repositories in a bucket of Amazon S3, or of anything that speaks its protocol. */
export { DEFAULT_S3_ENDPOINT, parseS3Config, type S3Config } from "./config.ts";
export { openS3Storage, type S3StorageOptions } from "./open.ts";
