/**
 * The one memory that all threads share: a WebAssembly memory, so that splitters and hashes work where the data
 * lies. It is cut once: a control area for each thread's modules, slots for segments of big files, a scratch area
 * for each thread, pack buffers. Untouched parts cost address space only, so sizes are the largest that can occur.
 *
 * Budget of resident memory with 2 threads, packs of 20 MiB and 4 MiB splitters: 3 slots of 8 MiB, 3 pack buffers of
 * 25 MiB, 2 scratch areas of 1 to 3 MiB: 105 MiB, beside 120 MiB of Node itself and its threads.
 */
import { longestSealed } from "../../format/index.ts";
import { releasePages } from "../files/index.ts";
import { createWasmMemory, WASM_SCRATCH_BYTES } from "../wasm/index.ts";

const PAGE_BYTES = 65536;

/** What a thread's WebAssembly modules may use for their states and tables. */
export const CONTROL_BYTES: number = roundUp(WASM_SCRATCH_BYTES);
/**
 * The longest segment of any splitter (DYNAMIC-8M), and room for the step that was read beyond its end, or for the padding
 * of a sealed one.
 */
const SLOT_BYTES: number = 17 * 1024 * 1024;
/** In front of each slot and scratch area, so that the header of a sealed chunk has its place where the chunk lies. */
export const SEAL_FRONT_BYTES = 64;
/** Files up to this size are read by threads, in one go. */
export const SMALL_FILE_BYTES: number = 1024 * 1024;
/** Behind which the last of several small files may begin that are read one behind the other. */
export const GATHERED_BYTES: number = 128 * 1024;
/** The longest preamble (format blob copy), padding, local index and postamble of a pack. */
const PACK_END_BYTES = 8 * 1024 * 1024;
/** A content with its 28 bytes and up to 100 percent of error correction. */
const SEALED_SEGMENT_FACTOR = 2.2;
/** WebAssembly addresses 4 GiB; the last page is left out. */
const MAX_MEMORY_BYTES: number = 65535 * PAGE_BYTES;
const LONGEST_SEGMENT_BYTES: number = 16 * 1024 * 1024;
const LONGEST_CONTENT_BYTES: number = longestSealed(LONGEST_SEGMENT_BYTES);

/** The longest content that the threads take from elsewhere. */
export const LONGEST_STORED_BYTES: number = LONGEST_SEGMENT_BYTES;

/** What one reading job may hold that was fetched from a server: 8 MiB, or one content as long as a message, aligned. */
export const READ_BUFFER_BYTES: number = 20 * 1024 * 1024 + PAGE_BYTES;

/** How a memory is cut. Offsets in bytes. */
export interface MemoryPlan {
  readonly threads: number;
  readonly slots: number;
  readonly packBuffers: number;
  readonly packBufferBytes: number;
  /** Only where contents come from a server. */
  readonly readBuffers: number;
}

/** Buffers beyond one a thread. */
export interface MoreBuffers {
  /** What is fetched, default 0. */
  readonly readBuffers?: number | undefined;
  /** Segments that stay in their slots until somebody has taken them over, default 0. */
  readonly slots?: number | undefined;
  /** Packs that are being stored while each thread fills another, default 1. */
  readonly packsOnTheWay?: number | undefined;
}

/** Sizes for up to `wanted` threads: fewer where their buffers would not fit into one memory. */
export function planMemory(
  wanted: number,
  maxPackSizeBytes: number,
  withEcc: boolean,
  { readBuffers = 0, packsOnTheWay = 1, slots = 0 }: MoreBuffers = {},
): MemoryPlan {
  const planFor = (threads: number): MemoryPlan => ({
    ...planThreads(threads, maxPackSizeBytes, withEcc),
    slots: threads + 1 + slots,
    packBuffers: threads + packsOnTheWay,
    readBuffers,
  });
  let plan = planFor(wanted);
  while (plan.threads > 1 && planBytes(plan) > MAX_MEMORY_BYTES) plan = planFor(plan.threads - 1);
  return plan;
}

