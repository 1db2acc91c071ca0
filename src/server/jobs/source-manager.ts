/**
 * All sources of the repository, and the snapshots of those that this server reads from its own disk.
 *
 * SECURITY: anybody with an account can write a policy with a schedule. A source is read from this machine's disk only
 * when it is of the very `user@host` of the server's connection and nobody can log in under that name, or when the
 * operator has named it. It is checked again before each snapshot. Spec: kopia-server 12.6.
 */
import { Gate } from "../../blob/index.ts";
import type { CallOptions } from "../../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import {
  effectivePolicy,
  formatSource,
  loadSnapshot,
  type Policy,
  type PolicyTarget,
  type SnapshotManifest,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import { LocalSource } from "./local-source.ts";
import { type PolicyView, viewPolicies } from "./policy-view.ts";
import type { ScheduledItem } from "./scheduler.ts";
import { runSnapshotJob } from "./snapshot-job.ts";
import { type IndexedSource, SourceIndex } from "./source-index.ts";
import type {
  JobsOptions,
  SourceActionResult,
  SourceFilter,
  SourceManager,
  SourceStatus,
} from "./types.ts";

/** A list of sources is so old at most. */
const LIST_AGE_MS = 5000;
const MAX_PARALLEL = 64;

interface KnownSource {
  readonly source: SnapshotSource;
  readonly indexed: IndexedSource | undefined;
}

export class Sources implements SourceManager, AsyncDisposable {
  readonly #options: JobsOptions;
  readonly #changed: () => void;
  readonly #index: SourceIndex;
  readonly #slots: Gate = new Gate(1);
  readonly #enabled: ReadonlySet<string>;
  #known: ReadonlyMap<string, KnownSource> = new Map();
  #local: Map<string, LocalSource> = new Map();
  /** Until it is known it is taken for one. */
  #ownNameIsAccount = true;
  #readMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #closed = false;

  constructor(options: JobsOptions, changed: () => void) {
    this.#options = options;
    this.#changed = changed;
    this.#index = new SourceIndex(options.log);
    this.#enabled = new Set((options.enabledSources ?? []).map(formatSource));
  }

  /** Reads sources, policies and schedules anew. Calls while one run is under way share the next one. */
  async refresh(options?: CallOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    this.#queued ??= this.#readNext();
    await this.#queued;
  }

