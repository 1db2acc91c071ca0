/**
 * The two envelopes of a session: a request or response with its number and exactly one body. Contents travel as their
 * own last piece, so that sending does not copy them, and arrive as views of the message. Spec: kopia-server 2.1.
 */
import {
  bytes,
  int64,
  lengthTag,
  type MessageCodec,
  newWriter,
  readFields,
  textMap,
  type TextMap,
} from "./fields.ts";
import * as messages from "./messages.ts";
import {
  asContentWanted,
  asReadContent,
  asWriteContent,
  asWrittenContent,
  contentWanted,
  readContentHead,
  writeContentHead,
  writtenContent,
} from "./short-cuts.ts";

export interface RequestBodies {
  initializeSession: messages.InitializeSessionRequest;
  getContentInfo: messages.GetContentInfoRequest;
  flush: messages.Empty;
  writeContent: messages.WriteContentRequest;
  getContent: messages.GetContentRequest;
  getManifest: messages.GetManifestRequest;
  putManifest: messages.PutManifestRequest;
  findManifests: messages.FindManifestsRequest;
  deleteManifest: messages.DeleteManifestRequest;
  prefetchContents: messages.PrefetchContentsRequest;
  applyRetentionPolicy: messages.ApplyRetentionPolicyRequest;
  sendNotification: messages.SendNotificationRequest;
  getCapacity: messages.Empty;
  writeContents: messages.WriteContentsRequest;
}

export interface ResponseBodies {
  initializeSession: messages.InitializeSessionResponse;
  getContentInfo: messages.GetContentInfoResponse;
  flush: messages.Empty;
  writeContent: messages.WriteContentResponse;
  getContent: messages.GetContentResponse;
  getManifest: messages.GetManifestResponse;
  putManifest: messages.PutManifestResponse;
  findManifests: messages.FindManifestsResponse;
  deleteManifest: messages.Empty;
  prefetchContents: messages.PrefetchContentsResponse;
  applyRetentionPolicy: messages.ApplyRetentionPolicyResponse;
  sendNotification: messages.Empty;
  getCapacity: messages.GetCapacityResponse;
  writeContents: messages.Empty;
}

export type RequestKind = keyof RequestBodies;

/** A request with its kind: narrows by `kind`. */
export type AnyRequest = {
  [K in RequestKind]: { readonly kind: K; readonly body: RequestBodies[K] };
}[RequestKind];

export type AnyResponse =
  | { [K in RequestKind]: { readonly kind: K; readonly body: ResponseBodies[K] } }[RequestKind]
  | { readonly kind: "error"; readonly body: messages.ErrorResponse };

export interface SessionRequest {
  /** Chosen by the client and opaque to the server. */
  readonly requestId: bigint;
  /** W3C trace headers; informational. */
  readonly traceContext: TextMap;
  /** `undefined`: of a kind that this version does not know. */
  readonly request: AnyRequest | undefined;
}

export interface SessionResponse {
  readonly requestId: bigint;
  /** More responses with this number will follow. */
  readonly hasMore: boolean;
  readonly response: AnyResponse | undefined;
}

/** A message in pieces, to be sent one behind the other. */
export type MessageParts = readonly Uint8Array[];

type RequestTable = {
  readonly [K in RequestKind]: readonly [number, MessageCodec<RequestBodies[K]>];
};
type ResponseTable = {
  readonly [K in RequestKind]: readonly [number, MessageCodec<ResponseBodies[K]>];
};

const REQUESTS: RequestTable = {
  initializeSession: [10, messages.INITIALIZE_SESSION_REQUEST],
  getContentInfo: [11, messages.GET_CONTENT_INFO_REQUEST],
  flush: [12, messages.EMPTY],
  writeContent: [13, messages.WRITE_CONTENT_REQUEST],
  getContent: [14, messages.GET_CONTENT_REQUEST],
  getManifest: [15, messages.GET_MANIFEST_REQUEST],
  putManifest: [16, messages.PUT_MANIFEST_REQUEST],
  findManifests: [17, messages.FIND_MANIFESTS_REQUEST],
  deleteManifest: [18, messages.DELETE_MANIFEST_REQUEST],
  prefetchContents: [19, messages.PREFETCH_CONTENTS_REQUEST],
  applyRetentionPolicy: [20, messages.APPLY_RETENTION_POLICY_REQUEST],
  sendNotification: [21, messages.SEND_NOTIFICATION_REQUEST],
  getCapacity: [22, messages.EMPTY],
  // Ours, far from the numbers that Kopia may come to use.
  writeContents: [1001, messages.WRITE_CONTENTS_REQUEST],
};

