/**
 * A batch that leaves a thread, divided: short contents stay together in messages of many, long ones go by themselves,
 * because the server may have them. Nothing is made here for a short content.
 */
import { bytesToHex, concatBytes, type OwnedBytes, viewOf } from "../../bytes/index.ts";
import { assert } from "../../errors/index.ts";
import { CONTENT_LIST_HEAD_BYTES, type ContentId } from "../../format/index.ts";
import { MAX_MESSAGE_BYTES } from "../grpc/frames.ts";

/** Beside list and data. */
const ENVELOPE_BYTES = 1024;
const MOST_BYTES: number = MAX_MESSAGE_BYTES - ENVELOPE_BYTES;
/** A server does one message at a time, and refuses four times as many. */
const MOST_CONTENTS = 16_384;

/** Short contents for one message. */
export interface MessageOfMany {
  /** Layout: `ContentList` of `format/`. */
  readonly list: OwnedBytes;
  readonly hashBytes: number;
  readonly contentCount: number;
  /** What the list names, in pieces one behind the other: views of the batch. */
  readonly data: readonly Uint8Array[];
}

export interface SingleContent {
  readonly id: ContentId;
  /** A view of the batch. */
  readonly data: Uint8Array;
  /** 0: none. */
  readonly compressor: number;
}

export interface DividedBatch {
  readonly messages: readonly MessageOfMany[];
  readonly singles: readonly SingleContent[];
}

export interface DivisionOptions {
  readonly hashBytes: number;
  /** Contents from so many bytes on go by themselves; 0: all. */
  readonly singleFromBytes: number;
}

/** Neighbours in the batch. Offsets in bytes. */
interface Run {
  readonly listAt: number;
  readonly dataAt: number;
  listEnd: number;
  dataEnd: number;
}

interface Gathering {
  readonly runs: Run[];
  lengthBytes: number;
  contentCount: number;
}

/** `bytes` holds the contents of `list` back to back. */
export function divideBatch(
  bytes: Uint8Array,
  list: OwnedBytes,
  { hashBytes, singleFromBytes }: DivisionOptions,
): DividedBatch {
  const recordBytes = CONTENT_LIST_HEAD_BYTES + hashBytes;
  const view = viewOf(list);
  const gathered: Gathering[] = [];
  const singles: SingleContent[] = [];
  let run: Run | undefined;
  let dataAt = 0;
  for (let listAt = 0; listAt < list.byteLength; listAt += recordBytes) {
    const lengthBytes = view.getUint32(listAt, true);
    const dataEnd = dataAt + lengthBytes;
    const listEnd = listAt + recordBytes;
    if (lengthBytes >= singleFromBytes) {
      const hash = list.subarray(listAt + CONTENT_LIST_HEAD_BYTES, listEnd);
      singles.push({
        id: bytesToHex(hash) as ContentId,
        data: bytes.subarray(dataAt, dataEnd),
        compressor: view.getUint32(listAt + 4, true),
      });
      run = undefined;
    } else {
      let message = gathered.at(-1);
      if (message === undefined || !hasRoom(message, recordBytes + lengthBytes)) {
        message = { runs: [], lengthBytes: 0, contentCount: 0 };
        gathered.push(message);
        run = undefined;
      }
      if (run === undefined) message.runs.push((run = { listAt, dataAt, listEnd, dataEnd }));
      run.listEnd = listEnd;
      run.dataEnd = dataEnd;
      message.lengthBytes += recordBytes + lengthBytes;
      message.contentCount++;
    }
    dataAt = dataEnd;
  }
  assert(dataAt === bytes.byteLength, "the list of a batch says what is in it");
  return { messages: gathered.map((one) => messageOf(one, bytes, list, hashBytes)), singles };
}

function hasRoom({ lengthBytes, contentCount }: Gathering, moreBytes: number): boolean {
  return contentCount < MOST_CONTENTS && lengthBytes + moreBytes <= MOST_BYTES;
}

function messageOf(
  { runs, contentCount }: Gathering,
  bytes: Uint8Array,
  list: OwnedBytes,
  hashBytes: number,
): MessageOfMany {
  const lists = runs.map(({ listAt, listEnd }) => list.subarray(listAt, listEnd));
  const [only] = lists;
  return {
    list: lists.length === 1 && only !== undefined ? only : concatBytes(...lists),
    hashBytes,
    contentCount,
    data: runs.map(({ dataAt, dataEnd }) => bytes.subarray(dataAt, dataEnd)),
  };
}
