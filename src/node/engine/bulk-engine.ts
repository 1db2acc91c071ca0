/** Joins threads, claims, packs and the two bulk paths into one engine. */
import { availableParallelism } from "node:os";
import type { CallOptions } from "../../bytes/index.ts";
import { hashAlgorithm } from "../../crypto/index.ts";
import { assert, SejfError } from "../../errors/index.ts";
import {
  type ContentRequest,
  type FileBatch,
  type FileResult,
  type RestoreBatch,
  type RestoreFilesOptions,
  type RestoreResult,
  SEALED_HEADER_BYTES,
  type VerifyResult,
  type WriteFilesOptions,
} from "../../format/index.ts";
import { STEP_BYTES, Turn } from "./big-file.ts";
import { bulkStream } from "./bulk-stream.ts";
import { ClaimTable } from "./claim-table.ts";
import {
  type RestoreTools,
  restoreItem,
  restoreItems,
  type SubmitRead,
  verifyRequests,
} from "./download.ts";
import type {
  BulkEngine,
  BulkEngineConfig,
  BulkEngineHost,
  ContentBatch,
  StoredBatch,
  StoreHost,
} from "./host.ts";
import {
  EngineMemory,
  LONGEST_STORED_BYTES,
  type MoreBuffers,
  NumberPool,
  planMemory,
} from "./memory.ts";
import { PackTraffic } from "./pack-traffic.ts";
import type { SegmentReply, Stages, ThreadData, ThreadJob } from "./protocol.ts";
import { packPlanner, type PlanPieces } from "./read-plan.ts";
import { ThreadPool } from "./thread-pool.ts";
import { hasEcc, openWasm, SegmentFinders } from "./thread-tools.ts";
import { storeItem, uploadItems, type UploadTools } from "./upload.ts";
import { UploadGate } from "./upload-gate.ts";

const MAX_THREADS = 8;
/** Where a pack is long on its way: with three, twice as many bytes a second as with one at 30 ms and 10 MB/s a connection. */
const DISTANT_PACKS = 3;

/**
 * Beside which jobs the main thread has as much to do: it lists and writes directories of small files, receives contents
 * for a server, and sends to one or receives from it what a thread works on.
 */
const LEAVE_CORE: Readonly<Record<Stages, ReadonlySet<ThreadJob["op"]>>> = {
  direct: new Set(["files", "contents"]),
  remote: new Set(["files", "segment", "pieces"]),
};

/**
 * Threads are started by the first bulk call and stay until `close`.
 * @throws SEJF_INVALID_ARGUMENT when `SEJF_THREADS` is no number; SEJF_UNSUPPORTED for unknown algorithms.
 */
export function createBulkEngine(host: BulkEngineHost, config: BulkEngineConfig): BulkEngine {
  return new ThreadEngine(
    {
      stages: "direct",
      host,
      buffers: { packsOnTheWay: host.storage.localPath === undefined ? DISTANT_PACKS : 1 },
      planner: () => packPlanner(host),
      verify: (requests, submit, signal) => verifyRequests(requests, { host, submit }, signal),
    },
    config,
  );
}

/** What distinguishes the engines of direct repositories and of those behind a server. */
export interface EngineSides {
  readonly stages: Stages;
  readonly host: StoreHost;
  /** Of the shared memory. */
  readonly buffers: MoreBuffers;
  readonly planner: (memory: EngineMemory) => PlanPieces;
  /** Takes over a content that a thread has left in its slot; `bytes` are valid until the promise settles. */
  readonly sendSlot?: (hash: string, bytes: Uint8Array, compressor: number) => Promise<void>;
  readonly verify: (
    requests: readonly ContentRequest[],
    submit: SubmitRead,
    signal: AbortSignal,
  ) => Promise<readonly VerifyResult[]>;
}

