/**
 * Kopia's server protocol: gRPC over HTTP/2, the messages of a session, both ends of it, and a repository behind a
 * server. Who may do what is decided in `server/`, not here.
 */
export * from "./client/index.ts";
export { ByteBudget, type ByteBudgetLimits } from "./grpc/byte-budget.ts";
export { certificateFingerprint } from "./grpc/certificate.ts";
export { connectGrpc, type ConnectGrpcOptions, GrpcConnection } from "./grpc/client.ts";
export { GrpcClientCall, type StartCallOptions } from "./grpc/client-call.ts";
export { MAX_MESSAGE_BYTES } from "./grpc/frames.ts";
export type { SendRoom } from "./grpc/message-channel.ts";
export type { Metadata } from "./grpc/metadata.ts";
export {
  http1Limits,
  type OtherRequestHandler,
  PATIENCE,
  type Patience,
  RpcServer,
  type RpcServerOptions,
} from "./grpc/server.ts";
export type { GrpcMethod, GrpcServerCall } from "./grpc/server-call.ts";
export { GrpcError, type GrpcStatusName } from "./grpc/status.ts";
export { deriveCacheKey, LocalContentCache, type LocalCacheOptions } from "./remote/local-cache.ts";
export { RemoteContents } from "./remote/remote-contents.ts";
export { RemoteManifests } from "./remote/remote-manifests.ts";
export {
  openRemoteRepository,
  type OpenRemoteOptions,
  RemoteRepository,
  type ServerCapacity,
} from "./remote/remote-repository.ts";
export type { UnflushedLimits } from "./remote/unflushed.ts";
export { FairGate } from "./session/fair-gate.ts";
export { RESPONSE_CODES } from "./session/response-errors.ts";
export {
  HASHES_CONTENTS,
  openSession,
  type OpenSessionOptions,
  SESSION_PATH,
  SessionClient,
  type SessionCredentials,
} from "./session/session-client.ts";
export {
  type RequestContext,
  serveSession,
  type ServeSessionOptions,
  type SessionHandlers,
} from "./session/session-server.ts";
export type { RequestBodies, RequestKind, ResponseBodies } from "./wire/envelopes.ts";
export type * from "./wire/messages.ts";
