/**
 * The upgrade lock: while another client upgrades the repository's format nobody else may touch its storage. It is
 * looked at when the repository is opened, and again before operations once what is known is 15 minutes old.
 * Spec: kopia-format 2.7.
 */
import { type BlobId, type BlobMetadata, type BlobStorage, StorageWrapper } from "../blob/index.ts";
import type { CallOptions, Clock, OwnedBytes } from "../bytes/index.ts";
import { assertNotLockedForUpgrade } from "../format/index.ts";
import type { FormatAccess } from "./format-access.ts";

const VALID_MS = 15 * 60_000;

/** @throws SEJF_UPGRADE_IN_PROGRESS when the repository is locked by another owner than `ownerId`. */
export function assertNotLocked(
  access: FormatAccess,
  clock: Clock,
  ownerId: string | undefined,
): void {
  const now = BigInt(Math.floor(clock.nowMs())) * 1_000_000n;
  assertNotLockedForUpgrade(access.format.upgradeLock, ownerId ?? "", now);
}

/** A storage whose operations first make sure that what is known of the upgrade lock is young enough. */
export function guardStorage(
  storage: BlobStorage,
  access: FormatAccess,
  clock: Clock,
  ownerId: string | undefined,
): BlobStorage {
  let reloading: Promise<void> | undefined;
  const check = async (): Promise<void> => {
    if (clock.nowMs() - access.loadedMs < VALID_MS) return;
    reloading ??= access.reload(storage).finally(() => {
      reloading = undefined;
    });
    await reloading;
    assertNotLocked(access, clock, ownerId);
  };
  return new GuardedStorage(storage, check);
}

class GuardedStorage extends StorageWrapper {
  readonly #check: () => Promise<void>;

  constructor(inner: BlobStorage, check: () => Promise<void>) {
    super(inner);
    this.#check = check;
  }

  override async get(...args: Parameters<BlobStorage["get"]>): Promise<OwnedBytes> {
    await this.#check();
    return await this.inner.get(...args);
  }

  override async stat(id: BlobId, options?: CallOptions): Promise<BlobMetadata | undefined> {
    await this.#check();
    return await this.inner.stat(id, options);
  }

  override async put(...args: Parameters<BlobStorage["put"]>): Promise<BlobMetadata> {
    await this.#check();
    return await this.inner.put(...args);
  }

  override async delete(id: BlobId, options?: CallOptions): Promise<void> {
    await this.#check();
    await this.inner.delete(id, options);
  }

  override async *list(
    prefix: string,
    options?: CallOptions,
  ): AsyncGenerator<readonly BlobMetadata[], void, void> {
    await this.#check();
    yield* this.inner.list(prefix, options);
  }
}
