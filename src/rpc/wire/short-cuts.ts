/**
 * The messages that uploads and restores of small files are made of, without the general codecs: a hundred thousand of
 * each go by, and objects for every field cost more than the fields. What is not exactly as expected is left to the
 * codecs.
 */
import type { OwnedBytes } from "../../bytes/index.ts";
import type { WriteContentRequest } from "./messages.ts";

const VARINT_BYTES = 10;
const LENGTH_DELIMITED = 2;
const REQUEST_ID_TAG = 1 << 3;
const WRITE_CONTENT_TAG = (13 << 3) | LENGTH_DELIMITED;
const GET_CONTENT_TAG = (14 << 3) | LENGTH_DELIMITED;
const PREFIX_TAG = (1 << 3) | LENGTH_DELIMITED;
const WRITTEN_DATA_TAG = (2 << 3) | LENGTH_DELIMITED;
const COMPRESSION_TAG = 3 << 3;
const CONTENT_ID_TAG = (1 << 3) | LENGTH_DELIMITED;
const READ_DATA_TAG = (1 << 3) | LENGTH_DELIMITED;
/** Longest text of an ID: its length, and that of the body around it, is one byte. */
const MAX_ID_LENGTH = 120;
const MAX_UINT32 = 0xffff_ffff;

/** What is being encoded, and where the next byte goes. */
const made: Uint8Array = new Uint8Array(6 + 4 * VARINT_BYTES + MAX_ID_LENGTH);
let madeBytes = 0;

/** What stands before the data of a content, which ends the message; `undefined` for unusual values. */
export function writeContentHead(
  requestId: bigint,
  { prefix, data, compression }: WriteContentRequest,
): OwnedBytes | undefined {
  if (!isUsual(requestId) || prefix.length > 1) return undefined;
  const code = prefix === "" ? undefined : prefix.charCodeAt(0);
  if (code !== undefined && code > 0x7f) return undefined;
  let body = dataFieldLength(data.byteLength);
  if (code !== undefined) body += 3;
  if (compression !== 0) body += 1 + varintLength(compression);
  begin(requestId, WRITE_CONTENT_TAG, body);
  if (code !== undefined) {
    made[madeBytes++] = PREFIX_TAG;
    made[madeBytes++] = 1;
    made[madeBytes++] = code;
  }
  if (compression !== 0) {
    made[madeBytes++] = COMPRESSION_TAG;
    putVarint(compression);
  }
  return withDataHead(WRITTEN_DATA_TAG, data.byteLength);
}

/** The same of the answer that brings a content. */
export function readContentHead(requestId: bigint, lengthBytes: number): OwnedBytes | undefined {
  if (!isUsual(requestId)) return undefined;
  begin(requestId, GET_CONTENT_TAG, dataFieldLength(lengthBytes));
  return withDataHead(READ_DATA_TAG, lengthBytes);
}

/** The whole answer that names a content which was written; `undefined` for unusual values. */
export function writtenContent(requestId: bigint, contentId: string): OwnedBytes | undefined {
  return withContentId(requestId, WRITE_CONTENT_TAG, contentId);
}

/** The whole request for a content; `undefined` for unusual values. */
export function contentWanted(requestId: bigint, contentId: string): OwnedBytes | undefined {
  return withContentId(requestId, GET_CONTENT_TAG, contentId);
}

/** A request that writes a content; the data are a view of it. `undefined` for everything else. */
export function asWriteContent(
  message: Uint8Array,
): { readonly requestId: bigint; readonly body: WriteContentRequest } | undefined {
  if (!open(message, WRITE_CONTENT_TAG)) return undefined;
  let prefix = "";
  let compression = 0;
  let data = NO_DATA;
  while (at < message.byteLength) {
    const tag = message[at++];
    const value = takeVarint(message);
    if (value < 0) return undefined;
    if (tag === COMPRESSION_TAG) compression = value;
    else if (tag === WRITTEN_DATA_TAG) data = message.subarray(at, (at += value));
    else if (tag === PREFIX_TAG && value === 1 && at < message.byteLength) {
      const code = message[at++] ?? 0;
      if (code > 0x7f) return undefined;
      prefix = String.fromCharCode(code);
    } else return undefined;
  }
  if (at !== message.byteLength) return undefined;
  return { requestId: BigInt(openId), body: { prefix, data, compression } };
}