  async list(
    filter: SourceFilter = {},
    options: CallOptions = {},
  ): Promise<readonly SourceStatus[]> {
    const { clock } = this.#options.repository;
    if (Math.abs(clock.nowMs() - this.#readMs) > LIST_AGE_MS) await this.refresh(options);
    const view = await viewPolicies(this.#options.repository.manifests, options);
    const statuses: SourceStatus[] = [];
    for (const [key, known] of [...this.#known].toSorted(([a], [b]) => (a < b ? -1 : 1)))
      if (matches(known.source, filter))
        statuses.push(await this.#status(key, known, view, options));
    return statuses;
  }

  has(source: SnapshotSource): boolean {
    return this.#known.has(formatSource(source));
  }

  isLocal(source: SnapshotSource): boolean {
    const { readOnly, identity } = this.#options.repository;
    if (readOnly) return false;
    if (this.#enabled.has(formatSource(source))) return true;
    const own = source.username === identity.username && source.hostname === identity.hostname;
    return own && !this.#ownNameIsAccount;
  }

  async assertLocal(source: SnapshotSource, options?: CallOptions): Promise<void> {
    await this.#askForOwnName(options);
    if (this.isLocal(source)) return;
    const { repository } = this.#options;
    const name = formatSource(source);
    if (repository.readOnly)
      throw new SejfError(
        "SEJF_READ_ONLY",
        `${name} cannot be snapshotted: the connection is read-only`,
      );
    throw new SejfError("SEJF_ACCESS_DENIED", `the server may not read ${name} from its own disk`, {
      hint: this.#ownNameIsAccount
        ? "an account has the server's own name, so that its clients could choose what is read: start the server with --snapshot-source naming the source"
        : "start the server with --snapshot-source naming the source",
    });
  }

  async add(source: SnapshotSource): Promise<void> {
    await this.assertLocal(source);
    const key = formatSource(source);
    if (!this.#known.has(key))
      this.#known = new Map([...this.#known, [key, { source, indexed: undefined }]]);
    this.#manage(key, source);
    await this.#updateOne(source);
    this.#changed();
  }

  async remove(source: SnapshotSource): Promise<boolean> {
    const key = formatSource(source);
    if (!this.#known.has(key)) return false;
    this.#known = new Map([...this.#known].filter(([other]) => other !== key));
    const local = this.#local.get(key);
    this.#local.delete(key);
    await local?.close();
    this.#changed();
    return true;
  }

  trigger(filter: SourceFilter): SourceActionResult {
    return this.#tell(filter, (local) => local.trigger());
  }

  cancel(filter: SourceFilter): SourceActionResult {
    return this.#tell(filter, (local) => local.cancel());
  }

  pause(filter: SourceFilter): SourceActionResult {
    return this.#tell(filter, (local) => local.pause());
  }

  resume(filter: SourceFilter): SourceActionResult {
    return this.#tell(filter, (local) => local.resume());
  }

  scheduled(): readonly ScheduledItem[] {
    return [...this.#local].flatMap(([key, local]) => {
      const { nextMs } = local;
      const item = { name: `snapshot of ${key}`, dueMs: nextMs ?? 0, run: () => local.trigger() };
      return nextMs === undefined ? [] : [item];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#local.values()].map((local) => local.close()));
    await this.#queued?.catch(() => undefined);
    await this.#reading.catch(() => undefined);
  }

  /** Policies and accounts may have changed since it was planned. */
  async #assertStillLocal(source: SnapshotSource, signal: AbortSignal): Promise<void> {
    try {
      await this.assertLocal(source, { signal });
    } catch (error) {
      const { audit, log } = this.#options;
      const target = formatSource(source);
      const detail = errorFromUnknown(error, target).message;
      log.warn({ source: target }, `no snapshot: ${detail}`);
      const [who, from] = ["the server", "the server itself"];
      audit.record({ action: "snapshot.create", who, from, result: "denied", target, detail });
      throw error;
    }
  }

  #tell(filter: SourceFilter, act: (local: LocalSource) => void): SourceActionResult {
    const told = new Map<string, { readonly success: boolean }>();
    for (const [key, local] of this.#local) {
      if (!matches(local.source, filter)) continue;
      act(local);
      told.set(key, { success: true });
    }
    return told;
  }

  async #askForOwnName(options?: CallOptions): Promise<void> {
    const { username, hostname } = this.#options.repository.identity;
    this.#ownNameIsAccount = await this.#options.isAccount(`${username}@${hostname}`, options);
  }

  async #readNext(): Promise<void> {
    await this.#reading.catch(() => undefined);
    this.#queued = undefined;
    if (this.#closed) return;
    this.#reading = this.#read();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { repository } = this.#options;
    const view = await viewPolicies(repository.manifests);
    const indexed = await this.#index.read(view);
    await this.#askForOwnName();
    const { username, hostname } = repository.identity;
    const own = await this.#policyOf({ username, hostname, path: "" }, view, {});
    const parallel = own?.upload.maxParallelSnapshots ?? 1;
    this.#slots.setLimit(Math.min(Math.max(parallel, 1), MAX_PARALLEL));
    const known = new Map<string, KnownSource>();
    for (const source of view.targets().filter(({ path }) => path !== ""))
      known.set(formatSource(source), { source, indexed: undefined });
    for (const [key, one] of indexed) known.set(key, { source: one.source, indexed: one });
    this.#known = known;
    await this.#dropOthers();
    for (const [key, { source, indexed: one }] of known)
      if (this.isLocal(source)) await this.#update(this.#manage(key, source), view, one);
    this.#readMs = repository.clock.nowMs();
    this.#changed();
  }

  /** Those that are no more, or no more local. */
  async #dropOthers(): Promise<void> {
    for (const [key, local] of this.#local) {
      if (this.#known.has(key) && this.isLocal(local.source)) continue;
      this.#local.delete(key);
      await local.close();
    }
  }

  #manage(key: string, source: SnapshotSource): LocalSource {
    const present = this.#local.get(key);
    if (present !== undefined) return present;
    const local = new LocalSource(source, {
      clock: this.#options.repository.clock,
      slots: this.#slots,
      snapshot: async (one, run) => {
        await this.#assertStillLocal(one, run.signal);
        await runSnapshotJob(this.#options, one, run);
      },
      ended: (one) => this.#updateOne(one),
      changed: this.#changed,
    });
    if (!this.#closed) this.#local.set(key, local);
    return local;
  }

  async #updateOne(source: SnapshotSource): Promise<void> {
    const key = formatSource(source);
    const local = this.#local.get(key);
    if (local === undefined || this.#closed) return;
    try {
      const view = await viewPolicies(this.#options.repository.manifests);
      const indexed = (await this.#index.read(view)).get(key);
      if (this.#known.has(key)) this.#known = new Map([...this.#known, [key, { source, indexed }]]);
      await this.#update(local, view, indexed);
    } catch (error) {
      const { message } = errorFromUnknown(error, `reading what is known of ${key}`);
      this.#options.log.error({ source: key }, message);
      local.failed();
    }
  }

  /** One policy that cannot be read stops this source alone. */
  async #update(
    local: LocalSource,
    view: PolicyView,
    indexed: IndexedSource | undefined,
  ): Promise<void> {
    const policy = await this.#policyOf(local.source, view, {});
    if (policy === undefined) local.failed();
    else local.update(policy.scheduling, indexed?.newestCompleteNs);
  }

  async #policyOf(
    target: PolicyTarget,
    view: PolicyView,
    options: CallOptions,
  ): Promise<Policy | undefined> {
    try {
      return await effectivePolicy(view, target, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      // Without the path, and without the message, which has it: it may be of an account that hides its paths.
      const owner = `${target.username}@${target.hostname}`;
      const { code } = errorFromUnknown(error, "reading it");
      this.#options.log.error({ owner, code }, "a policy cannot be used");
      return undefined;
    }
  }

  async #status(
    key: string,
    { source, indexed }: KnownSource,
    view: PolicyView,
    options: CallOptions,
  ): Promise<SourceStatus> {
    const local = this.#local.get(key);
    const lastSnapshot =
      indexed === undefined ? undefined : await this.#snapshotOrNothing(indexed, options);
    const scheduling =
      local?.scheduling ?? (await this.#policyOf(source, view, options))?.scheduling ?? {};
    return {
      source,
      state: local?.state ?? "REMOTE",
      scheduling,
      lastSnapshot,
      nextSnapshotMs: local?.nextMs,
      upload: local?.upload,
      currentTask: local?.task,
    };
  }

  /** It may have been deleted since. */
  async #snapshotOrNothing(
    { newest }: IndexedSource,
    options: CallOptions,
  ): Promise<SnapshotManifest | undefined> {
    try {
      return await loadSnapshot(this.#options.repository, newest, options);
    } catch {
      options.signal?.throwIfAborted();
      return undefined;
    }
  }
}

function matches(source: SnapshotSource, filter: SourceFilter): boolean {
  return (["username", "hostname", "path"] as const).every(
    (part) => (filter[part] ?? "") === "" || filter[part] === source[part],
  );
}
