/** Contents that were fetched, as ranges of a job: the small ones in one buffer, which costs a thread's message less. */
import type { OwnedBytes } from "../../bytes/index.ts";
import type { BlobId } from "../../blob/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { ContentPiece } from "../../format/index.ts";
import type { PlacedContent, ReadPlan } from "./read-plan.ts";

/** Up to this a content is copied into the buffer of all. */
const JOIN_BYTES: number = 64 * 1024;

/** Each piece's content is in `fetched` under its reference; bigger buffers are given away. */
export function joinFetched(
  pieces: readonly ContentPiece[],
  fetched: ReadonlyMap<string, OwnedBytes | SejfError>,
): ReadPlan {
  let joinedBytes = 0;
  for (const data of fetched.values()) if (isJoined(data)) joinedBytes += data.byteLength;
  const joined = new Uint8Array(joinedBytes);
  const data: OwnedBytes[] = [joined];
  const placed = new Map<string, PlacedContent | SejfError>();
  let at = 0;
  for (const [id, bytes] of fetched) {
    if (bytes instanceof SejfError) placed.set(id, bytes);
    else if (isJoined(bytes)) {
      joined.set(bytes, at);
      placed.set(id, place(id, bytes, 0, at));
      at += bytes.byteLength;
    } else {
      placed.set(id, place(id, bytes, data.length, 0));
      data.push(bytes);
    }
  }
  return {
    ranges: {
      paths: [],
      path: new Uint32Array(data.length),
      offset: new Float64Array(data.length),
      length: Uint32Array.from(data, (bytes) => bytes.byteLength),
      data,
    },
    places: pieces.map(
      ({ ref }) =>
        placed.get(ref) ??
        new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${ref} was not fetched`),
    ),
    transfer: data.map((bytes) => bytes.buffer),
  };
}

function isJoined(data: OwnedBytes | SejfError): data is OwnedBytes {
  return !(data instanceof SejfError) && data.byteLength <= JOIN_BYTES;
}

function place(id: string, bytes: OwnedBytes, range: number, offset: number): PlacedContent {
  return {
    range,
    offset,
    ref: id as PlacedContent["ref"],
    location: {
      packId: "" as BlobId,
      packOffset: 0,
      packedLength: bytes.byteLength,
      originalLength: bytes.byteLength,
      compressionId: 0,
    },
  };
}
