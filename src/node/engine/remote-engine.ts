/**
 * The thread engine of a repository behind a server: threads read, cut and name, and write and hash what is restored;
 * the main thread owns the connection. Plain contents leave a thread in batches; what is read is fetched a job at a
 * time, within a bound of bytes, and re-hashed by the thread that uses it.
 */
import type { BlobId } from "../../blob/index.ts";
import { type CallOptions, copyBytes, mapUnordered, type OwnedBytes } from "../../bytes/index.ts";
import { assert, SejfError } from "../../errors/index.ts";
import type {
  ContentRef,
  ContentRequest,
  PieceSeal,
  SealingParameters,
  VerifyResult,
} from "../../format/index.ts";
import { type EngineSides, ThreadEngine } from "./bulk-engine.ts";
import { plainLength, type SubmitRead } from "./download.ts";
import { fetchPlanner, giveBackLent, notAnswered, placeFetched } from "./fetched-plan.ts";
import type { BulkEngine } from "./host.ts";
import type { VerifyJob } from "./protocol.ts";
import { pieceColumn } from "./read-plan.ts";
import type { NewJob } from "./thread-pool.ts";

export interface RemoteEngineConfig {
  /** Kopia's name. */
  readonly hash: string;
  /** SECURITY: the key of content IDs reaches a thread in its `workerData` only. */
  readonly secret: OwnedBytes;
  readonly indexVersion: number;
  readonly splitter: string;
  readonly threads?: number | undefined;
  /** For `writeSealed`. SECURITY: as `secret`. */
  readonly sealing?: SealingParameters | undefined;
}

/** True: the memory of the bytes is kept. */
export type OnFetched = (index: number, data: Uint8Array | SejfError) => boolean;

/** Implemented by whoever owns the connection. All methods are called on the main thread. */
export interface RemoteEngineHost {
  /**
   * Takes over a batch: contents back to back in `bytes`, a view of shared memory that is valid until the promise
   * settles, and the list of them, as `ContentList` of `format/`. A failure is the engine's end.
   */
  sendBatch(bytes: Uint8Array, list: OwnedBytes): Promise<void>;
  /** As `sendBatch` for one. `hash` in hexadecimal; `compressor`: 0 for none. */
  send(hash: string, bytes: Uint8Array, compressor: number): Promise<void>;
  /** Makes everything sent so far durable; called with no upload under way. */
  commit(): Promise<void>;
  /**
   * `onAnswer` gets each content, by its place in `refs`: plain bytes as they came, not hashed yet, or why there are none.
   * The bytes are valid during the call only, unless it says that it keeps the memory they lie in.
   */
  fetch(refs: readonly ContentRef[], onAnswer: OnFetched, options: CallOptions): Promise<void>;
  /** Memory that was kept is not used any more. */
  giveBack(memory: OwnedBytes): void;
}

/** A batch leaves its thread when it has reached this many bytes. */
const BATCH_BYTES: number = 4 << 20;
/** Long contents that wait for the server's answer where they were read. */
const SLOTS_ON_THE_WAY = 3;
/** Reading jobs that are fetched for or wait to be done, each with up to 8 MiB. */
const READ_BUFFERS = 6;
/** Contents of unknown length that are fetched at the same time. */
const VERIFY_FETCHES = 32;

/** Threads are started by the first bulk call. @throws SEJF_INVALID_ARGUMENT, SEJF_UNSUPPORTED. */
export function createRemoteEngine(host: RemoteEngineHost, config: RemoteEngineConfig): BulkEngine {
  const { hash, secret, indexVersion, splitter, threads, sealing } = config;
  return new ThreadEngine(remoteSides(host), {
    codec: {
      hash,
      secret,
      indexVersion,
      encryption: "",
      masterKey: new Uint8Array(0),
      ecc: "",
      eccOverheadPercent: 0,
    },
    formatVersion: 0,
    maxPackSizeBytes: BATCH_BYTES,
    splitter,
    threads,
    sealing,
  });
}

function remoteSides(host: RemoteEngineHost): EngineSides {
  return {
    stages: "remote",
    host: {
      nowS: () => 0,
      indexDescriptor: () => ({
        generation: 0,
        files: [],
        memory: [],
        deletionWatermarkS: undefined,
      }),
      // oxlint-disable-next-line require-await -- the interface is asynchronous
      openPack: async () => ({ packId: "" as BlobId }),
      storePack: async (_, bytes, list) => await host.sendBatch(bytes, list),
      commitIndex: () => host.commit(),
    },
    sendSlot: async (hash, bytes, compressor) => await host.send(hash, bytes, compressor),
    buffers: { readBuffers: READ_BUFFERS, slots: SLOTS_ON_THE_WAY },
    planner: (memory) => fetchPlanner(host, memory),
    verify: (requests, submit, signal) => verifyFetched(requests, host, submit, signal),
  };
}

async function verifyFetched(
  requests: readonly ContentRequest[],
  host: RemoteEngineHost,
  submit: SubmitRead,
  signal: AbortSignal,
): Promise<readonly VerifyResult[]> {
  const verifyOne = async ({ job, ref, seal }: ContentRequest): Promise<VerifyResult> => {
    const [found] = await fetched(host, ref, signal);
    if (found === undefined || found instanceof SejfError) {
      const { code, message } = found ?? notAnswered(ref);
      return { job, ok: false, code, message };
    }
    const lengthBytes = found.byteLength;
    const reply = await submit(verifyJob(ref, found, seal), [found.buffer]);
    giveBackLent(host, reply);
    assert(reply.op === "read", "a reading job is answered by what failed");
    const [failure] = reply.failures;
    if (failure === undefined)
      return { job, ok: true, originalLength: plainLength(reply, 0, lengthBytes) };
    return { job, ok: false, code: failure.code, message: failure.message };
  };
  const results: VerifyResult[] = [];
  for await (const result of mapUnordered(requests, VERIFY_FETCHES, verifyOne, signal))
    results.push(result);
  return results;
}

async function fetched(
  host: RemoteEngineHost,
  ref: ContentRef,
  signal: AbortSignal,
): Promise<readonly (OwnedBytes | SejfError)[]> {
  const found: (OwnedBytes | SejfError)[] = [];
  const onAnswer: OnFetched = (_, data) => {
    if (data instanceof SejfError) {
      found.push(data);
      return false;
    }
    const isKept = data.buffer instanceof ArrayBuffer;
    found.push(isKept ? (data as OwnedBytes) : copyBytes(data));
    return isKept;
  };
  await host.fetch([ref], onAnswer, { signal });
  return found;
}

/** One content, in memory that is lent to the thread. */
function verifyJob(
  ref: ContentRef,
  data: OwnedBytes,
  seal: PieceSeal | undefined,
): NewJob<VerifyJob> {
  const lengthBytes = data.byteLength;
  return {
    op: "verify",
    ranges: {
      paths: [],
      path: Uint32Array.of(0),
      offset: Float64Array.of(0),
      length: Uint32Array.of(lengthBytes),
      data: [data],
      isLent: true,
    },
    pieces: pieceColumn([placeFetched(ref, 0, lengthBytes)], [{ lengthBytes, seal }]),
  };
}
