/**
 * The two messages that an upload of small files is made of, without the general codecs: a hundred thousand of each go
 * by, and objects for every field cost more than the fields. What is not exactly as expected is left to the codecs.
 */
import type { OwnedBytes } from "../../bytes/index.ts";
import type { WriteContentRequest } from "./messages.ts";

const VARINT_BYTES = 10;
const LENGTH_DELIMITED = 2;
const REQUEST_ID_TAG = 1 << 3;
const WRITE_CONTENT_TAG = (13 << 3) | LENGTH_DELIMITED;
const PREFIX_TAG = (1 << 3) | LENGTH_DELIMITED;
const DATA_TAG = (2 << 3) | LENGTH_DELIMITED;
const COMPRESSION_TAG = 3 << 3;
const CONTENT_ID_TAG = (1 << 3) | LENGTH_DELIMITED;

const head: Uint8Array = new Uint8Array(6 + 4 * VARINT_BYTES);

/** What stands before the data of a content, which ends the message; `undefined` for unusual values. */
export function writeContentHead(
  requestId: bigint,
  { prefix, data, compression }: WriteContentRequest,
): OwnedBytes | undefined {
  if (requestId < 1n || requestId > 0xffff_ffffn || prefix.length > 1) return undefined;
  const code = prefix.length === 0 ? 0 : prefix.charCodeAt(0);
  if (code > 0x7f) return undefined;
  const { byteLength } = data;
  let body = 0;
  if (code !== 0) body += 3;
  if (compression !== 0) body += 1 + varintLength(compression);
  if (byteLength !== 0) body += 1 + varintLength(byteLength) + byteLength;
  let at = 0;
  head[at++] = REQUEST_ID_TAG;
  at = putVarint(Number(requestId), at);
  head[at++] = WRITE_CONTENT_TAG;
  at = putVarint(body, at);
  if (code !== 0) {
    head[at++] = PREFIX_TAG;
    head[at++] = 1;
    head[at++] = code;
  }
  if (compression !== 0) {
    head[at++] = COMPRESSION_TAG;
    at = putVarint(compression, at);
  }
  if (byteLength !== 0) {
    head[at++] = DATA_TAG;
    at = putVarint(byteLength, at);
  }
  return head.slice(0, at);
}

/** The answer that names a content: its request and the name; `undefined` for everything else. */
export function readContentName(
  message: Uint8Array,
): { readonly requestId: bigint; readonly contentId: string } | undefined {
  if (message[0] !== REQUEST_ID_TAG) return undefined;
  let at = 1;
  let requestId = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = message[at++];
    if (byte === undefined || scale > 2 ** 28) return undefined;
    requestId += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (message[at++] !== WRITE_CONTENT_TAG) return undefined;
  const bodyLength = message[at++];
  if (bodyLength === undefined || bodyLength > 0x7f || bodyLength !== message.byteLength - at)
    return undefined;
  if (message[at++] !== CONTENT_ID_TAG) return undefined;
  const length = message[at++];
  if (length === undefined || length !== message.byteLength - at) return undefined;
  let contentId = "";
  for (; at < message.byteLength; at++) {
    const code = message[at] ?? 0;
    if (code > 0x7f) return undefined;
    contentId += String.fromCharCode(code);
  }
  return { requestId: BigInt(requestId), contentId };
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++;
  return length;
}

function putVarint(value: number, start: number): number {
  let at = start;
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) head[at++] = (rest % 128) | 0x80;
  head[at++] = rest;
  return at;
}
