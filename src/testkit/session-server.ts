/**
 * A repository server for tests, in memory: what a session writes is its own until it flushes or ends in order, and
 * gone when it breaks. It can be told to break its sessions, to lie and to refuse.
 */
import { X509Certificate } from "node:crypto";
import { bytesToHex, bytesToUtf8, copyBytes, type OwnedBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { listedContents } from "../format/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import {
  certificateFingerprint,
  GrpcError,
  type GrpcServerCall,
  type ManifestEntryMetadata,
  type RequestKind,
  RpcServer,
  type SendNotificationRequest,
  serveSession,
  type ServeSessionOptions,
  SESSION_PATH,
  type SessionHandlers,
} from "../rpc/index.ts";
import { SeededRandom } from "./random.ts";
import { SELF_SIGNED } from "./tls.ts";

export const TEST_HASH = "BLAKE2B-256-128";
export const TEST_SPLITTER = "FIXED-128K";
export const TEST_CREDENTIALS = { username: "alice", hostname: "laptop", password: "alice-pw" };

interface StoredManifest {
  readonly metadata: ManifestEntryMetadata;
  readonly jsonData: OwnedBytes;
}

export interface TestServerState {
  readonly contents: Map<string, OwnedBytes>;
  readonly manifests: Map<string, StoredManifest>;
}

export class TestSessionServer implements AsyncDisposable {
  readonly durable: TestServerState = { contents: new Map(), manifests: new Map() };
  /** Every request, in the order of arrival. */
  readonly requests: RequestKind[] = [];
  readonly purposes: string[] = [];
  /** Changes what a read gives: a server that lies. */
  tamper: ((data: OwnedBytes) => OwnedBytes) | undefined;
  /** Changes the ID with which a manifest is answered. */
  tamperId: ((id: string) => string) | undefined;
  /** What was sent to the notification profiles. */
  readonly notifications: SendNotificationRequest[] = [];
  /** Paths of sources whose retention was asked for, and whether to delete; all but the newest snapshot expire. */
  readonly retentions: { readonly path: string; readonly reallyDelete: boolean }[] = [];
  /** Runs before each request; throws to refuse it, waits to delay it. */
  onRequest: ((kind: RequestKind) => void | Promise<void>) | undefined;
  secret: OwnedBytes = new SeededRandom(11).bytes(32);
  /** What the sessions tell the clients in place of it: a server that lies. */
  toldSecret: OwnedBytes | undefined;
  /** What the sessions tell of contents' compression. */
  compressesContents = true;
  /** Takes many contents in one message, as no kopia does. */
  takesBatches = false;
  endedInOrder = 0;
  readonly fingerprint: string = certificateFingerprint(new X509Certificate(SELF_SIGNED.cert));
  readonly #random = new SeededRandom(12);
  readonly #calls = new Set<AbortController>();
  readonly #options: ServeSessionOptions;
  #server: RpcServer | undefined;
  #port = 0;
  #time = 1_700_000_000_000_000_000n;

  private constructor(options: ServeSessionOptions) {
    this.#options = options;
  }

