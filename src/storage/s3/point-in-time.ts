/**
 * A bucket with versions as it was at an instant: of each blob the newest version that is not after it, unless that is
 * a delete marker. It only reads. Reference: kopia repo/blob/s3/s3_pit.go.
 */
import type { DeleteMarkerEntry, ObjectVersion } from "@aws-sdk/client-s3";
import {
  type BlobId,
  type BlobMetadata,
  type BlobStorage,
  type ByteRange,
  type ConnectionInfo,
  retried,
  type RetryOptions,
  type StorageCapabilities,
} from "../../blob/index.ts";
import {
  type CallOptions,
  formatTimestamp,
  type OwnedBytes,
  type TimestampNs,
} from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type S3Bucket, timestampOf } from "./bucket.ts";
import { absentBlob } from "./errors.ts";

interface Version {
  readonly id: BlobId;
  readonly versionId: string | undefined;
  readonly lengthBytes: number;
  readonly date: Date;
  readonly deleted: boolean;
}

export class PointInTimeStorage implements BlobStorage {
  readonly capabilities: StorageCapabilities = { objectLock: true, setTime: false, readOnly: true };
  readonly displayName: string;
  readonly connectionInfo: ConnectionInfo;
  readonly #bucket: S3Bucket;
  readonly #instant: TimestampNs;
  readonly #retry: RetryOptions | undefined;

  constructor(
    bucket: S3Bucket,
    connectionInfo: ConnectionInfo,
    instant: TimestampNs,
    retry: RetryOptions | undefined,
  ) {
    const { endpoint, bucket: name } = bucket.place;
    this.displayName = `S3: ${endpoint} ${name} at ${formatTimestamp(instant)}`;
    this.connectionInfo = connectionInfo;
    this.#bucket = bucket;
    this.#instant = instant;
    this.#retry = retry;
  }

  async get(
    id: BlobId,
    options: CallOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<OwnedBytes> {
    const version = await this.#versionOf(id, options);
    if (version === undefined) throw absentBlob(id, this.#bucket.place);
    return await this.#bucket.get(id, { ...options, versionId: version.versionId });
  }

  async stat(id: BlobId, options: CallOptions = {}): Promise<BlobMetadata | undefined> {
    const version = await this.#versionOf(id, options);
    return version === undefined ? undefined : metadataOf(version);
  }

  async put(id: BlobId): Promise<BlobMetadata> {
    throw this.#refusal(`writing blob ${id}`);
  }

  async delete(id: BlobId): Promise<void> {
    throw this.#refusal(`deleting blob ${id}`);
  }

  async *list(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<readonly BlobMetadata[], void, void> {
    for await (const page of this.#newest(prefix, options)) yield page.map(metadataOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bucket.client.destroy();
  }

  async #versionOf(id: BlobId, options: CallOptions): Promise<Version | undefined> {
    for await (const page of this.#newest(id, options)) {
      const [first] = page;
      if (first === undefined) continue;
      // names are in order, and the name itself stands before all that begin with it
      return first.id === id ? first : undefined;
    }
    return undefined;
  }

  /** What there was of each blob. The versions of one may lie on several pages. */
  async *#newest(
    prefix: string,
    options: CallOptions,
  ): AsyncGenerator<readonly Version[], void, void> {
    let open: Version[] = [];
    for await (const page of this.#pages(prefix, options)) {
      const found: Version[] = [];
      for (const version of page) {
        if (open.length > 0 && open[0]?.id !== version.id) {
          found.push(...this.#then(open));
          open = [];
        }
        open.push(version);
      }
      yield found;
    }
    yield this.#then(open);
  }

  /** One or none. */
  #then(versions: readonly Version[]): readonly Version[] {
    const seen = versions.filter(
      ({ date }) => BigInt(date.getTime()) * 1_000_000n <= this.#instant,
    );
    const newest = seen.toSorted(newestFirst).at(0);
    return newest === undefined || newest.deleted ? [] : [newest];
  }

  /** Versions and delete markers by name. */
  async *#pages(
    prefix: string,
    options: CallOptions,
  ): AsyncGenerator<readonly Version[], void, void> {
    let after: { readonly key: string; readonly versionId: string | undefined } | undefined;
    do {
      const from = after;
      const page = async (): ReturnType<S3Bucket["listVersionsPage"]> =>
        await this.#bucket.listVersionsPage(prefix, from, options);
      const answer =
        from === undefined ? await page() : await retried(page, this.#retry, options.signal);
      const all = [
        ...this.#versions(answer.Versions ?? [], false),
        ...this.#versions(answer.DeleteMarkers ?? [], true),
      ];
      yield all.sort((a, b) => (a.id === b.id ? 0 : a.id < b.id ? -1 : 1));
      after =
        answer.IsTruncated === true && answer.NextKeyMarker !== undefined
          ? { key: answer.NextKeyMarker, versionId: answer.NextVersionIdMarker }
          : undefined;
    } while (after !== undefined);
  }

  #versions(
    listed: readonly (ObjectVersion & DeleteMarkerEntry)[],
    deleted: boolean,
  ): readonly Version[] {
    return listed.flatMap(({ Key: key, VersionId: versionId, Size: size, LastModified: date }) => {
      const id = this.#bucket.blobIdOf(key);
      if (id === undefined || date === undefined) return [];
      return [{ id, versionId, lengthBytes: size ?? 0, date, deleted }];
    });
  }

  #refusal(doing: string): SejfError {
    return new SejfError("SEJF_READ_ONLY", `${doing}: ${this.displayName} is in the past`, {
      hint: "connect again without --point-in-time to change the repository",
    });
  }
}

/** Of two of the same second the delete marker: what is deleted is not put again under its name. */
function newestFirst(a: Version, b: Version): number {
  return b.date.getTime() - a.date.getTime() || Number(b.deleted) - Number(a.deleted);
}

function metadataOf({ id, lengthBytes, date }: Version): BlobMetadata {
  return { id, lengthBytes, timestamp: timestampOf(date) };
}