function planThreads(
  threads: number,
  maxPackSizeBytes: number,
  withEcc: boolean,
): Pick<MemoryPlan, "threads" | "packBufferBytes"> {
  const segment = LONGEST_CONTENT_BYTES * (withEcc ? SEALED_SEGMENT_FACTOR : 1);
  return {
    threads,
    packBufferBytes: roundUp(maxPackSizeBytes + segment + PACK_END_BYTES),
  };
}

function planBytes(plan: MemoryPlan): number {
  return (
    (plan.threads + 1) * CONTROL_BYTES +
    (plan.slots + plan.threads) * SLOT_BYTES +
    plan.packBuffers * plan.packBufferBytes +
    plan.readBuffers * READ_BUFFER_BYTES
  );
}

/** Views of one thread on the shared memory. */
export class EngineMemory {
  readonly memory: WebAssembly.Memory;
  readonly plan: MemoryPlan;
  readonly #slotsAt: number;
  readonly #scratchAt: number;
  readonly #packsAt: number;
  readonly #readsAt: number;
  readonly #bytes: Uint8Array;

  constructor(plan: MemoryPlan, memory?: WebAssembly.Memory) {
    this.plan = plan;
    // The main thread has a control area too: number `threads`.
    this.#slotsAt = (plan.threads + 1) * CONTROL_BYTES;
    this.#scratchAt = this.#slotsAt + plan.slots * SLOT_BYTES;
    this.#packsAt = this.#scratchAt + plan.threads * SLOT_BYTES;
    this.#readsAt = this.#packsAt + plan.packBuffers * plan.packBufferBytes;
    this.memory = memory ?? createWasmMemory(planBytes(plan));
    this.#bytes = new Uint8Array(this.memory.buffer);
  }

  /** Where a thread's modules may put their state; the main thread is number `plan.threads`. */
  controlOffset(thread: number): number {
    return thread * CONTROL_BYTES;
  }

  /** A segment's place, filled by the main thread and read by the thread that was told its number. */
  slot(number: number): Uint8Array {
    return this.#behindFront(this.#slotsAt + number * SLOT_BYTES);
  }

  /** A thread's own place for whole small files. */
  scratch(thread: number): Uint8Array {
    return this.#behindFront(this.#scratchAt + thread * SLOT_BYTES);
  }

  /** The part of a thread's scratch area that no small file reaches. */
  spare(thread: number): Uint8Array {
    return this.scratch(thread).subarray(GATHERED_BYTES + SMALL_FILE_BYTES + PAGE_BYTES);
  }

  /** Page-aligned. */
  packBuffer(number: number): Uint8Array {
    return this.#view(
      this.#packsAt + number * this.plan.packBufferBytes,
      this.plan.packBufferBytes,
    );
  }

  /** Where contents lie that were fetched for a reading job. */
  readBuffer(number: number): Uint8Array {
    return this.#view(this.#readsAt + number * READ_BUFFER_BYTES, READ_BUFFER_BYTES);
  }

  /** Bytes at an offset of the whole memory. */
  bytesAt(offset: number, length: number): Uint8Array {
    return this.#view(offset, length);
  }

  /** Gives the memory of a buffer that nobody uses back to the system; it is empty when it is used again. */
  releasePackBuffer(number: number): void {
    releasePages(this.packBuffer(number));
  }

  #behindFront(at: number): Uint8Array {
    return this.#view(at + SEAL_FRONT_BYTES, SLOT_BYTES - SEAL_FRONT_BYTES);
  }

  #view(at: number, length: number): Uint8Array {
    return this.#bytes.subarray(at, at + length);
  }
}

/** Numbers that are free, last given back first given out, so that few of them are ever touched. */
export class NumberPool {
  readonly #free: number[];
  readonly #waiting: ((number: number) => void)[] = [];

  constructor(count: number) {
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** Resolves when a number is free; first come, first served. */
  acquire(): Promise<number> {
    const number = this.#free.pop();
    if (number !== undefined) return Promise.resolve(number);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** A number, or `undefined` when none is free. */
  tryAcquire(): number | undefined {
    return this.#free.pop();
  }

  /** Those that nobody has. */
  get free(): readonly number[] {
    return this.#free;
  }

  release(number: number): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#free.push(number);
    else waiting(number);
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}