const RESPONSES: ResponseTable = {
  initializeSession: [10, messages.INITIALIZE_SESSION_RESPONSE],
  getContentInfo: [11, messages.GET_CONTENT_INFO_RESPONSE],
  flush: [12, messages.EMPTY],
  writeContent: [13, messages.WRITE_CONTENT_RESPONSE],
  getContent: [14, messages.GET_CONTENT_RESPONSE],
  getManifest: [15, messages.GET_MANIFEST_RESPONSE],
  putManifest: [16, messages.PUT_MANIFEST_RESPONSE],
  findManifests: [17, messages.FIND_MANIFESTS_RESPONSE],
  deleteManifest: [18, messages.EMPTY],
  prefetchContents: [19, messages.PREFETCH_CONTENTS_RESPONSE],
  applyRetentionPolicy: [20, messages.APPLY_RETENTION_POLICY_RESPONSE],
  sendNotification: [21, messages.EMPTY],
  getCapacity: [22, messages.GET_CAPACITY_RESPONSE],
  writeContents: [1001, messages.EMPTY],
};

const REQUEST_ID = 1;
const TRACE_CONTEXT = 2;
const RESPONSE_ERROR = 2;
const HAS_MORE = 3;
const WRITE_CONTENT_DATA = 2;
const WRITE_CONTENTS_DATA = 2;
const GET_CONTENT_DATA = 1;
const LENGTH_DELIMITED = 2;

/** Every kind, in the order of field numbers. */
export const REQUEST_KINDS: readonly RequestKind[] = Object.keys(REQUESTS) as RequestKind[];

const KIND_BY_NUMBER: ReadonlyMap<number, RequestKind> = new Map(
  REQUEST_KINDS.map((kind) => [REQUESTS[kind][0], kind]),
);

/** @throws SEJF_CORRUPT. Bytes inside of the body are views of `data`. */
export function decodeRequest(data: Uint8Array): SessionRequest {
  return decodeUsualRequest(data) ?? decodeAnyRequest(data);
}

function decodeUsualRequest(data: Uint8Array): SessionRequest | undefined {
  const traceContext = textMap.initial;
  const written = asWriteContent(data);
  if (written !== undefined) {
    const { requestId, body } = written;
    return { requestId, traceContext, request: { kind: "writeContent", body } };
  }
  const wanted = asContentWanted(data);
  if (wanted === undefined) return undefined;
  const { requestId, contentId } = wanted;
  return { requestId, traceContext, request: { kind: "getContent", body: { contentId } } };
}

function decodeAnyRequest(data: Uint8Array): SessionRequest {
  let requestId = 0n;
  let traceContext = textMap.initial;
  let request: AnyRequest | undefined;
  readFields("SessionRequest", data, (reader, number, wireType) => {
    if (number === REQUEST_ID && wireType === 0) requestId = int64.read(reader);
    else if (wireType !== LENGTH_DELIMITED) return false;
    else if (number === TRACE_CONTEXT) traceContext = textMap.read(reader, traceContext);
    else {
      const kind = KIND_BY_NUMBER.get(number);
      if (kind === undefined) return false;
      // The table pairs each kind with its codec; the compiler cannot follow that through a lookup.
      request = { kind, body: REQUESTS[kind][1].decode(reader.bytes()) } as AnyRequest;
    }
    return true;
  });
  return { requestId, traceContext, request };
}

/** @throws SEJF_CORRUPT. Bytes inside of the body are views of `data`. */
export function decodeResponse(data: Uint8Array): SessionResponse {
  return decodeUsualResponse(data) ?? decodeAnyResponse(data);
}

function decodeUsualResponse(data: Uint8Array): SessionResponse | undefined {
  const written = asWrittenContent(data);
  if (written !== undefined) {
    const { requestId, contentId } = written;
    return { requestId, hasMore: false, response: { kind: "writeContent", body: { contentId } } };
  }
  const read = asReadContent(data);
  if (read === undefined) return undefined;
  const { requestId, data: content } = read;
  return { requestId, hasMore: false, response: { kind: "getContent", body: { data: content } } };
}

