/**
 * Blobs as objects of a bucket, under the names that Kopia gives them.
 * Reference: kopia repo/blob/s3; kopia-format 1.4.
 */
import { createHash } from "node:crypto";
import {
  DeleteObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import {
  type BlobId,
  type BlobMetadata,
  blobParts,
  type BlobStorage,
  type ByteRange,
  type ConnectionInfo,
  type PutOptions,
  retried,
  type RetentionOptions,
  type RetryOptions,
  type StorageCapabilities,
} from "../../blob/index.ts";
import { type CallOptions, type Clock, concatBytes, type OwnedBytes } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type S3Bucket, timestampOf } from "./bucket.ts";
import { absentBlob, s3Failure } from "./errors.ts";
import { type StorageClasses, storageClassOf } from "./storage-classes.ts";

export interface S3StorageParts {
  readonly bucket: S3Bucket;
  readonly connectionInfo: ConnectionInfo;
  readonly classes: StorageClasses;
  /** Of retain-until dates. */
  readonly clock: Clock;
  /** Of the later pages of a listing. */
  readonly retry?: RetryOptions | undefined;
}

const CONTENT_TYPE = "application/x-kopia";

/** Made by `openS3Storage`. */
export class S3Storage implements BlobStorage {
  /** Whether the bucket locks objects shows at the first put: then it refuses. */
  readonly capabilities: StorageCapabilities = {
    objectLock: true,
    setTime: false,
    readOnly: false,
  };
  readonly displayName: string;
  readonly connectionInfo: ConnectionInfo;
  readonly #bucket: S3Bucket;
  readonly #classes: StorageClasses;
  readonly #clock: Clock;
  readonly #retry: RetryOptions | undefined;

  constructor(parts: S3StorageParts) {
    const { endpoint, bucket } = parts.bucket.place;
    this.displayName = `S3: ${endpoint} ${bucket}`;
    this.connectionInfo = parts.connectionInfo;
    this.#bucket = parts.bucket;
    this.#classes = parts.classes;
    this.#clock = parts.clock;
    this.#retry = parts.retry;
  }

  async get(
    id: BlobId,
    options: CallOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<OwnedBytes> {
    return await this.#bucket.get(id, options);
  }

  async stat(id: BlobId, options: CallOptions = {}): Promise<BlobMetadata | undefined> {
    return await this.#bucket.stat(id, options);
  }

  async put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options: PutOptions = {},
  ): Promise<BlobMetadata> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (options.timestamp !== undefined)
      throw new SejfError("SEJF_UNSUPPORTED", "an S3 storage sets the times of blobs itself");
    // a store that does not know the condition would replace the blob: it is asked first
    if (options.ifAbsent === true && (await this.stat(id, { signal })) !== undefined)
      throw alreadyExists(id);
    const body = oneBody(data);
    const input: PutObjectCommandInput = {
      ...this.#bucket.object(id),
      Body: body,
      ContentLength: body.byteLength,
      ContentType: CONTENT_TYPE,
      ContentMD5: createHash("md5").update(body).digest("base64"),
      ...this.#classOf(id),
      ...this.#lockOf(options.retention),
    };
    await this.#put(id, input, options);
    const stored = await this.stat(id, { signal });
    // the store's word on the time; the length is of this put, whatever another has put since
    if (stored === undefined) throw absentBlob(id, this.#bucket.place);
    return { ...stored, lengthBytes: body.byteLength };
  }

  async delete(id: BlobId, options: CallOptions = {}): Promise<void> {
    await this.#bucket.call(`deleting blob ${id}`, options.signal, async (send) => {
      try {
        await this.#bucket.client.send(new DeleteObjectCommand(this.#bucket.object(id)), send);
      } catch (error) {
        if (s3Failure(error).name !== "NoSuchKey") throw error;
      }
    });
  }

  async *list(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<readonly BlobMetadata[], void, void> {
    let token: string | undefined;
    do {
      const from = token;
      const page = async (): ReturnType<S3Bucket["listPage"]> =>
        await this.#bucket.listPage(prefix, from, options);
      // whoever wraps this store can repeat no more than the first page
      const { Contents: objects = [], NextContinuationToken: next } =
        from === undefined ? await page() : await retried(page, this.#retry, options.signal);
      yield objects.flatMap(({ Key: key, Size: size, LastModified: time }) => {
        const id = this.#bucket.blobIdOf(key);
        return id === undefined
          ? []
          : [{ id, lengthBytes: size ?? 0, timestamp: timestampOf(time) }];
      });
      token = next;
    } while (token !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bucket.client.destroy();
  }

  async #put(id: BlobId, input: PutObjectCommandInput, options: PutOptions): Promise<void> {
    const { client } = this.#bucket;
    await this.#bucket.call(`writing blob ${id}`, options.signal, async (send) => {
      const attempt = async (condition: Partial<PutObjectCommandInput>): Promise<void> => {
        await client.send(new PutObjectCommand({ ...input, ...condition }), send);
      };
      if (options.ifAbsent !== true) {
        await attempt({});
        return;
      }
      try {
        await attempt({ IfNoneMatch: "*" });
      } catch (error) {
        const { status, name } = s3Failure(error);
        if (status === 412) throw alreadyExists(id);
        if (name !== "NotImplemented") throw error;
        await attempt({});
      }
    });
  }

  #classOf(id: BlobId): Partial<PutObjectCommandInput> {
    const name = storageClassOf(this.#classes, id);
    return name === undefined
      ? {}
      : { StorageClass: name as NonNullable<PutObjectCommandInput["StorageClass"]> };
  }

  #lockOf(retention: RetentionOptions | undefined): Partial<PutObjectCommandInput> {
    if (retention === undefined) return {};
    if (retention.mode === "Locked")
      throw new SejfError("SEJF_UNSUPPORTED", "the retention mode Locked is not one of S3", {
        hint: "use GOVERNANCE or COMPLIANCE",
      });
    const untilMs = this.#clock.nowMs() + Number(retention.periodNs / 1_000_000n);
    return { ObjectLockMode: retention.mode, ObjectLockRetainUntilDate: new Date(untilMs) };
  }
}

/** The parts together; a single one as it is. */
function oneBody(data: Uint8Array | readonly Uint8Array[]): Uint8Array {
  const parts = blobParts(data);
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : concatBytes(...parts);
}

function alreadyExists(id: BlobId): SejfError {
  return new SejfError("SEJF_ALREADY_EXISTS", `blob ${id} exists already`);
}
