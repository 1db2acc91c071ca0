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
  /** How many buffers each thread has, or is about to get. */
  readonly #held: number[];
  /** How many buffers each thread was ever given, those on their way included. */
  readonly #given: number[];
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
    this.#held = Array.from({ length: memory.plan.threads }, () => 0);
    this.#given = this.#held.slice();
  }

  /**
   * Who asked before the last buffer reached it wants that one. Were it given another, it could hold all there are,
   * run out of work before it fills them, and leave the others waiting for ever.
   */
  onWant(thread: number, message: WantPack): void {
    if (this.#given[thread]! > message.received) return;
    this.#wants.set(thread, message.blocked);
    this.#serve();
  }

  onFull(thread: number, message: FullPack): void {
    this.#held[thread]!--;
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
    for (let thread = this.#next(); thread !== undefined; thread = this.#next()) {
      const buffer = this.#buffers.tryAcquire();
      if (buffer === undefined) return;
      this.#wants.delete(thread);
      this.#held[thread]!++;
      this.#given[thread]!++;
      void this.#open(thread, buffer);
    }
  }

  /**
   * Who gets the next buffer: a thread that has none, else one that asks ahead, as long as there is one left for each
   * that has none: those that have theirs may never fill them.
   */
  #next(): number | undefined {
    let ahead: number | undefined;
    for (const [thread, blocked] of this.#wants) {
      if (blocked || this.#held[thread] === 0) return thread;
      ahead ??= thread;
    }
    const without = this.#held.filter((count) => count === 0).length;
    return this.#buffers.free.length > without ? ahead : undefined;
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
