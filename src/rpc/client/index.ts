/** What a client of a server needs, without the server's end and without HTTP/2, which loads only when it is used. */
export {
  connectServer,
  type ConnectServerOptions,
  keptCacheKey,
  openConnectedRepository,
  type OpenConnectedOptions,
  openServerRepository,
} from "../connection/connected.ts";
export { parseServerAddress, type ServerAddress } from "../grpc/server-address.ts";
export { openServerSocket, type ServerSocketOptions } from "../grpc/server-socket.ts";
export type { RemoteRepository } from "../remote/remote-repository.ts";
