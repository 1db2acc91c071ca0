/**
 * The messages of Kopia's session protocol and their field numbers. Members that are absent on the wire have the
 * defaults of proto3: empty, zero, false; embedded messages are `undefined`. Spec: kopia-server 2.1.
 */
import {
  bool,
  bytes,
  embedded,
  field,
  int32,
  int64,
  list,
  message,
  type MessageCodec,
  messages,
  text,
  type TextMap,
  textMap,
  uint32,
  uint64,
} from "./fields.ts";

export interface InitializeSessionRequest {
  /** Free text for logs: `cli:snapshot create`. */
  readonly purpose: string;
  readonly readOnly: boolean;
}

export interface GetContentInfoRequest {
  readonly contentId: string;
}

export type Empty = Readonly<Record<never, never>>;

export interface WriteContentRequest {
  readonly prefix: string;
  readonly data: Uint8Array;
  /** The compressor that the server shall use; 0: none. */
  readonly compression: number;
}

/** Contents without a prefix. Not in Kopia: for servers that say so in their parameters. */
export interface WriteContentsRequest {
  /** What `data` is made of, and what its contents are named. Layout: `ContentList` of `format/`. */
  readonly list: Uint8Array;
  /** Back to back. */
  readonly data: Uint8Array;
}

export interface GetContentRequest {
  readonly contentId: string;
}

export interface GetManifestRequest {
  readonly manifestId: string;
}

export interface PutManifestRequest {
  readonly jsonData: Uint8Array;
  readonly labels: TextMap;
}

export interface FindManifestsRequest {
  readonly labels: TextMap;
  /** Results in one response; 0: all in one. */
  readonly pageSize: number;
}

export interface DeleteManifestRequest {
  readonly manifestId: string;
}

export interface PrefetchContentsRequest {
  readonly contentIds: readonly string[];
  readonly hint: string;
}

export interface ApplyRetentionPolicyRequest {
  readonly sourcePath: string;
  readonly reallyDelete: boolean;
}

export interface SendNotificationRequest {
  readonly templateName: string;
  /** JSON. */
  readonly eventArgs: Uint8Array;
  readonly severity: number;
  /** 0 unknown, 1 empty, 2 error, 3 status of several snapshots. */
  readonly eventArgsType: number;
}

export interface RepositoryParametersMessage {
  readonly hashFunction: string;
  /** SECURITY: the key of all content IDs of the repository. */
  readonly hmacSecret: Uint8Array;
  readonly splitter: string;
  readonly supportsContentCompression: boolean;
  /** The server takes many contents in one message. Not in Kopia. */
  readonly sejfBatches: boolean;
  /** The server gives a session a connection of its own. Not in Kopia. */
  readonly sejfUpgrades: boolean;
}

export interface InitializeSessionResponse {
  readonly parameters: RepositoryParametersMessage | undefined;
}

export interface ContentInfoMessage {
  readonly id: string;
  readonly packedLength: number;
  readonly timestampSeconds: bigint;
  readonly packBlobId: string;
  readonly packOffset: number;
  readonly deleted: boolean;
  readonly formatVersion: number;
  readonly originalLength: number;
}

export interface GetContentInfoResponse {
  readonly info: ContentInfoMessage | undefined;
}

export interface WriteContentResponse {
  readonly contentId: string;
}

export interface GetContentResponse {
  readonly data: Uint8Array;
}

export interface ManifestEntryMetadata {
  readonly id: string;
  readonly modTimeNanos: bigint;
  /** Bytes of the JSON. */
  readonly length: number;
  readonly labels: TextMap;
}

export interface GetManifestResponse {
  readonly jsonData: Uint8Array;
  readonly metadata: ManifestEntryMetadata | undefined;
}

export interface PutManifestResponse {
  readonly manifestId: string;
}

export interface FindManifestsResponse {
  readonly metadata: readonly ManifestEntryMetadata[];
}

export interface PrefetchContentsResponse {
  readonly contentIds: readonly string[];
}

export interface ApplyRetentionPolicyResponse {
  readonly manifestIds: readonly string[];
}

export interface CapacityMessage {
  readonly sizeBytes: bigint;
  readonly freeBytes: bigint;
}

export interface GetCapacityResponse {
  readonly capacity: CapacityMessage | undefined;
}

export interface ErrorResponse {
  /** See `RESPONSE_CODES`. */
  readonly code: number;
  readonly message: string;
}

export const EMPTY: MessageCodec<Empty> = message<Empty>("an empty message", {});

export const INITIALIZE_SESSION_REQUEST: MessageCodec<InitializeSessionRequest> = message(
  "InitializeSessionRequest",
  { purpose: field(1, text), readOnly: field(2, bool) },
);

export const GET_CONTENT_INFO_REQUEST: MessageCodec<GetContentInfoRequest> = message(
  "GetContentInfoRequest",
  { contentId: field(1, text) },
);

export const WRITE_CONTENT_REQUEST: MessageCodec<WriteContentRequest> = message(
  "WriteContentRequest",
  { prefix: field(1, text), data: field(2, bytes), compression: field(3, uint32) },
);

export const WRITE_CONTENTS_REQUEST: MessageCodec<WriteContentsRequest> = message(
  "WriteContentsRequest",
  { list: field(1, bytes), data: field(2, bytes) },
);

