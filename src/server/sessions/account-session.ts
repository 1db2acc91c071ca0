/**
 * One session of an account: what it may do at this moment, what it has put and not flushed, what it did. The handlers
 * of requests work on it.
 */
import type { CallOptions } from "../../bytes/index.ts";
import { Mutex } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { Labels, ManifestChange } from "../../manifest/index.ts";
import { type GrpcError, type GrpcServerCall, HASHES_CONTENTS } from "../../rpc/index.ts";
import { assertRoom } from "../holding/index.ts";
import type { AccessLevel, AccessRights, Account, AuditEvent, TokenUse } from "../types.ts";
import { type MutableCounters, newCounters, type RegisteredSession } from "./registry.ts";
import { MAX_UNFLUSHED_BYTES, SessionManifests } from "./session-manifests.ts";
import { assertManifestRoom, MAX_MANIFEST_BYTES } from "./manifest-room.ts";
import type { SessionMethodOptions } from "./method-options.ts";
import type { SessionStatus } from "./types.ts";

/** Manifests in one line of the audit log. */
const MAX_NAMED = 20;
const LEVELS: Readonly<Record<AccessLevel, number>> = { NONE: 0, READ: 1, APPEND: 2, FULL: 3 };

export function atLeast(level: AccessLevel, wanted: AccessLevel): boolean {
  return LEVELS[level] >= LEVELS[wanted];
}

export function accessDenied(): SejfError {
  return new SejfError("SEJF_ACCESS_DENIED", "access denied");
}

export class AccountSession implements RegisteredSession {
  readonly id: number;
  readonly account: string;
  readonly manifests: SessionManifests;
  readonly counters: MutableCounters = newCounters();
  /** By the last look at account and rules. */
  principal: Account;
  rights: AccessRights;
  /** Of a sealed account: what it came in with. */
  token: TokenUse | undefined;
  purpose = "";
  readOnly = false;
  readonly #options: SessionMethodOptions;
  readonly #call: GrpcServerCall;
  readonly #startedMs: number;
  readonly #flushing: Mutex = new Mutex();
  #wroteContents = false;
  #running = 0;

  constructor(
    options: SessionMethodOptions,
    call: GrpcServerCall,
    principal: Account,
    rights: AccessRights,
    id: number,
    token?: TokenUse,
  ) {
    this.#options = options;
    this.#call = call;
    this.id = id;
    this.account = principal.name;
    this.principal = principal;
    this.rights = rights;
    this.token = token;
    this.#startedMs = options.clock.nowMs();
    this.manifests = new SessionManifests(options.repository.manifests, options.clock, {
      maxBytes: options.maxUnflushedBytes ?? MAX_UNFLUSHED_BYTES,
      heldBytes: () => options.registry.unflushedBytes(this.account),
    });
  }

  /** The client compares every content it gets with its name: that of kopia does not. */
  get hashesContents(): boolean {
    return this.#call.metadata.get(HASHES_CONTENTS) === "1";
  }

  get isBusy(): boolean {
    return this.#isUnflushed || this.#running > 0;
  }

  get unflushedBytes(): number {
    return this.manifests.unflushedBytes;
  }

