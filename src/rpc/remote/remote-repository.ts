/** A repository behind a server: `Repository`, and what only a server can do. */
import { systemSleep } from "../../blob/index.ts";
import { type CallOptions, type Clock, systemClock } from "../../bytes/index.ts";
import type { CompressionEngine } from "../../compress/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import type { ContentRef } from "../../format/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import type { ClientIdentity, Repository, RepositoryParameters } from "../../repository/index.ts";
import { parseServerAddress } from "../grpc/server-address.ts";
import type { ConnectGrpcOptions } from "../grpc/server-socket.ts";
import type { SendNotificationRequest } from "../wire/messages.ts";
import type { LocalContentCache } from "./local-cache.ts";
import { RemoteContents } from "./remote-contents.ts";
import { RemoteManifests } from "./remote-manifests.ts";
import { SessionKeeper } from "./session-keeper.ts";
import { type UnflushedLimits, UnflushedWrites } from "./unflushed.ts";

export interface OpenRemoteOptions extends ConnectGrpcOptions {
  /** `https://host:port`, `kopia://host:port` or `unix+https:///path`. */
  readonly url: string;
  /** Who this client claims to be; the password of that very pair proves it. */
  readonly identity: ClientIdentity;
  readonly password: string;
  /** For the server's log: `cli:snapshot create`. */
  readonly purpose?: string | undefined;
  readonly clientVersion?: string | undefined;
  /** Held by this client: a kopia server lets a read-only session write. */
  readonly readOnly?: boolean | undefined;
  readonly description?: string | undefined;
  /** As a session has told before. */
  readonly upgrades?: boolean | undefined;
  readonly engine: CryptoEngine;
  readonly compression: CompressionEngine;
  readonly clock?: Clock | undefined;
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  readonly log?: ((level: "debug" | "info" | "warn", message: string) => void) | undefined;
  readonly limits?: UnflushedLimits | undefined;
  /** Of the answer to one search for manifests; more is an attack on memory. Default 64 MiB. */
  readonly maxFoundBytes?: number | undefined;
  /** Worker threads of the bulk paths; 0: none. Default: as many as fit the machine. */
  readonly threads?: number | undefined;
  /** Local copies of contents; the repository's from now on, if it opens. */
  readonly cache?: LocalContentCache | undefined;
}

/** Volume of the storage behind the server. */
export interface ServerCapacity {
  readonly sizeBytes: bigint;
  readonly freeBytes: bigint;
}

interface Parts {
  readonly keeper: SessionKeeper;
  readonly contents: RemoteContents;
  readonly manifests: RemoteManifests;
  readonly unflushed: UnflushedWrites;
  readonly options: OpenRemoteOptions;
}

export class RemoteRepository implements Repository {
  readonly contents: RemoteContents;
  readonly manifests: RemoteManifests;
  readonly parameters: RepositoryParameters;
  readonly identity: ClientIdentity;
  readonly clock: Clock;
  readonly readOnly: boolean;
  readonly description: string;
  readonly #keeper: SessionKeeper;
  readonly #unflushed: UnflushedWrites;

  /** Use `openRemoteRepository`. */
  constructor({ keeper, contents, manifests, unflushed, options }: Parts) {
    this.#keeper = keeper;
    this.#unflushed = unflushed;
    this.contents = contents;
    this.manifests = manifests;
    this.parameters = parametersOf(keeper);
    this.identity = options.identity;
    this.clock = options.clock ?? systemClock;
    this.readOnly = options.readOnly ?? false;
    this.description = options.description ?? `API Server: ${options.url}`;
  }

  /** The server gives a session a connection of its own. */
  get upgrades(): boolean {
    return this.#keeper.parameters.sejfUpgrades;
  }

  /** SECURITY: the key of content IDs, the same for all users of the repository. */
  get contentSecret(): Uint8Array {
    return this.#keeper.parameters.hmacSecret;
  }

  async flush(options?: CallOptions): Promise<void> {
    await this.contents.flush(options);
  }

  /** The server sees for itself what others publish; here only what it is known to have is forgotten. */
  // oxlint-disable-next-line require-await -- the interface is asynchronous
  async refresh(options: CallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    this.contents.forgetKnown();
  }