export const GET_CONTENT_REQUEST: MessageCodec<GetContentRequest> = message("GetContentRequest", {
  contentId: field(1, text),
});

export const GET_MANIFEST_REQUEST: MessageCodec<GetManifestRequest> = message(
  "GetManifestRequest",
  { manifestId: field(1, text) },
);

export const PUT_MANIFEST_REQUEST: MessageCodec<PutManifestRequest> = message(
  "PutManifestRequest",
  { jsonData: field(1, bytes), labels: field(2, textMap) },
);

export const FIND_MANIFESTS_REQUEST: MessageCodec<FindManifestsRequest> = message(
  "FindManifestsRequest",
  { labels: field(1, textMap), pageSize: field(2, int32) },
);

export const DELETE_MANIFEST_REQUEST: MessageCodec<DeleteManifestRequest> = message(
  "DeleteManifestRequest",
  { manifestId: field(1, text) },
);

export const PREFETCH_CONTENTS_REQUEST: MessageCodec<PrefetchContentsRequest> = message(
  "PrefetchContentsRequest",
  { contentIds: field(1, list(text)), hint: field(2, text) },
);

export const APPLY_RETENTION_POLICY_REQUEST: MessageCodec<ApplyRetentionPolicyRequest> = message(
  "ApplyRetentionPolicyRequest",
  { sourcePath: field(1, text), reallyDelete: field(2, bool) },
);

export const SEND_NOTIFICATION_REQUEST: MessageCodec<SendNotificationRequest> = message(
  "SendNotificationRequest",
  {
    templateName: field(1, text),
    eventArgs: field(2, bytes),
    severity: field(3, int32),
    eventArgsType: field(4, int32),
  },
);

const REPOSITORY_PARAMETERS: MessageCodec<RepositoryParametersMessage> = message(
  "RepositoryParameters",
  {
    hashFunction: field(1, text),
    hmacSecret: field(2, bytes),
    splitter: field(3, text),
    supportsContentCompression: field(4, bool),
    sejfBatches: field(1000, bool),
    sejfUpgrades: field(1001, bool),
  },
);

export const INITIALIZE_SESSION_RESPONSE: MessageCodec<InitializeSessionResponse> = message(
  "InitializeSessionResponse",
  { parameters: field(1, embedded(REPOSITORY_PARAMETERS)) },
);

const CONTENT_INFO: MessageCodec<ContentInfoMessage> = message("ContentInfo", {
  id: field(1, text),
  packedLength: field(2, uint32),
  timestampSeconds: field(3, int64),
  packBlobId: field(4, text),
  packOffset: field(5, uint32),
  deleted: field(6, bool),
  formatVersion: field(7, uint32),
  originalLength: field(8, uint32),
});

export const GET_CONTENT_INFO_RESPONSE: MessageCodec<GetContentInfoResponse> = message(
  "GetContentInfoResponse",
  { info: field(1, embedded(CONTENT_INFO)) },
);

export const WRITE_CONTENT_RESPONSE: MessageCodec<WriteContentResponse> = message(
  "WriteContentResponse",
  { contentId: field(1, text) },
);

export const GET_CONTENT_RESPONSE: MessageCodec<GetContentResponse> = message(
  "GetContentResponse",
  { data: field(1, bytes) },
);

const MANIFEST_ENTRY_METADATA: MessageCodec<ManifestEntryMetadata> = message(
  "ManifestEntryMetadata",
  {
    id: field(1, text),
    modTimeNanos: field(2, int64),
    length: field(3, int32),
    labels: field(4, textMap),
  },
);

export const GET_MANIFEST_RESPONSE: MessageCodec<GetManifestResponse> = message(
  "GetManifestResponse",
  { jsonData: field(1, bytes), metadata: field(2, embedded(MANIFEST_ENTRY_METADATA)) },
);

export const PUT_MANIFEST_RESPONSE: MessageCodec<PutManifestResponse> = message(
  "PutManifestResponse",
  { manifestId: field(1, text) },
);

export const FIND_MANIFESTS_RESPONSE: MessageCodec<FindManifestsResponse> = message(
  "FindManifestsResponse",
  { metadata: field(1, messages(MANIFEST_ENTRY_METADATA)) },
);

export const PREFETCH_CONTENTS_RESPONSE: MessageCodec<PrefetchContentsResponse> = message(
  "PrefetchContentsResponse",
  { contentIds: field(1, list(text)) },
);

export const APPLY_RETENTION_POLICY_RESPONSE: MessageCodec<ApplyRetentionPolicyResponse> = message(
  "ApplyRetentionPolicyResponse",
  { manifestIds: field(1, list(text)) },
);

const CAPACITY: MessageCodec<CapacityMessage> = message("Capacity", {
  sizeBytes: field(1, uint64),
  freeBytes: field(2, uint64),
});

export const GET_CAPACITY_RESPONSE: MessageCodec<GetCapacityResponse> = message(
  "GetCapacityResponse",
  { capacity: field(1, embedded(CAPACITY)) },
);

export const ERROR_RESPONSE: MessageCodec<ErrorResponse> = message("ErrorResponse", {
  code: field(1, int32),
  message: field(2, text),
});