/** `SEJF_THREADS`, else as many as cores, at most 8. @throws SEJF_INVALID_ARGUMENT. */
export function defaultThreads(): number {
  const text = process.env["SEJF_THREADS"];
  if (text === undefined || text === "") return Math.min(MAX_THREADS, availableParallelism());
  const threads = Number(text);
  if (!Number.isInteger(threads) || threads < 0 || threads > 1024) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `SEJF_THREADS is ${JSON.stringify(text)}, expected a number from 0 to 1024`,
    );
  }
  return threads;
}

export class ThreadEngine implements BulkEngine {
  readonly threads: number;
  readonly claims: ClaimTable;
  readonly #sides: EngineSides;
  readonly #config: BulkEngineConfig;
  readonly #memory: EngineMemory;
  readonly #pool: ThreadPool;
  readonly #packs: PackTraffic;
  readonly #gate: UploadGate;
  readonly #hashBytes: number;
  readonly #slots: NumberPool;
  readonly #turn = new Turn();
  readonly #rest = new Uint8Array(STEP_BYTES);
  #finders: SegmentFinders | undefined;
  readonly #uploads: UploadTools;
  readonly #downloads: RestoreTools;
  #failure: SejfError | undefined;

  /** Use `createBulkEngine` or `createRemoteEngine`. */
  constructor(sides: EngineSides, config: BulkEngineConfig) {
    const { codec, threads = defaultThreads() } = config;
    const { host } = sides;
    const hashBytes = hashAlgorithm(codec.hash, codec.secret.byteLength).lengthBytes;
    const plan = planMemory(threads, config.maxPackSizeBytes, hasEcc(codec), sides.buffers);
    this.threads = plan.threads;
    this.#sides = sides;
    this.#config = config;
    this.claims = ClaimTable.create(hashBytes, config.claimLimit);
    this.#memory = new EngineMemory(plan);
    const { stages } = sides;
    this.#pool = new ThreadPool(plan.threads, LEAVE_CORE[stages], (one) => this.#threadData(one), {
      onWant: (thread, message) => this.#packs.onWant(thread, message),
      onFull: (thread, message) => this.#packs.onFull(thread, message),
      onFailure: (error) => {
        this.#failure ??= error;
      },
    });
    this.#packs = new PackTraffic(
      host,
      this.#memory,
      (thread, grant) => this.#pool.grant(thread, grant),
      (error) => this.#pool.fail(error),
    );
    this.#gate = new UploadGate(this.claims, {
      drain: () => this.drain(),
      commitIndex: () => host.commitIndex(),
      refreshIndex: () => this.#pool.broadcast({ op: "index", index: host.indexDescriptor() }),
    });
    this.#hashBytes = hashBytes;
    this.#slots = new NumberPool(plan.slots);
    this.#uploads = this.#uploadTools(config.splitter, false);
    this.#downloads = {
      plan: sides.planner(this.#memory),
      submit: (job, transfer) => this.#pool.submit(job, transfer),
    };
  }

  writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions = {},
  ): AsyncGenerator<readonly FileResult[], void, void> {
    return this.#write(batches, this.#uploads, options);
  }

  writeSealed(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions = {},
  ): AsyncGenerator<readonly FileResult[], void, void> {
    const { sealing } = this.#config;
    assert(sealing !== undefined, "an engine that seals has the secrets for it");
    const tools = this.#uploadTools(sealing.splitter, true);
    return this.#write(batches, tools, options);
  }

  warmUp(): void {
    this.#pool.warmUp();
  }

  async storeContents(
    { bytes, lengths, compressors }: ContentBatch,
    { evenly }: { readonly evenly: boolean },
  ): Promise<StoredBatch | undefined> {
    if (lengths.some((length) => length > LONGEST_STORED_BYTES)) return undefined;
    this.#check();
    const reply = await this.#gate.pass(lengths.length, () => {
      const nowS = this.#sides.host.nowS();
      const job = { op: "contents", nowS, bytes, lengths, compressors, evenly } as const;
      return this.#pool.submit(job, [bytes.buffer]);
    });
    assert(reply.op === "contents", "contents are answered by their names");
    return reply;
  }

  async *#write(
    batches: AsyncIterable<FileBatch>,
    plainTools: UploadTools,
    options: WriteFilesOptions,
  ): AsyncGenerator<readonly FileResult[], void, void> {
    this.#check();
    const items = uploadItems(batches, plainTools.splitter);
    const { onBytes, onReading } = options;
    const tools: UploadTools = { ...plainTools, onBytes, onReading };
    yield* bulkStream(
      items,
      this.#limit(),
      (item, signal) => storeItem(item, tools, signal),
      options.signal,
    );
  }

  async *restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options: RestoreFilesOptions = {},
  ): AsyncGenerator<readonly RestoreResult[], void, void> {
    this.#check();
    const items = restoreItems(batches);
    yield* bulkStream(
      items,
      Math.max(1, Math.min(options.parallel ?? Infinity, this.#limit())),
      (item, signal) => restoreItem(item, this.#downloads, signal),
      options.signal,
    );
  }

  async *verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options: CallOptions = {},
  ): AsyncGenerator<readonly VerifyResult[], void, void> {
    this.#check();
    yield* bulkStream(
      requests,
      this.#limit(),
      (batch, signal) => this.#sides.verify(batch, this.#downloads.submit, signal),
      options.signal,
    );
  }

  async drain(): Promise<void> {
    this.#throwFailure();
    await this.#pool.broadcast({ op: "drain" });
    await this.#packs.settled();
    this.#packs.releaseMemory();
    this.#throwFailure();
  }

  indexCommitted(): void {
    this.#gate.markStale();
  }

  async close(): Promise<void> {
    await this.#pool.close();
    await this.#packs.settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Twice what the threads hold, so that results wait for the consumer and not the threads for work. */
  #limit(): number {
    return 2 * this.threads + 1;
  }

  #check(): void {
    assert(this.threads > 0, "an engine without threads is asked for bulk work");
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #threadData(thread: number): ThreadData {
    const { hash, encryption, ecc, eccOverheadPercent, secret, masterKey, indexVersion } =
      this.#config.codec;
    return {
      thread,
      stages: this.#sides.stages,
      codec: { hash, encryption, ecc, eccOverheadPercent, secret, masterKey, indexVersion },
      formatVersion: this.#config.formatVersion,
      maxPackSizeBytes: this.#config.maxPackSizeBytes,
      plan: this.#memory.plan,
      memory: this.#memory.memory,
      claims: this.claims.descriptor(),
      index: this.#sides.host.indexDescriptor(),
      sealing: this.#config.sealing,
    };
  }

  #uploadTools(splitter: string, sealed: boolean): UploadTools {
    const submit: UploadTools["submit"] = (job, claims) =>
      this.#gate.pass(claims, () => this.#pool.submit(job));
    return {
      memory: this.#memory,
      slots: this.#slots,
      rest: this.#rest,
      turn: this.#turn,
      splitter,
      sealed,
      hashBytes: this.#hashBytes,
      nowS: () => this.#sides.host.nowS(),
      submit,
      finder: (name) => {
        this.#finders ??= new SegmentFinders(
          openWasm(this.#memory, this.threads),
          this.#config.sealing?.cuts,
        );
        return this.#finders.get(name, sealed);
      },
      storeSlot: async (slot, lengthBytes, compressor) => {
        const nowS = this.#sides.host.nowS();
        const job = { op: "segment", nowS, slot, lengthBytes, compressor, sealed } as const;
        const reply = await submit(job, 1);
        assert(reply.op === "segment", "a segment job is answered by its hash");
        if (reply.isNew && reply.isLeft)
          await this.#sides.sendSlot?.(
            reply.hash,
            this.#leftIn(slot, lengthBytes, reply),
            sealed ? 0 : compressor,
          );
        return reply;
      },
    };
  }

  /** What a thread left in a slot. */
  #leftIn(slot: number, lengthBytes: number, { seal }: SegmentReply): Uint8Array {
    const segment = this.#memory.slot(slot).subarray(0, lengthBytes);
    return seal === undefined
      ? segment
      : this.#memory.bytesAt(segment.byteOffset - SEALED_HEADER_BYTES, seal.sealedBytes);
  }
}