function decodeAnyResponse(data: Uint8Array): SessionResponse {
  let requestId = 0n;
  let hasMore = false;
  let response: AnyResponse | undefined;
  readFields("SessionResponse", data, (reader, number, wireType) => {
    if (number === REQUEST_ID && wireType === 0) requestId = int64.read(reader);
    else if (number === HAS_MORE && wireType === 0) hasMore = reader.bool();
    else if (wireType !== LENGTH_DELIMITED) return false;
    else if (number === RESPONSE_ERROR)
      response = { kind: "error", body: messages.ERROR_RESPONSE.decode(reader.bytes()) };
    else {
      const kind = KIND_BY_NUMBER.get(number);
      if (kind === undefined) return false;
      response = { kind, body: RESPONSES[kind][1].decode(reader.bytes()) } as AnyResponse;
    }
    return true;
  });
  return { requestId, hasMore, response };
}

const NO_TRACE: TextMap = {};

/** The data of contents are not copied: they must not change until they were sent. */
export function encodeRequest(
  requestId: bigint,
  request: AnyRequest,
  traceContext: TextMap = NO_TRACE,
): MessageParts {
  const usual = traceContext === NO_TRACE ? encodeUsualRequest(requestId, request) : undefined;
  if (usual !== undefined) return usual;
  const writer = newWriter();
  int64.write(writer, REQUEST_ID << 3, requestId);
  textMap.write(writer, lengthTag(TRACE_CONTEXT), traceContext);
  const [number] = REQUESTS[request.kind];
  if (request.kind === "writeContent") {
    const { prefix, compression, data } = request.body;
    const head = messages.WRITE_CONTENT_REQUEST.encode({ prefix, compression });
    return withData(writer, number, head, WRITE_CONTENT_DATA, data);
  }
  if (request.kind === "writeContents") {
    const { list, data } = request.body;
    const head = messages.WRITE_CONTENTS_REQUEST.encode({ list });
    return withData(writer, number, head, WRITE_CONTENTS_DATA, data);
  }
  const codec = REQUESTS[request.kind][1] as MessageCodec<object>;
  writer.uint32(lengthTag(number)).bytes(codec.encode(request.body));
  return [writer.finish()];
}

function encodeUsualRequest(
  requestId: bigint,
  { kind, body }: AnyRequest,
): MessageParts | undefined {
  if (kind === "writeContent") return behind(writeContentHead(requestId, body), body.data);
  return kind === "getContent" ? whole(contentWanted(requestId, body.contentId)) : undefined;
}

/** The data of a content is not copied: it must not change until it was sent. */
export function encodeResponse(
  requestId: bigint,
  response: AnyResponse,
  hasMore = false,
): MessageParts {
  const usual = hasMore ? undefined : encodeUsualResponse(requestId, response);
  if (usual !== undefined) return usual;
  const writer = newWriter();
  int64.write(writer, REQUEST_ID << 3, requestId);
  if (hasMore) writer.uint32(HAS_MORE << 3).bool(true);
  if (response.kind === "error") {
    writer.uint32(lengthTag(RESPONSE_ERROR)).bytes(messages.ERROR_RESPONSE.encode(response.body));
    return [writer.finish()];
  }
  const [number] = RESPONSES[response.kind];
  if (response.kind === "getContent")
    return withData(writer, number, bytes.initial, GET_CONTENT_DATA, response.body.data);
  const codec = RESPONSES[response.kind][1] as MessageCodec<object>;
  writer.uint32(lengthTag(number)).bytes(codec.encode(response.body));
  return [writer.finish()];
}

function encodeUsualResponse(
  requestId: bigint,
  { kind, body }: AnyResponse,
): MessageParts | undefined {
  if (kind === "getContent")
    return behind(readContentHead(requestId, body.data.byteLength), body.data);
  return kind === "writeContent" ? whole(writtenContent(requestId, body.contentId)) : undefined;
}

function whole(message: Uint8Array | undefined): MessageParts | undefined {
  return message && [message];
}

function behind(head: Uint8Array | undefined, data: Uint8Array): MessageParts | undefined {
  return head !== undefined && data.byteLength > 0 ? [head, data] : whole(head);
}

/** A body of `head` and a last field of bytes, as the last field of the envelope. */
function withData(
  envelope: ReturnType<typeof newWriter>,
  number: number,
  head: Uint8Array,
  dataNumber: number,
  data: Uint8Array,
): MessageParts {
  const dataHead = newWriter().uint32(lengthTag(dataNumber)).uint32(data.byteLength).finish();
  const bodyLength = head.byteLength + dataHead.byteLength + data.byteLength;
  envelope.uint32(lengthTag(number)).uint32(bodyLength).raw(head).raw(dataHead);
  return data.byteLength === 0 ? [envelope.finish()] : [envelope.finish(), data];
}
