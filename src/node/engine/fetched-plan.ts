/**
 * Contents for a reading job, fetched from a server into the shared memory, where threads hash them and write from.
 * All of a plan is asked for at once, so that the way to the server and back is waited for once a job.
 */
import type { BlobId } from "../../blob/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type ContentPiece, type ContentRef, longestSealed } from "../../format/index.ts";
import { type EngineMemory, NumberPool, READ_BUFFER_BYTES } from "./memory.ts";
import type { PlacedContent, PlanPieces, ReadPlan } from "./read-plan.ts";
import type { RemoteEngineHost } from "./remote-engine.ts";

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
    const most = mostBytes(piece);
    const fits = end + most <= READ_BUFFER_BYTES;
    byRef.set(ref, { piece, at: end, found: fits ? undefined : tooLong(ref, most) });
    if (fits) end += most;
  }
  const asked = [...byRef.values()].filter(({ at, piece }) => at + mostBytes(piece) <= end);
  const onAnswer = (index: number, data: Uint8Array | SejfError): void => {
    const wanted = asked[index];
    if (wanted === undefined) return;
    const { piece, at } = wanted;
    wanted.found =
      data instanceof SejfError ? data : (refusal(piece, data) ?? placed(piece, at, data));
    if (!(wanted.found instanceof SejfError)) buffer.set(data as Uint8Array, at);
  };
  await host.fetch(
    asked.map(({ piece }) => piece.ref),
    onAnswer,
    { signal },
  );
  return {
    ranges: {
      paths: [],
      path: Uint32Array.of(0),
      offset: Float64Array.of(buffer.byteOffset),
      length: Uint32Array.of(end),
      data: [],
      inMemory: true,
    },
    places: pieces.map(({ ref }) => byRef.get(ref)?.found ?? notAnswered(ref)),
    transfer: [],
  };
}

function placed({ ref }: ContentPiece, at: number, data: Uint8Array): PlacedContent {
  return placeFetched(ref, at, data.byteLength);
}

/** Where a fetched content lies in the only range of its job. */
export function placeFetched(ref: ContentRef, offset: number, lengthBytes: number): PlacedContent {
  return {
    range: 0,
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

function tooLong(ref: ContentRef, lengthBytes: number): SejfError {
  return new SejfError(
    "SEJF_CORRUPT",
    `content ${ref} is said to be ${lengthBytes} bytes, more than a server can send`,
  );
}

export function notAnswered(ref: ContentRef): SejfError {
  return new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${ref} was not answered`);
}