  /**
   * The server deletes, by its policies, what has expired of this client's own source; without `reallyDelete` it only
   * says what it would. @throws SEJF_ACCESS_DENIED.
   */
  async applyRetention(
    sourcePath: string,
    reallyDelete: boolean,
    options?: CallOptions,
  ): Promise<readonly ManifestId[]> {
    const body = { sourcePath, reallyDelete };
    const { manifestIds } = await this.#unflushed.change(
      async (session) => await session.request("applyRetentionPolicy", body, options),
      options,
    );
    return manifestIds as readonly ManifestId[];
  }

  /** Sends through the server's notification profiles. */
  async notify(notification: SendNotificationRequest, options: CallOptions = {}): Promise<void> {
    const session = await this.#keeper.session(options);
    await session.request("sendNotification", notification, options);
  }

  /** @throws SEJF_UNSUPPORTED when the storage has no such notion. */
  async capacity(options: CallOptions = {}): Promise<ServerCapacity> {
    const { capacity } = await this.#keeper.retrying(
      async (session) => await session.request("getCapacity", {}, options),
      options,
    );
    return capacity ?? { sizeBytes: 0n, freeBytes: 0n };
  }

  /** Warms the server's cache; gives the contents that it knows. `hint` as kopia has it: empty, `contents`, `blobs`. */
  async prefetch(
    refs: readonly ContentRef[],
    hint: string,
    options: CallOptions = {},
  ): Promise<readonly ContentRef[]> {
    const { contentIds } = await this.#keeper.retrying(
      async (session) =>
        await session.request("prefetchContents", { contentIds: refs, hint }, options),
      options,
    );
    return contentIds as readonly ContentRef[];
  }

  /** Flushes nothing: what was not flushed is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.contents[Symbol.asyncDispose]();
    } finally {
      await this.#keeper[Symbol.asyncDispose]();
    }
  }
}

/**
 * Connects, proves who we are, and learns the repository's parameters. The connection is opened again when it breaks.
 * @throws SEJF_CONNECTION; SEJF_ACCESS_DENIED for a wrong user, password or certificate; SEJF_UNSUPPORTED for a hash
 * that is not known.
 */
export async function openRemoteRepository(options: OpenRemoteOptions): Promise<RemoteRepository> {
  const { identity, password, purpose, readOnly, clientVersion } = options;
  const { fingerprint, ca, connectTimeoutMs, keepAliveMs } = options;
  const keeper = await SessionKeeper.open(
    {
      address: parseServerAddress(options.url),
      connect: { fingerprint, ca, connectTimeoutMs, keepAliveMs },
      session: {
        credentials: { ...identity, password },
        purpose,
        readOnly,
        clientVersion,
        // `RemoteContents` and the threads do.
        hashesContents: true,
        maxFoundBytes: options.maxFoundBytes,
      },
      upgrades: options.upgrades,
      sleep: options.sleep ?? systemSleep,
      log: options.log ?? ((): void => {}),
    },
    { signal: options.signal },
  );
  try {
    const { hashFunction, hmacSecret } = keeper.parameters;
    const { splitter, indexVersion } = parametersOf(keeper);
    const unflushed = new UnflushedWrites(keeper, options.limits);
    const contents = new RemoteContents({
      keeper,
      unflushed,
      hash: options.engine.contentHash(hashFunction, hmacSecret),
      compression: options.compression,
      indexVersion,
      splitter,
      readOnly: readOnly ?? false,
      secret: hmacSecret,
      cache: options.cache,
      threads: options.threads,
    });
    const manifests = new RemoteManifests(keeper, unflushed, readOnly ?? false);
    return new RemoteRepository({ keeper, contents, manifests, unflushed, options });
  } catch (error) {
    await keeper[Symbol.asyncDispose]();
    throw error;
  }
}

/** The protocol tells one thing about versions: whether contents can be compressed. */
function parametersOf({ parameters }: SessionKeeper): RepositoryParameters {
  const { hashFunction, splitter, supportsContentCompression } = parameters;
  return {
    hash: hashFunction,
    splitter,
    indexVersion: supportsContentCompression ? 2 : 1,
    formatVersion: supportsContentCompression ? 3 : 1,
  };
}
