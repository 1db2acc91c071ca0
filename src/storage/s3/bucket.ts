/** One bucket behind the SDK: calls by object name and version, their failures as ours. */
import {
  GetBucketVersioningCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type S3Client,
} from "@aws-sdk/client-s3";
import {
  type BlobId,
  type BlobMetadata,
  type ByteRange,
  checkRange,
  isBlobId,
} from "../../blob/index.ts";
import type { CallOptions, OwnedBytes, TimestampNs } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { absentBlob, s3Error, s3Failure, type S3Place } from "./errors.ts";
import { type BodyStream, discardBody, readBody } from "./read-body.ts";

/** Of an object; without one the newest. */
export interface VersionOptions extends CallOptions {
  readonly versionId?: string | undefined;
}

const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const NS_PER_S = 1_000_000_000n;

export class S3Bucket {
  readonly client: S3Client;
  readonly place: S3Place;
  readonly prefix: string;

  constructor(client: S3Client, place: S3Place, prefix: string) {
    this.client = client;
    this.place = place;
    this.prefix = prefix;
  }

  /** What every command about one blob names. */
  object(id: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.place.bucket, Key: this.prefix + id };
  }

  /** Runs one call of the SDK. @throws our errors, or the signal's reason. */
  async call<T>(
    doing: string,
    signal: AbortSignal | undefined,
    send: (options: { readonly abortSignal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await send(signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      throw s3Error(error, doing, this.place, signal);
    }
  }

  /** As `BlobStorage.get`. */
  async get(
    id: BlobId,
    options: VersionOptions & { readonly range?: ByteRange | undefined },
    doing = `reading blob ${id}`,
  ): Promise<OwnedBytes> {
    const { range, signal } = options;
    if (range !== undefined) checkRange(id, range, NO_LIMIT);
    if (range?.length === 0) {
      const { lengthBytes } = await this.#existing(id, options);
      checkRange(id, range, lengthBytes);
      return new Uint8Array(0);
    }
    return await this.call(doing, signal, async (send) => {
      const answer = await this.client
        .send(
          new GetObjectCommand({
            ...this.object(id),
            ...(range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
            ...versionOf(options),
          }),
          send,
        )
        .catch((error: unknown) => {
          throw this.#readFailure(error, id, range);
        });
      const body = answer.Body as unknown as BodyStream;
      try {
        const expected = bodyLength(id, range, answer);
        return await readBody(body, expected, doing, signal);
      } catch (error) {
        discardBody(body);
        throw error;
      }
    });
  }

  /** `undefined` when absent. */
  async stat(id: BlobId, options: VersionOptions = {}): Promise<BlobMetadata | undefined> {
    return await this.call(`looking for blob ${id}`, options.signal, async (send) => {
      try {
        const answer = await this.client.send(
          new HeadObjectCommand({ ...this.object(id), ...versionOf(options) }),
          send,
        );
        return metadataOf(id, answer);
      } catch (error) {
        // without a body there is no code; that the bucket exists was found out when the store was opened
        if (s3Failure(error).status === 404) return undefined;
        throw error;
      }
    });
  }

  async listPage(
    prefix: string,
    token: string | undefined,
    options: CallOptions,
  ): Promise<ListObjectsV2CommandOutput> {
    return await this.call(`listing blobs`, options.signal, (send) =>
      this.client.send(
        new ListObjectsV2Command({
          Bucket: this.place.bucket,
          Prefix: this.prefix + prefix,
          Delimiter: "/",
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
        send,
      ),
    );
  }

  async listVersionsPage(
    prefix: string,
    after: { readonly key: string; readonly versionId: string | undefined } | undefined,
    options: CallOptions,
  ): Promise<ListObjectVersionsCommandOutput> {
    return await this.call(`listing versions of blobs`, options.signal, (send) =>
      this.client.send(
        new ListObjectVersionsCommand({
          Bucket: this.place.bucket,
          Prefix: this.prefix + prefix,
          Delimiter: "/",
          ...(after && { KeyMarker: after.key }),
          ...(after?.versionId !== undefined && { VersionIdMarker: after.versionId }),
        }),
        send,
      ),
    );
  }

  async isVersioned(options: CallOptions = {}): Promise<boolean> {
    const answer = await this.call("asking for versions", options.signal, (send) =>
      this.client.send(new GetBucketVersioningCommand({ Bucket: this.place.bucket }), send),
    );
    return answer.Status === "Enabled";
  }

  /** The blob that an object is; `undefined` for what is none of ours. */
  blobIdOf(key: string | undefined): BlobId | undefined {
    if (key === undefined || !key.startsWith(this.prefix)) return undefined;
    const name = key.slice(this.prefix.length);
    return isBlobId(name) ? name : undefined;
  }

  async #existing(id: BlobId, options: VersionOptions): Promise<BlobMetadata> {
    const found = await this.stat(id, options);
    if (found === undefined) throw absentBlob(id, this.place);
    return found;
  }

  #readFailure(error: unknown, id: BlobId, range: ByteRange | undefined): unknown {
    const { status, name } = s3Failure(error);
    if (name === "NoSuchKey" || name === "NoSuchVersion") return absentBlob(id, this.place);
    if (status === 416 && range !== undefined) {
      return new SejfError(
        "SEJF_RANGE",
        `blob ${id} is shorter than ${range.offset + range.length} bytes, ${range.length} bytes at offset ${range.offset} were asked for`,
      );
    }
    return error;
  }
}

/** Stores give whole seconds when they are asked for one blob: so they do in listings here. */
export function timestampOf(date: Date | undefined): TimestampNs {
  return date === undefined ? 0n : BigInt(Math.floor(date.getTime() / 1000)) * NS_PER_S;
}

function metadataOf(id: BlobId, answer: HeadObjectCommandOutput): BlobMetadata {
  return {
    id,
    lengthBytes: answer.ContentLength ?? 0,
    timestamp: timestampOf(answer.LastModified),
  };
}

function versionOf({ versionId }: VersionOptions): { readonly VersionId?: string } {
  return versionId === undefined ? {} : { VersionId: versionId };
}

/** Of the body, once it is certain that it is what was asked for. */
function bodyLength(
  id: BlobId,
  range: ByteRange | undefined,
  answer: Pick<GetObjectCommandOutput, "ContentLength" | "ContentRange">,
): number {
  const { ContentLength: length, ContentRange: given } = answer;
  if (range === undefined) {
    if (length !== undefined) return length;
    throw new SejfError("SEJF_IO", `reading blob ${id}: the store does not say how long it is`);
  }
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(given ?? "") ?? [];
  if (total === undefined || Number(first) !== range.offset) {
    throw new SejfError(
      "SEJF_IO",
      `reading blob ${id}: the store gave ${JSON.stringify(given ?? "the whole blob")} instead of ${range.length} bytes at ${range.offset}`,
    );
  }
  checkRange(id, range, Number(total));
  return Number(last) - range.offset + 1;
}
