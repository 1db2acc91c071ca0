/**
 * A thread's packs: contents are encrypted straight into a buffer of the shared memory; a finished pack goes to the
 * main thread, which stores it while this thread goes on in the next buffer it was granted.
 */
import { assert } from "../../errors/index.ts";
import type { AppendedContent, PackBuilder } from "../../format/index.ts";
import type { EngineMemory } from "./memory.ts";
import type { FromThread, PackGrant } from "./protocol.ts";

/** The next buffer is asked for when so much of a pack is full: then the one before may be free again. */
const ASK_AHEAD = 0.6;
/** A pack ends before a content that would take it further beyond its size: so much of each buffer is never touched. */
const FULLEST = 1.1;

/** A pack, or whatever stands in its place, that is being filled in a buffer. */
export type FillingPack = Pick<
  PackBuilder,
  "contentCount" | "lengthBytes" | "fits" | "reserve" | "commitKey" | "finish"
>;

export interface PackWriterOptions {
  readonly begin: (grant: PackGrant, buffer: Uint8Array) => FillingPack;
  readonly memory: EngineMemory;
  readonly maxPackSizeBytes: number;
  readonly post: (message: FromThread, transfer?: ArrayBuffer[]) => void;
}

interface CurrentPack {
  readonly buffer: number;
  readonly builder: FillingPack;
}

export class PackWriter {
  readonly #options: PackWriterOptions;
  readonly #grants: PackGrant[] = [];
  #current: CurrentPack | undefined;
  #wanted = false;
  #received = 0;
  #onGrant: (() => void) | undefined;

  constructor(options: PackWriterOptions) {
    this.#options = options;
  }

  /** From the main thread. */
  grant(grant: PackGrant): void {
    this.#grants.push(grant);
    this.#received++;
    this.#wanted = false;
    this.#onGrant?.();
    this.#onGrant = undefined;
  }

  /** Whether a content of that many stored bytes can be written now. */
  hasRoom(storedLength: number): boolean {
    const builder = this.#current?.builder;
    if (builder?.fits(storedLength) !== true) return false;
    const { maxPackSizeBytes } = this.#options;
    return (
      builder.contentCount === 0 || builder.lengthBytes + storedLength <= FULLEST * maxPackSizeBytes
    );
  }

  /** Finishes a pack that is too full, takes up the next one; waits for a buffer where none is free. */
  async makeRoom(storedLength: number): Promise<void> {
    if (this.#current !== undefined) this.finish();
    while (this.#grants.length === 0) {
      const granted = new Promise<void>((resolve) => {
        this.#onGrant = resolve;
      });
      this.#want(true);
      await granted;
    }
    this.#take(this.#grants.shift() as PackGrant);
    assert(
      this.hasRoom(storedLength),
      `a content of ${storedLength} bytes does not fit into an empty pack buffer`,
    );
  }

  /** The place for a content of exactly that many stored bytes; `hasRoom` was true. `commit` follows. */
  reserve(storedLength: number): Uint8Array {
    return this.#builder().reserve(storedLength);
  }

  /** What was written to the reserved place is a content of the pack; a pack that has its size is finished. */
  commit(storedLength: number, key: Uint8Array, content: Omit<AppendedContent, "contentId">): void {
    const builder = this.#builder();
    builder.commitKey(storedLength, key, content);
    const { maxPackSizeBytes } = this.#options;
    if (builder.lengthBytes >= maxPackSizeBytes) this.finish();
    else if (builder.lengthBytes >= ASK_AHEAD * maxPackSizeBytes && this.#grants.length === 0)
      this.#want(false);
  }

  /** Hands the pack that was begun to the main thread, if it holds anything. */
  finish(): void {
    const current = this.#current;
    if (current === undefined || current.builder.contentCount === 0) return;
    const { bytes, index, packId } = current.builder.finish();
    this.#current = undefined;
    this.#options.post(
      { op: "full", buffer: current.buffer, packId, lengthBytes: bytes.byteLength, index },
      [index.buffer],
    );
  }

  #builder(): FillingPack {
    assert(this.#current !== undefined, "no pack has been begun");
    return this.#current.builder;
  }

  #take(grant: PackGrant): void {
    const { begin, memory } = this.#options;
    const builder = begin(grant, memory.packBuffer(grant.buffer));
    this.#current = { buffer: grant.buffer, builder };
  }

  #want(blocked: boolean): void {
    if (this.#wanted && !blocked) return;
    this.#wanted = true;
    this.#options.post({ op: "want", blocked, received: this.#received });
  }
}
