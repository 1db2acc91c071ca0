/** Retention of accounts' snapshots: on a client's request, and by the server's schedule. */
import { performance } from "node:perf_hooks";
import type { CallOptions, TimestampNs } from "../../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import type { ManifestId, ManifestMetadata, ManifestStore } from "../../manifest/index.ts";
import { decodeSnapshot, expiredSnapshots, type SnapshotSource } from "../../snapshot/index.ts";
import type { Account } from "../types.ts";
import { type ClockEvidence, ClockGuard } from "./clock-guard.ts";
import { operatorRetention } from "./operator-policy.ts";
import { type ReceivedSnapshot, staysByReceipt } from "./receipt-rule.ts";
import type {
  AccountRetention,
  AccountRetentionOptions,
  ApplyRetentionOptions,
  ExpiredSnapshot,
  RetentionRun,
} from "./types.ts";

const DEFAULT_MINIMUM_AGE_DAYS = 30;
const NS_PER_DAY = 86_400_000_000_000n;
const NS_PER_MS = 1_000_000n;
const SERVER = "the server itself";
const SNAPSHOT = { type: "snapshot" };

export function createAccountRetention(options: AccountRetentionOptions): AccountRetention {
  return new ServerRetention(options);
}

class ServerRetention implements AccountRetention {
  readonly #options: AccountRetentionOptions;
  readonly #guard: ClockGuard;
  readonly #minimumAgeNs: TimestampNs;

