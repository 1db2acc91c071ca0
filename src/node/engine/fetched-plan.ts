/**
 * Contents for a reading job, fetched from a server: short ones into the shared memory, long ones in the memory that they
 * were received in, which is lent to the thread that hashes them and writes from there.
 * All of a plan is asked for at once, so that the way to the server and back is waited for once a job.
 */
import { ALIGNMENT_BYTES, alignedPlace, type OwnedBytes } from "../../bytes/index.ts";
import type { BlobId } from "../../blob/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type ContentPiece, type ContentRef, longestSealed } from "../../format/index.ts";
import { type EngineMemory, NumberPool, READ_BUFFER_BYTES } from "./memory.ts";
import type { JobReply } from "./protocol.ts";
import type { PlacedContent, PlanPieces, ReadPlan } from "./read-plan.ts";
import type { OnFetched, RemoteEngineHost } from "./remote-engine.ts";

/** From here on copying costs more than another message to and from a thread. */
const LENT_BYTES: number = 256 * 1024;

/** Plans wait for a buffer in turn. */
export function fetchPlanner(host: RemoteEngineHost, memory: EngineMemory): PlanPieces {
  const buffers = new NumberPool(memory.plan.readBuffers);
  return async (pieces, signal) => {
    signal.throwIfAborted();
    const buffer = await buffers.acquire();
    const release = (): void => buffers.release(buffer);
    try {
      signal.throwIfAborted();
      const plan = await fetchInto(host, memory.readBuffer(buffer), pieces, signal);
      return { ...plan, release };
    } catch (error) {
      release();
      throw error;
    }
  };
}

interface Wanted {
  readonly piece: ContentPiece;
  readonly at: number;
  /** `undefined`: not answered yet. */
  found: PlacedContent | SejfError | undefined;
}

async function fetchInto(
  host: RemoteEngineHost,
  buffer: Uint8Array,
  pieces: readonly ContentPiece[],
  signal: AbortSignal,
): Promise<ReadPlan> {
  const byRef = new Map<ContentRef, Wanted>();
  let end = 0;
  for (const piece of pieces) {
    const { ref } = piece;
    if (byRef.has(ref)) continue;
    const most = roomFor(piece);
    const fits = end + most <= READ_BUFFER_BYTES;
    byRef.set(ref, { piece, at: end, found: fits ? undefined : tooLong(ref, most) });
    if (fits) end += most;
  }
  const asked = [...byRef.values()].filter(({ at, piece }) => at + roomFor(piece) <= end);
  const lent: OwnedBytes[] = [];
  const onAnswer: OnFetched = (index, data) => {
    const wanted = asked[index];
    if (wanted === undefined) return false;
    const { piece, at } = wanted;
    const { ref } = piece;
    const failure = data instanceof SejfError ? data : refusal(piece, data);
    if (failure !== undefined || data instanceof SejfError) {
      wanted.found = failure;
      return false;
    }
    const { byteLength } = data;
    if (byteLength >= LENT_BYTES && data.buffer instanceof ArrayBuffer) {
      wanted.found = placeFetched(ref, 0, byteLength, 1 + lent.length);
      lent.push(data as OwnedBytes);
      return true;
    }
    const place = alignedPlace(buffer, at, data);
    wanted.found = placeFetched(ref, place, byteLength);
    buffer.set(data, place);
    return false;
  };
  await host.fetch(
    asked.map(({ piece }) => piece.ref),
    onAnswer,
    { signal },
  );
  return {
    ranges: {
      paths: [],
      path: new Uint32Array(1 + lent.length),
      offset: Float64Array.of(buffer.byteOffset, ...lent.map(() => 0)),
      length: Uint32Array.of(end, ...lent.map(({ byteLength }) => byteLength)),
      data: [undefined, ...lent],
      inMemory: true,
      isLent: true,
    },
    places: pieces.map(({ ref }) => byRef.get(ref)?.found ?? notAnswered(ref)),
    transfer: lent.map(({ buffer: memory }) => memory),
    takeBack: (reply) => giveBackLent(host, reply),
  };
}

/** What was lent to the job is used again for what comes. */
export function giveBackLent(host: RemoteEngineHost, reply: JobReply): void {
  if (reply.op === "read")
    for (const memory of reply.memory ?? []) host.giveBack(new Uint8Array(memory.buffer));
}

/** Where a fetched content lies; the first range of a job is the shared memory, or the only one. */
export function placeFetched(
  ref: ContentRef,
  offset: number,
  lengthBytes: number,
  range = 0,
): PlacedContent {
  return {
    range,
    offset,
    ref,
    location: {
      packId: "" as BlobId,
      packOffset: 0,
      packedLength: lengthBytes,
      originalLength: lengthBytes,
      compressionId: 0,
    },
  };
}

/** A server that answers with more than it was asked for is not believed, and the answer is not kept. */
function refusal(piece: ContentPiece, data: Uint8Array): SejfError | undefined {
  const { ref, objectCompressed, seal } = piece;
  const most = mostBytes(piece);
  const mayBeShorter = objectCompressed === true || seal !== undefined;
  if (mayBeShorter ? data.byteLength <= most : data.byteLength === most) return undefined;
  return new SejfError(
    "SEJF_CORRUPT",
    `content ${ref} from the server is ${data.byteLength} bytes, expected ${most}`,
  );
}

/** Of the content, whose length a seal hides. */
function mostBytes({ lengthBytes, seal }: ContentPiece): number {
  return seal === undefined ? lengthBytes : longestSealed(lengthBytes);
}

function roomFor(piece: ContentPiece): number {
  return mostBytes(piece) + ALIGNMENT_BYTES;
}

function tooLong(ref: ContentRef, lengthBytes: number): SejfError {
  return new SejfError(
    "SEJF_CORRUPT",
    `content ${ref} is said to be ${lengthBytes} bytes, more than a server can send`,
  );
}

export function notAnswered(ref: ContentRef): SejfError {
  return new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${ref} was not answered`);
}