  get #isUnflushed(): boolean {
    return this.#wroteContents || this.manifests.changes.length > 0;
  }

  status(): SessionStatus {
    return {
      id: this.id,
      account: this.account,
      from: this.#call.peer,
      purpose: this.purpose,
      clientVersion: this.#call.metadata.get("kopia-version") ?? "",
      readOnly: this.readOnly,
      startedMs: this.#startedMs,
      unflushed: this.#isUnflushed,
      counters: { ...this.counters },
    };
  }

  end(error: GrpcError): void {
    this.#call.end(error);
  }

  /** Counts a request while it runs. */
  async counting<T>(work: () => Promise<T>): Promise<T> {
    this.#running++;
    this.counters.requests++;
    try {
      return await work();
    } catch (error) {
      this.counters.refused++;
      throw error;
    } finally {
      this.#running--;
    }
  }

  /** @throws SEJF_ACCESS_DENIED unless all contents may be used at this level. */
  assertContents(level: AccessLevel): void {
    if (!atLeast(this.rights.content, level)) throw accessDenied();
  }

  /** @throws SEJF_ACCESS_DENIED in a session that was begun for reading. */
  assertWritable(): void {
    if (this.readOnly)
      throw new SejfError("SEJF_ACCESS_DENIED", "this session was begun for reading only");
  }

  allows(labels: Labels, level: AccessLevel): boolean {
    return atLeast(this.rights.manifest(labels), level);
  }

  /** Contents were written that a flush has to make durable. */
  wrote(): void {
    this.#wroteContents = true;
  }

  /**
   * Everything of this session is durable and visible after it. A snapshot that reaches what is not there, or not held
   * by the account, is refused, and with it all changes of manifests since the last flush: half of them could delete
   * what the other half should have replaced.
   * @throws SEJF_CONTENT_NOT_FOUND, SEJF_CORRUPT for a refused snapshot; the storage's errors.
   */
  async flush(options: CallOptions): Promise<void> {
    await this.#flushing.run(async () => {
      this.counters.flushes++;
      if (!this.#isUnflushed) return;
      const changes = this.manifests.changes.slice();
      let isAccepted = false;
      try {
        await this.#accept(changes, options, async () => {
          options.signal?.throwIfAborted();
          isAccepted = true;
          await this.#store(changes);
        });
      } catch (error) {
        if (isAccepted) throw error;
        options.signal?.throwIfAborted();
        this.manifests.drop(changes.length);
        this.#auditRefused(changes, error);
        throw error;
      }
    });
  }

  audit(event: Omit<AuditEvent, "who" | "from">): void {
    this.#options.audit.record({ who: this.account, from: this.#call.peer, ...event });
  }

  /** The log has them as written. SECURITY: of a sealed account the message may hold what its server must not keep. */
  #auditRefused(changes: readonly ManifestChange[], error: unknown): void {
    const code = isSejfError(error) ? error.code : "a defect of the server";
    const ids = changes.slice(0, MAX_NAMED).map(({ id }) => id);
    const more = changes.length > ids.length ? ` and ${changes.length - ids.length} more` : "";
    const detail = `${code}: undone are the changes of ${ids.join(", ")}${more}`;
    this.audit({ action: "session.flush", result: "failed", detail });
  }

  /** Runs `store` when all snapshots among the changes may come in. */
  async #accept(
    changes: readonly ManifestChange[],
    { signal }: CallOptions,
    store: () => Promise<void>,
  ): Promise<void> {
    const { holdings, admission } = this.#options;
    const { principal: account, rights, token } = this;
    const deleted = new Set(changes.filter(({ kind }) => kind === "delete").map(({ id }) => id));
    const snapshots = changes.flatMap((change) =>
      change.kind === "put" && change.labels["type"] === "snapshot" && !deleted.has(change.id)
        ? [change]
        : [],
    );
    if (changes.some(({ kind }) => kind === "put"))
      await assertManifestRoom(
        this.#options.repository.manifests,
        account,
        this.#options.maxManifestBytes ?? MAX_MANIFEST_BYTES,
        { signal },
      );
    for (const { data } of snapshots) {
      await holdings.acceptSnapshot(account, data, { rights, signal });
      await assertRoom(holdings, account, 0, { signal });
    }
    if (account.encryption === "server" || snapshots.length === 0) return await store();
    if (admission === undefined)
      throw new SejfError("SEJF_UNSUPPORTED", "this server takes no sealed snapshots");
    await admission.admit({ account, token }, snapshots, store, { signal });
  }

  async #store(changes: readonly ManifestChange[]): Promise<void> {
    this.#wroteContents = false;
    try {
      if (changes.length === 0) await this.#options.flush.flush();
      else await this.#options.flush.flush(async () => await this.#apply(changes));
    } catch (error) {
      this.#wroteContents = true;
      throw error;
    }
  }

  async #apply(changes: readonly ManifestChange[]): Promise<void> {
    const { repository, holdings, trash } = this.#options;
    await repository.manifests.apply((await trash?.insteadOf(changes)) ?? changes);
    this.manifests.drop(changes.length);
    const isSnapshot = (change: ManifestChange): boolean =>
      change.kind === "delete" || change.labels["type"] === "snapshot";
    if (changes.some(isSnapshot)) holdings.refresh();
  }
}