  static async start(options: ServeSessionOptions = {}): Promise<TestSessionServer> {
    const server = new TestSessionServer(options);
    await server.listen();
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** Again on the same port after `stop`. */
  async listen(): Promise<void> {
    const methods = { [SESSION_PATH]: async (call: GrpcServerCall) => await this.#session(call) };
    this.#server = new RpcServer({ ...SELF_SIGNED, methods });
    this.#port = await this.#server.listen(this.#port, "127.0.0.1");
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  /** Every running session ends; what it did not flush is gone. */
  breakSessions(): void {
    for (const call of this.#calls) call.abort(new GrpcError("UNAVAILABLE", "broken on purpose"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #session(call: GrpcServerCall): Promise<void> {
    const name = `${call.metadata.get("kopia-username")}@${call.metadata.get("kopia-hostname")}`;
    if (call.metadata.get("kopia-password") !== TEST_CREDENTIALS.password)
      throw new GrpcError("PERMISSION_DENIED", `access denied for ${name}`);
    call.trust();
    const broken = new AbortController();
    this.#calls.add(broken);
    const own: TestServerState = {
      contents: new Map(this.durable.contents),
      manifests: new Map(this.durable.manifests),
    };
    const breakable: GrpcServerCall = {
      path: call.path,
      metadata: call.metadata,
      peer: call.peer,
      signal: AbortSignal.any([call.signal, broken.signal]),
      messages: () => untilBroken(call.messages(), broken.signal),
      send: async (parts, room) => await call.send(parts, room),
      release: (message) => call.release(message, message.byteLength),
      enter: async (bytes, options) => await call.enter(bytes, options),
      leave: (room) => call.leave(room),
      memory: (room, lengthBytes) => call.memory(room, lengthBytes),
      trust: (key) => call.trust(key),
      end: (error) => call.end(error),
    };
    try {
      await serveSession(breakable, this.#handlers(own), {
        ...this.#options,
        run: async (kind, work) => {
          this.requests.push(kind);
          await this.onRequest?.(kind);
          await work();
        },
      });
      this.#publish(own);
      this.endedInOrder++;
    } finally {
      this.#calls.delete(broken);
    }
  }

  #publish(own: TestServerState): void {
    for (const [id, data] of own.contents) this.durable.contents.set(id, data);
    for (const id of this.durable.manifests.keys())
      if (!own.manifests.has(id)) this.durable.manifests.delete(id);
    for (const [id, manifest] of own.manifests) this.durable.manifests.set(id, manifest);
  }

  // The handlers are asynchronous by their type, without anything to wait for.
  /* oxlint-disable require-await */
  #handlers(own: TestServerState): SessionHandlers {
    const hash = nodeCryptoEngine.contentHash(TEST_HASH, this.secret);
    return {
      initializeSession: async ({ purpose }) => {
        this.purposes.push(purpose);
        return {
          parameters: {
            hashFunction: TEST_HASH,
            hmacSecret: this.toldSecret ?? this.secret,
            splitter: TEST_SPLITTER,
            supportsContentCompression: this.compressesContents,
            sejfBatches: this.takesBatches,
            sejfUpgrades: true,
          },
        };
      },
      getContentInfo: async ({ contentId }) => {
        const { length } = contentOf(own, contentId);
        return {
          info: {
            id: contentId,
            packedLength: length + 28,
            timestampSeconds: 1n,
            packBlobId: "p1",
            packOffset: 0,
            deleted: false,
            formatVersion: 3,
            originalLength: length,
          },
        };
      },
      getContent: async ({ contentId }) => {
        const data = contentOf(own, contentId);
        return { data: this.tamper?.(copyBytes(data)) ?? data };
      },
      writeContent: async ({ prefix, data }) => {
        const contentId = prefix + bytesToHex(hash.hash(data));
        own.contents.set(contentId, copyBytes(data));
        return { contentId };
      },
      writeContents: async ({ list, data }) => {
        const listed = listedContents(list, hash.lengthBytes, data.byteLength);
        for (const { hash: name, offset, lengthBytes } of listed) {
          const content = copyBytes(data.subarray(offset, offset + lengthBytes));
          const contentId = bytesToHex(hash.hash(content));
          if (contentId !== name)
            throw new SejfError("SEJF_INVALID_ARGUMENT", `content ${name} is ${contentId}`);
          own.contents.set(contentId, content);
        }
        return {};
      },
      flush: async () => {
        this.#publish(own);
        return {};
      },
      getManifest: async ({ manifestId }) => {
        const { jsonData, metadata } = manifestOf(own, manifestId);
        return {
          jsonData,
          metadata: { ...metadata, id: this.tamperId?.(metadata.id) ?? metadata.id },
        };
      },
      putManifest: async ({ labels, jsonData }) => {
        const id = bytesToHex(this.#random.bytes(16));
        const data = copyBytes(jsonData);
        JSON.parse(bytesToUtf8(data));
        const metadata = { id, labels, length: data.length, modTimeNanos: this.#time++ };
        own.manifests.set(id, { metadata, jsonData: data });
        return { manifestId: id };
      },
      findManifests: async ({ labels }) => {
        const wanted = Object.entries(labels);
        const found = [...own.manifests.values()].filter(({ metadata }) =>
          wanted.every(([key, value]) => metadata.labels[key] === value),
        );
        return { metadata: found.map(({ metadata }) => metadata) };
      },
      deleteManifest: async ({ manifestId }) => {
        manifestOf(own, manifestId);
        own.manifests.delete(manifestId);
        return {};
      },
      prefetchContents: async ({ contentIds }) => ({
        contentIds: contentIds.filter((id) => own.contents.has(id)),
      }),
      applyRetentionPolicy: async ({ sourcePath, reallyDelete }) => {
        this.retentions.push({ path: sourcePath, reallyDelete });
        const ids = [...own.manifests.values()]
          .filter(({ metadata: { labels } }) => labels["path"] === sourcePath)
          .filter(({ metadata: { labels } }) => labels["type"] === "snapshot")
          .map(({ metadata }) => metadata.id)
          .slice(0, -1);
        if (reallyDelete) for (const id of ids) own.manifests.delete(id);
        return { manifestIds: ids };
      },
      sendNotification: async (notification) => {
        this.notifications.push(notification);
        return {};
      },
      getCapacity: async () => ({ capacity: { sizeBytes: 100n, freeBytes: 60n } }),
    };
  }
  /* oxlint-enable require-await */
}

function contentOf(own: TestServerState, id: string): OwnedBytes {
  const data = own.contents.get(id);
  if (data === undefined) throw new SejfError("SEJF_CONTENT_NOT_FOUND", "content not found");
  return data;
}

function manifestOf(own: TestServerState, id: string): StoredManifest {
  const manifest = own.manifests.get(id);
  if (manifest === undefined)
    throw new SejfError("SEJF_MANIFEST_NOT_FOUND", `manifest ${id}: not found`);
  return manifest;
}

async function* untilBroken<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const broken = new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason as Error)),
  );
  broken.catch(() => {});
  for (;;) {
    const next = await Promise.race([iterator.next(), broken]);
    if (next.done === true) return;
    yield next.value;
  }
}
