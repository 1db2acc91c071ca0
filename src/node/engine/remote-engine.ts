/**
 * The thread engine of a repository behind a server: threads read, cut and name, and write and hash what is restored;
 * the main thread owns the connection. Plain contents leave a thread in batches; what is read is fetched a job at a
 * time, within a bound of bytes, and re-hashed by the thread that uses it.
 */
import type { BlobId } from "../../blob/index.ts";
import { type CallOptions, mapUnordered, type OwnedBytes } from "../../bytes/index.ts";
import { hashAlgorithm } from "../../crypto/index.ts";
import { assert, SejfError } from "../../errors/index.ts";
import type { ContentPiece, ContentRef, ContentRequest, VerifyResult } from "../../format/index.ts";
import { type EngineSides, ThreadEngine } from "./bulk-engine.ts";
import { ByteGate } from "./byte-gate.ts";
import type { SubmitRead } from "./download.ts";
import { joinFetched } from "./fetched-plan.ts";
import type { BulkEngine } from "./host.ts";
import { type BatchedContent, batchedContents } from "./plain-batch.ts";
import { pieceColumn, type PlacedContent, type PlanPieces } from "./read-plan.ts";

export interface RemoteEngineConfig {
  /** Kopia's name. */
  readonly hash: string;
  /** SECURITY: the key of content IDs reaches a thread in its `workerData` only. */
  readonly secret: OwnedBytes;
  readonly indexVersion: number;
  readonly splitter: string;
  readonly threads?: number | undefined;
}

/** Implemented by whoever owns the connection. All methods are called on the main thread. */
export interface RemoteEngineHost {
  /**
   * Takes over a batch: contents back to back in `bytes`, a view of shared memory that is valid until the promise
   * settles. A failure is the engine's end.
   */
  send(bytes: Uint8Array, contents: readonly BatchedContent[]): Promise<void>;
  /** Makes everything sent so far durable; called with no upload under way. */
  commit(): Promise<void>;
  /** In the order asked: plain bytes as they came, not hashed yet, each in a buffer of its own; or why there are none. */
  fetch(
    refs: readonly ContentRef[],
    options: CallOptions,
  ): Promise<readonly (OwnedBytes | SejfError)[]>;
}

/** A batch leaves its thread when it has reached this many bytes. */
const BATCH_BYTES: number = 4 << 20;
/** Bytes that are being fetched or wait to be used. */
const FETCH_BYTES: number = 64 << 20;
/** Contents of unknown length that are fetched at the same time. */
const VERIFY_FETCHES = 32;

/** Threads are started by the first bulk call. @throws SEJF_INVALID_ARGUMENT, SEJF_UNSUPPORTED. */
export function createRemoteEngine(host: RemoteEngineHost, config: RemoteEngineConfig): BulkEngine {
  const { hash, secret, indexVersion, splitter, threads } = config;
  return new ThreadEngine(remoteSides(host, config), {
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
  });
}

function remoteSides(host: RemoteEngineHost, config: RemoteEngineConfig): EngineSides {
  const hashBytes = hashAlgorithm(config.hash, config.secret.byteLength).lengthBytes;
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
      storePack: async (_, bytes, list) =>
        await host.send(bytes, batchedContents(bytes, list, hashBytes)),
      commitIndex: () => host.commit(),
    },
    plan: fetchPlanner(host),
    verify: (requests, submit, signal) => verifyFetched(requests, host, submit, signal),
  };
}

/** Asks for all pieces of a plan at once: the way to the server and back is waited for once a job. */
function fetchPlanner(host: RemoteEngineHost): PlanPieces {
  const gate = new ByteGate(FETCH_BYTES);
  return async (pieces, signal) => {
    const wanted = new Map<string, ContentPiece>(pieces.map((piece) => [piece.ref, piece]));
    let bytes = 0;
    for (const { lengthBytes } of wanted.values()) bytes += lengthBytes;
    const release = await gate.acquire(bytes, signal);
    try {
      const asked = [...wanted.values()];
      const answers = await host.fetch(
        asked.map(({ ref }) => ref),
        { signal },
      );
      const fetched = new Map<string, OwnedBytes | SejfError>();
      asked.forEach((piece, i) => fetched.set(piece.ref, checked(piece, answers[i])));
      return { ...joinFetched(pieces, fetched), release };
    } catch (error) {
      release();
      throw error;
    }
  };
}

/** A server that answers with more than it was asked for is not believed, and the answer is not kept. */
function checked(
  { ref, lengthBytes, objectCompressed }: ContentPiece,
  data: OwnedBytes | SejfError | undefined,
): OwnedBytes | SejfError {
  if (data === undefined || data instanceof SejfError) return data ?? notAnswered(ref);
  const isRight =
    objectCompressed === true ? data.byteLength <= lengthBytes : data.byteLength === lengthBytes;
  if (isRight) return data;
  return new SejfError(
    "SEJF_CORRUPT",
    `content ${ref} from the server is ${data.byteLength} bytes, expected ${lengthBytes}`,
  );
}

function notAnswered(ref: ContentRef): SejfError {
  return new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${ref} was not answered`);
}

async function verifyFetched(
  requests: readonly ContentRequest[],
  host: RemoteEngineHost,
  submit: SubmitRead,
  signal: AbortSignal,
): Promise<readonly VerifyResult[]> {
  const verifyOne = async ({ job, ref }: ContentRequest): Promise<VerifyResult> => {
    const [data = notAnswered(ref)] = await host.fetch([ref], { signal });
    if (data instanceof SejfError)
      return { job, ok: false, code: data.code, message: data.message };
    const originalLength = data.byteLength;
    const piece: ContentPiece = { ref, lengthBytes: originalLength };
    const plan = joinFetched([piece], new Map([[ref, data]]));
    const reply = await submit(
      {
        op: "verify",
        ranges: plan.ranges,
        pieces: pieceColumn(plan.places as readonly PlacedContent[], [piece]),
      },
      plan.transfer,
    );
    assert(reply.op === "read", "a reading job is answered by what failed");
    const [failure] = reply.failures;
    if (failure === undefined) return { job, ok: true, originalLength };
    return { job, ok: false, code: failure.code, message: failure.message };
  };
  const results: VerifyResult[] = [];
  for await (const result of mapUnordered(requests, VERIFY_FETCHES, verifyOne, signal))
    results.push(result);
  return results;
}
