/**
 * Packs on their way to the store, a few at a time. A pack that could not be stored is kept and tried again by the
 * next flush, so a failed flush loses nothing; while one waits, nothing new is taken on beyond a bound.
 */
import type { BlobId } from "../blob/index.ts";
import { copyBytes } from "../bytes/index.ts";
import { errorFromUnknown, type SejfError } from "../errors/index.ts";
import { type Context, messageOf, putLocked } from "./context.ts";
import type { PackInProgress } from "./pack-in-progress.ts";
import type { Pending } from "./pending.ts";
import type { SessionKeeper } from "./sessions.ts";

/** To a store far away; a local disk is no faster for a third, which would hold its memory. */
const PARALLEL_PACKS = 3;
const PARALLEL_LOCAL_PACKS = 2;
/**
 * Packs of the threads that are kept in memory when the store refuses them; beyond it their files fail. All that threads
 * are filling when the first one is refused may follow it.
 */
const MAX_KEPT_PACKS = 4;
const KEPT_BESIDE_THREADS = 2;

interface Storable {
  readonly packId: BlobId;
  readonly bytes: Uint8Array;
  readonly index: Uint8Array;
  readonly pack?: PackInProgress | undefined;
}

export class PackStore {
  readonly #context: Context;
  readonly #pending: Pending;
  readonly #sessions: SessionKeeper;
  readonly #onStored: () => void;
  readonly #running = new Set<Promise<void>>();
  readonly #failed = new Map<Storable, SejfError>();

  constructor(context: Context, pending: Pending, sessions: SessionKeeper, onStored: () => void) {
    this.#context = context;
    this.#pending = pending;
    this.#sessions = sessions;
    this.#onStored = onStored;
  }

  /** Begins to store a full pack; its contents stay readable from memory until it is there. */
  submit(pack: PackInProgress): void {
    const { packId, bytes, index } = pack.finish();
    this.#start({ packId, bytes, index, pack });
  }

  /** Stores a thread's pack. Resolves also when it failed but was kept for the next flush. @throws the store's error. */
  async storeForeign(
    packId: BlobId,
    bytes: Uint8Array,
    index: Uint8Array,
    threads: number,
  ): Promise<void> {
    try {
      await this.#store({ packId, bytes, index });
    } catch (error) {
      const most = Math.max(MAX_KEPT_PACKS, threads + KEPT_BESIDE_THREADS);
      if (this.#failed.size >= most) throw error;
      this.#failed.set(
        { packId, bytes: copyBytes(bytes), index },
        errorFromUnknown(error, `storing pack ${packId}`),
      );
      this.#context.log(
        "warn",
        `pack ${packId} is kept in memory until the next flush: ${messageOf(error)}`,
      );
    }
  }

  /** Resolves when another pack may be begun. @throws the store's error while packs cannot be stored. */
  async waitForRoom(): Promise<void> {
    const isLocal = this.#context.storage.localPath !== undefined;
    const most = isLocal ? PARALLEL_LOCAL_PACKS : PARALLEL_PACKS;
    while (this.#running.size >= most) await Promise.race(this.#running);
    await this.retryKept();
  }

  /** @throws the store's error while packs cannot be stored. */
  async retryKept(): Promise<void> {
    if (this.#failed.size > 0) await this.drain();
  }

  /** Resolves when everything submitted before is in the store. @throws the first error; what failed is kept. */
  async drain(): Promise<void> {
    await Promise.all(this.#running);
    const again = [...this.#failed.keys()];
    this.#failed.clear();
    for (const storable of again) this.#start(storable);
    await Promise.all(this.#running);
    for (const error of this.#failed.values()) throw error;
  }

  /** Resolves when nothing is under way, whatever became of it. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  #start(storable: Storable): void {
    const task = this.#store(storable)
      .catch((error: unknown) => {
        this.#failed.set(storable, errorFromUnknown(error, `storing pack ${storable.packId}`));
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  async #store({ packId, bytes, index, pack }: Storable): Promise<void> {
    await this.#sessions.marked(packId);
    await putLocked(this.#context, packId, bytes);
    this.#context.statistics.storedPacks++;
    this.#context.statistics.storedPackBytes += bytes.byteLength;
    this.#pending.addStored(packId, index, pack);
    pack?.done();
    this.#onStored();
  }
}
