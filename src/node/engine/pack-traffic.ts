/** Pack buffers on their way: granted to threads with a fresh name, stored by the host when full, granted again. */
import type { BlobId } from "../../blob/index.ts";
import { errorFromUnknown, type SejfError } from "../../errors/index.ts";
import type { StoreHost } from "./host.ts";
import { type EngineMemory, NumberPool } from "./memory.ts";
import type { FullPack, PackGrant, WantPack } from "./protocol.ts";

export class PackTraffic {
  readonly #host: StoreHost;
  readonly #memory: EngineMemory;
  readonly #grant: (thread: number, grant: PackGrant) => void;
  readonly #fail: (error: SejfError) => void;
  readonly #buffers: NumberPool;
  /** Threads that want a buffer, and whether they stand still without it. */
  readonly #wants = new Map<number, boolean>();
  readonly #storing = new Set<Promise<void>>();

  constructor(
    host: StoreHost,
    memory: EngineMemory,
    grant: (thread: number, grant: PackGrant) => void,
    fail: (error: SejfError) => void,
  ) {
    this.#host = host;
    this.#memory = memory;
    this.#grant = grant;
    this.#fail = fail;
    this.#buffers = new NumberPool(memory.plan.packBuffers);
  }

  onWant(thread: number, message: WantPack): void {
    this.#wants.set(thread, message.blocked);
    this.#serve();
  }

  onFull(message: FullPack): void {
    const storing: Promise<void> = this.#store(message).finally(() =>
      this.#storing.delete(storing),
    );
    this.#storing.add(storing);
  }

  /** Resolves when all packs that were handed over before the call have been stored, or have failed. */
  async settled(): Promise<void> {
    await Promise.all(this.#storing);
  }

  /** Gives the memory of the buffers that are not in use back to the system. */
  releaseMemory(): void {
    for (const buffer of this.#buffers.free) this.#memory.releasePackBuffer(buffer);
  }

  async #store({ buffer, packId, lengthBytes, index }: FullPack): Promise<void> {
    try {
      await this.#host.storePack(
        packId as BlobId,
        this.#memory.packBuffer(buffer).subarray(0, lengthBytes),
        index,
      );
      this.#buffers.release(buffer);
      this.#serve();
    } catch (error) {
      this.#fail(errorFromUnknown(error, `storing the pack ${packId}`));
    }
  }

  #serve(): void {
    while (this.#wants.size > 0) {
      const buffer = this.#buffers.tryAcquire();
      if (buffer === undefined) return;
      const thread = this.#mostUrgent();
      this.#wants.delete(thread);
      void this.#open(thread, buffer);
    }
  }

  #mostUrgent(): number {
    let first = -1;
    for (const [thread, blocked] of this.#wants) {
      if (blocked) return thread;
      if (first < 0) first = thread;
    }
    return first;
  }

  async #open(thread: number, buffer: number): Promise<void> {
    try {
      const { packId, formatCopy } = await this.#host.openPack("p");
      this.#grant(thread, { op: "pack", buffer, packId, formatCopy });
    } catch (error) {
      this.#fail(errorFromUnknown(error, "beginning a pack"));
    }
  }
}