/** An answer that brings a content, a view of it; `undefined` for everything else. */
export function asReadContent(
  message: Uint8Array,
): { readonly requestId: bigint; readonly data: Uint8Array } | undefined {
  if (!open(message, GET_CONTENT_TAG)) return undefined;
  if (message[at++] !== READ_DATA_TAG) return undefined;
  if (takeVarint(message) !== message.byteLength - at) return undefined;
  return { requestId: BigInt(openId), data: message.subarray(at) };
}

interface Named {
  readonly requestId: bigint;
  readonly contentId: string;
}

/** The answer that names a content which was written; `undefined` for everything else. */
export function asWrittenContent(message: Uint8Array): Named | undefined {
  return open(message, WRITE_CONTENT_TAG) ? takeContentId(message) : undefined;
}

/** The request for a content; `undefined` for everything else. */
export function asContentWanted(message: Uint8Array): Named | undefined {
  return open(message, GET_CONTENT_TAG) ? takeContentId(message) : undefined;
}

const NO_DATA: Uint8Array = new Uint8Array(0);

function isUsual(requestId: bigint): boolean {
  return requestId >= 1n && requestId <= BigInt(MAX_UINT32);
}

function begin(requestId: bigint, tag: number, bodyLength: number): void {
  madeBytes = 0;
  made[madeBytes++] = REQUEST_ID_TAG;
  putVarint(Number(requestId));
  made[madeBytes++] = tag;
  putVarint(bodyLength);
}

/** No bytes take none. */
function dataFieldLength(lengthBytes: number): number {
  return lengthBytes === 0 ? 0 : 1 + varintLength(lengthBytes) + lengthBytes;
}

function withDataHead(tag: number, lengthBytes: number): OwnedBytes {
  if (lengthBytes !== 0) {
    made[madeBytes++] = tag;
    putVarint(lengthBytes);
  }
  return made.slice(0, madeBytes) as OwnedBytes;
}

function withContentId(requestId: bigint, tag: number, id: string): OwnedBytes | undefined {
  if (!isUsual(requestId) || id.length === 0 || id.length > MAX_ID_LENGTH) return undefined;
  begin(requestId, tag, 2 + id.length);
  made[madeBytes++] = CONTENT_ID_TAG;
  made[madeBytes++] = id.length;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    if (code > 0x7f) return undefined;
    made[madeBytes++] = code;
  }
  return made.slice(0, madeBytes) as OwnedBytes;
}

/** Where the message at hand is read, and its request. */
let at = 0;
let openId = 0;

/** The message is a number and one body of this kind, which reaches to its end: `at` stands where that begins. */
function open(message: Uint8Array, tag: number): boolean {
  if (message[0] !== REQUEST_ID_TAG) return false;
  at = 1;
  openId = takeVarint(message);
  if (openId < 0 || message[at++] !== tag) return false;
  return takeVarint(message) === message.byteLength - at;
}

function takeContentId(message: Uint8Array): Named | undefined {
  if (message[at++] !== CONTENT_ID_TAG) return undefined;
  const length = message[at++];
  if (length === undefined || length > MAX_ID_LENGTH || length !== message.byteLength - at)
    return undefined;
  let contentId = "";
  for (; at < message.byteLength; at++) {
    const code = message[at] ?? 0;
    if (code > 0x7f) return undefined;
    contentId += String.fromCharCode(code);
  }
  return { requestId: BigInt(openId), contentId };
}

/** Negative when it is not there, or longer than 32 bits. */
function takeVarint(message: Uint8Array): number {
  let value = 0;
  for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
    const byte = message[at++];
    if (byte === undefined) return -1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value > MAX_UINT32 ? -1 : value;
  }
  return -1;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++;
  return length;
}

function putVarint(value: number): void {
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) made[madeBytes++] = (rest % 128) | 0x80;
  made[madeBytes++] = rest;
}
