/**
 * Retries with exponential back-off, only for errors that say a repetition can help (`retryable`); absence, wrong
 * ranges and refusals never are. A listing is begun anew only while nothing of it has been handed out.
 */
import pRetry, { type Options } from "p-retry";
import { type CallOptions, concatBytes, equalBytes, type OwnedBytes } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import { blobParts } from "./blob-calls.ts";
import type { BlobId, BlobMetadata, BlobStorage, ByteRange, PutOptions } from "./storage.ts";
import { StorageWrapper } from "./wrapper.ts";

export interface RetryOptions {
  /** Repetitions after the first attempt, default 9. */
  readonly retries?: number | undefined;
  /** Wait before the first repetition, default 100; each next one is 1.5 times longer. */
  readonly minDelayMs?: number | undefined;
  /** Longest wait, default 30 000. */
  readonly maxDelayMs?: number | undefined;
  /** Told of each failure that will be repeated. */
  readonly onRetry?: ((error: Error, attempt: number) => void) | undefined;
}

const BACK_OFF_FACTOR = 1.5;

export function withRetry(storage: BlobStorage, options: RetryOptions = {}): BlobStorage {
  return new RetryingStorage(storage, options);
}

/** One call that no storage wrapped by `withRetry` makes: repeated in the same way. */
export async function retried<T>(
  call: (attempt: number) => Promise<T>,
  options: RetryOptions = {},
  signal?: AbortSignal,
): Promise<T> {
  const own = pRetryOptions(options);
  return pRetry(call, signal === undefined ? own : { ...own, signal });
}

function pRetryOptions(options: RetryOptions): Options {
  return {
    retries: options.retries ?? 9,
    factor: BACK_OFF_FACTOR,
    minTimeout: options.minDelayMs ?? 100,
    maxTimeout: options.maxDelayMs ?? 30_000,
    shouldRetry: ({ error }) => isSejfError(error) && error.retryable,
    onFailedAttempt: ({ error, attemptNumber, retriesLeft }) => {
      if (retriesLeft > 0 && isSejfError(error) && error.retryable)
        options.onRetry?.(error, attemptNumber);
    },
  };
}

class RetryingStorage extends StorageWrapper {
  readonly #options: RetryOptions;

  constructor(inner: BlobStorage, options: RetryOptions) {
    super(inner);
    this.#options = options;
  }

  override async get(
    id: BlobId,
    options?: CallOptions & { readonly range?: ByteRange | undefined },
  ): Promise<OwnedBytes> {
    return this.#retry(() => this.inner.get(id, options), options?.signal);
  }

  override async stat(id: BlobId, options?: CallOptions): Promise<BlobMetadata | undefined> {
    return this.#retry(() => this.inner.stat(id, options), options?.signal);
  }

  override async put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options?: PutOptions,
  ): Promise<BlobMetadata> {
    return this.#retry(async (attempt) => {
      try {
        return await this.inner.put(id, data, options);
      } catch (error) {
        const ours =
          attempt > 1 &&
          isSejfError(error, "SEJF_ALREADY_EXISTS") &&
          (await this.#holds(id, data, options));
        if (ours === false) throw error;
        return ours;
      }
    }, options?.signal);
  }

  override async delete(id: BlobId, options?: CallOptions): Promise<void> {
    await this.#retry(() => this.inner.delete(id, options), options?.signal);
  }

  override async *list(
    prefix: string,
    options?: CallOptions,
  ): AsyncGenerator<readonly BlobMetadata[], void, void> {
    const begin = async (): Promise<
      readonly [AsyncIterator<readonly BlobMetadata[]>, IteratorResult<readonly BlobMetadata[]>]
    > => {
      const pages = this.inner.list(prefix, options)[Symbol.asyncIterator]();
      return [pages, await pages.next()];
    };
    const [pages, first] = await this.#retry(begin, options?.signal);
    try {
      for (let page = first; page.done !== true; page = await pages.next()) yield page.value;
    } finally {
      await pages.return?.();
    }
  }

  /** An attempt that was reported as failed may have succeeded: then a repeated `ifAbsent` finds our own blob. */
  async #holds(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options?: CallOptions,
  ): Promise<BlobMetadata | false> {
    const call: CallOptions = { signal: options?.signal };
    const stored = await this.inner.get(id, call);
    if (!equalBytes(stored, concatBytes(...blobParts(data)))) return false;
    return (await this.inner.stat(id, call)) ?? false;
  }

  async #retry<T>(
    call: (attempt: number) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return retried(call, this.#options, signal);
  }
}