  constructor(options: AccountRetentionOptions) {
    this.#options = options;
    const days = options.minimumAgeDays ?? DEFAULT_MINIMUM_AGE_DAYS;
    this.#minimumAgeNs = BigInt(Math.round(days * 86_400)) * 1_000_000_000n;
    this.#guard = new ClockGuard({
      clock: options.clock,
      monotonicMs: options.monotonicMs ?? ((): number => performance.now()),
      evidence: async (nowNs, call) => await this.#evidence(nowNs, call),
    });
  }

  async apply(
    account: Account,
    path: string,
    options: ApplyRetentionOptions,
  ): Promise<readonly ManifestId[]> {
    const { signal, reallyDelete, manifests = this.#options.repository.manifests } = options;
    const { username, hostname } = account;
    const source = { username, hostname, path };
    if (await this.#isAppendOnly(account, source, { signal })) {
      return reallyDelete ? [] : await this.#expiredByReceipt(manifests, source, { signal });
    }
    const damage = reallyDelete ? await this.#damage({ signal }) : undefined;
    if (damage !== undefined) {
      this.#options.log.warn({}, `nothing expires: ${damage}`);
      return [];
    }
    const expired = await expiredSnapshots({ manifests }, source, { signal });
    if (reallyDelete) for (const { id } of expired) await manifests.delete(id, { signal });
    return expired.map(({ id }) => id);
  }

  async run(
    options: CallOptions & { readonly dryRun?: boolean | undefined } = {},
  ): Promise<RetentionRun> {
    const { signal, dryRun = false } = options;
    const refused = (await this.#damage({ signal })) ?? (await this.#guard.check({ signal }));
    if (refused !== undefined) {
      this.#options.log.warn({}, `append-only snapshots do not expire: ${refused}`);
      if (!dryRun) return { expired: [], refused };
    }
    const expired: ExpiredSnapshot[] = [];
    for (const source of await this.#appendOnlySources({ signal })) {
      signal?.throwIfAborted();
      expired.push(...(await this.#judge(source, { signal })));
    }
    if (!dryRun && expired.length > 0) await this.#delete(expired, { signal });
    return refused === undefined ? { expired } : { expired, refused };
  }

  /** A policy that is missing because it cannot be read would let too much go. */
  async #damage(call: CallOptions): Promise<string | undefined> {
    const damage = (await this.#options.repository.manifests.damage?.(call)) ?? [];
    return damage.length === 0
      ? undefined
      : `${damage.length} contents with manifests cannot be read`;
  }

  /** Its failure does not stop the others. */
  async #judge(source: SnapshotSource, call: CallOptions): Promise<readonly ExpiredSnapshot[]> {
    try {
      const ids = await this.#expiredByReceipt(this.#options.repository.manifests, source, call);
      return ids.map((id) => ({ id, source }));
    } catch (error) {
      call.signal?.throwIfAborted();
      const { code, message } = errorFromUnknown(error, "applying retention");
      // No path: of a sealed account it is nobody's business.
      const text = `snapshots of ${source.username}@${source.hostname} do not expire: ${message}`;
      this.#options.log.error({ code }, text);
      return [];
    }
  }

  async #delete(expired: readonly ExpiredSnapshot[], call: CallOptions): Promise<void> {
    const { repository, audit } = this.#options;
    for (const { id } of expired) await repository.manifests.delete(id, call);
    await repository.flush(call);
    for (const { id, source } of expired) {
      audit.record({
        action: "snapshot.expire",
        who: SERVER,
        from: SERVER,
        result: "ok",
        target: id,
        detail: `of ${source.username}@${source.hostname}, by the server's retention`,
      });
    }
  }

  async #appendOnlySources(call: CallOptions): Promise<readonly SnapshotSource[]> {
    const sources = new Map<string, SnapshotSource>();
    for (const { labels } of await this.#options.repository.manifests.find(SNAPSHOT, call)) {
      const { username, hostname, path } = labels;
      if (username === undefined || hostname === undefined || path === undefined) continue;
      sources.set(JSON.stringify([username, hostname, path]), { username, hostname, path });
    }
    const accounts = new Map<string, Account | undefined>();
    const found: SnapshotSource[] = [];
    for (const source of sources.values()) {
      const name = `${source.username}@${source.hostname}`;
      if (!accounts.has(name)) accounts.set(name, await this.#options.findAccount(name, call));
      const account = accounts.get(name);
      if (account !== undefined && (await this.#isAppendOnly(account, source, call)))
        found.push(source);
    }
    return found;
  }

  async #isAppendOnly(
    account: Account,
    source: SnapshotSource,
    call: CallOptions,
  ): Promise<boolean> {
    const { mayDelete } = this.#options;
    if (account.appendOnly || mayDelete === undefined) return account.appendOnly;
    return !(await mayDelete(account, { ...SNAPSHOT, ...source }, call));
  }

  /** A snapshot that cannot be read stays and counts for nothing. @throws SEJF_CORRUPT for a policy. */
  async #expiredByReceipt(
    manifests: ManifestStore,
    source: SnapshotSource,
    call: CallOptions,
  ): Promise<readonly ManifestId[]> {
    const policy = await operatorRetention(manifests, source, call);
    const received: (ReceivedSnapshot & { readonly id: ManifestId })[] = [];
    for (const item of await manifests.find({ ...SNAPSHOT, ...source }, call)) {
      const snapshot = await this.#read(manifests, item, call);
      if (snapshot !== undefined) received.push({ id: item.id, ...snapshot });
    }
    const nowNs = BigInt(Math.floor(this.#options.clock.nowMs())) * NS_PER_MS;
    const rule = { policy, nowNs, minimumAgeNs: this.#minimumAgeNs };
    const stays = staysByReceipt(received, rule);
    return received.filter((_, index) => stays[index] === false).map(({ id }) => id);
  }

  async #read(
    manifests: ManifestStore,
    { id, modified }: ManifestMetadata,
    call: CallOptions,
  ): Promise<ReceivedSnapshot | undefined> {
    try {
      const { data } = await manifests.get(id, call);
      const { startTimeNs, endTimeNs, incomplete, pins } = decodeSnapshot(id, data);
      return { receivedNs: modified, startTimeNs, endTimeNs, incomplete, pins };
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      if (error.code !== "SEJF_CORRUPT" && error.code !== "SEJF_MANIFEST_NOT_FOUND") throw error;
      this.#options.log.warn({ snapshot: id }, `a snapshot cannot be read: ${error.message}`);
      return undefined;
    }
  }

  async #evidence(nowNs: TimestampNs, call: CallOptions): Promise<ClockEvidence> {
    const { manifests, contents } = this.#options.repository;
    const written = await manifests.find({}, call);
    const indexes = await contents.indexBlobs(call);
    return {
      manifestNs: newestUntil(
        nowNs,
        written.map(({ modified }) => modified),
      ),
      storeNs: newestUntil(
        nowNs + NS_PER_DAY,
        indexes.map(({ timestamp }) => timestamp),
      ),
    };
  }
}

function newestUntil(limitNs: TimestampNs, times: readonly TimestampNs[]): TimestampNs | undefined {
  let newest: TimestampNs | undefined;
  for (const time of times)
    if (time <= limitNs && (newest === undefined || time > newest)) newest = time;
  return newest;
}
