/** Limits of calls and bytes a second and of calls under way, under the names that Kopia's connection files use. */
import { type CallOptions, type Clock, type OwnedBytes, systemClock } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { blobParts, totalLength } from "./blob-calls.ts";
import type { BlobId, BlobMetadata, BlobStorage, ByteRange, PutOptions } from "./storage.ts";
import { Gate, type Sleep, systemSleep, TokenBucket } from "./token-bucket.ts";
import { StorageWrapper } from "./wrapper.ts";

/** Absent or 0 is no limit. `get` and `stat` are reads, `put` and `delete` are writes. */
export interface ThrottlingLimits {
  readonly readsPerSecond?: number | undefined;
  readonly writesPerSecond?: number | undefined;
  readonly listsPerSecond?: number | undefined;
  readonly maxUploadSpeedBytesPerSecond?: number | undefined;
  readonly maxDownloadSpeedBytesPerSecond?: number | undefined;
  readonly concurrentReads?: number | undefined;
  readonly concurrentWrites?: number | undefined;
}

export const THROTTLING_LIMIT_NAMES: readonly (keyof ThrottlingLimits)[] = [
  "readsPerSecond",
  "writesPerSecond",
  "listsPerSecond",
  "maxUploadSpeedBytesPerSecond",
  "maxDownloadSpeedBytesPerSecond",
  "concurrentReads",
  "concurrentWrites",
];

export interface ThrottleOptions {
  readonly clock?: Clock | undefined;
  readonly sleep?: Sleep | undefined;
}

/** True where at least one limit is set. */
export function isThrottled(limits: ThrottlingLimits): boolean {
  return THROTTLING_LIMIT_NAMES.some((name) => (limits[name] ?? 0) > 0);
}

/** @throws SEJF_INVALID_ARGUMENT for a limit that is negative or not a number. */
export function withThrottle(
  storage: BlobStorage,
  limits: ThrottlingLimits,
  options: ThrottleOptions = {},
): ThrottledStorage {
  return new ThrottledStorage(storage, limits, options);
}

/** Keeps the limits over all its callers together. It hides `localPath` while reads are limited. */
export class ThrottledStorage extends StorageWrapper {
  #limits: ThrottlingLimits;
  readonly #reads: TokenBucket;
  readonly #writes: TokenBucket;
  readonly #lists: TokenBucket;
  readonly #uploads: TokenBucket;
  readonly #downloads: TokenBucket;
  readonly #readGate: Gate;
  readonly #writeGate: Gate;

  constructor(inner: BlobStorage, limits: ThrottlingLimits, options: ThrottleOptions) {
    super(inner);
    checkLimits(limits);
    const clock = options.clock ?? systemClock;
    const sleep = options.sleep ?? systemSleep;
    this.#limits = limits;
    this.#reads = new TokenBucket(limits.readsPerSecond ?? 0, clock, sleep);
    this.#writes = new TokenBucket(limits.writesPerSecond ?? 0, clock, sleep);
    this.#lists = new TokenBucket(limits.listsPerSecond ?? 0, clock, sleep);
    this.#uploads = new TokenBucket(limits.maxUploadSpeedBytesPerSecond ?? 0, clock, sleep);
    this.#downloads = new TokenBucket(limits.maxDownloadSpeedBytesPerSecond ?? 0, clock, sleep);
    this.#readGate = new Gate(limits.concurrentReads ?? 0);
    this.#writeGate = new Gate(limits.concurrentWrites ?? 0);
    this.#hideLocalPath();
  }

  get limits(): ThrottlingLimits {
    return this.#limits;
  }

  /** Takes effect for calls that begin from now on. @throws SEJF_INVALID_ARGUMENT; then the old limits stay. */
  setLimits(limits: ThrottlingLimits): void {
    checkLimits(limits);
    this.#limits = limits;
    this.#reads.setRate(limits.readsPerSecond ?? 0);
    this.#writes.setRate(limits.writesPerSecond ?? 0);
    this.#lists.setRate(limits.listsPerSecond ?? 0);
    this.#uploads.setRate(limits.maxUploadSpeedBytesPerSecond ?? 0);
    this.#downloads.setRate(limits.maxDownloadSpeedBytesPerSecond ?? 0);
    this.#readGate.setLimit(limits.concurrentReads ?? 0);
    this.#writeGate.setLimit(limits.concurrentWrites ?? 0);
    this.#hideLocalPath();
  }

  override async get(
    id: BlobId,
    options?: CallOptions & { readonly range?: ByteRange | undefined },
  ): Promise<OwnedBytes> {
    const signal = options?.signal;
    return this.#through(this.#readGate, this.#reads, signal, async () => {
      const expected = options?.range?.length ?? 0;
      await this.#downloads.take(expected, signal);
      const data = await this.inner.get(id, options);
      // the length of a whole blob is known only now: the next caller waits for it
      await this.#downloads.take(data.byteLength - expected, signal);
      return data;
    });
  }

  override async stat(id: BlobId, options?: CallOptions): Promise<BlobMetadata | undefined> {
    return this.#through(this.#readGate, this.#reads, options?.signal, () =>
      this.inner.stat(id, options),
    );
  }

  override async put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options?: PutOptions,
  ): Promise<BlobMetadata> {
    return this.#through(this.#writeGate, this.#writes, options?.signal, async () => {
      await this.#uploads.take(totalLength(blobParts(data)), options?.signal);
      return this.inner.put(id, data, options);
    });
  }

  override async delete(id: BlobId, options?: CallOptions): Promise<void> {
    await this.#through(this.#writeGate, this.#writes, options?.signal, () =>
      this.inner.delete(id, options),
    );
  }

  override async *list(
    prefix: string,
    options?: CallOptions,
  ): AsyncGenerator<readonly BlobMetadata[], void, void> {
    await this.#lists.take(1, options?.signal);
    yield* this.inner.list(prefix, options);
  }

  async #through<T>(
    gate: Gate,
    calls: TokenBucket,
    signal: AbortSignal | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    await calls.take(1, signal);
    await gate.acquire(signal);
    try {
      return await call();
    } finally {
      gate.release();
    }
  }

  /** Threads that read the file themselves would pass the limits by. */
  #hideLocalPath(): void {
    const { readsPerSecond, maxDownloadSpeedBytesPerSecond, concurrentReads } = this.#limits;
    const limited = isThrottled({
      readsPerSecond,
      maxDownloadSpeedBytesPerSecond,
      concurrentReads,
    });
    if (limited || this.inner.localPath === undefined) delete this.localPath;
    else this.localPath = this.inner.localPath.bind(this.inner);
  }
}

function checkLimits(limits: ThrottlingLimits): void {
  for (const name of THROTTLING_LIMIT_NAMES) {
    const value = limits[name] ?? 0;
    const whole = name.startsWith("concurrent") ? Number.isInteger(value) : Number.isFinite(value);
    if (!whole || value < 0)
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `limit ${name} is ${value}, expected 0 (none) or more`,
      );
  }
}
