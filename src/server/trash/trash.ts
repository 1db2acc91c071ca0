/**
 * The trash: whoever deletes a snapshot through the server, by request or by retention, moves it there, and it can be brought
 * back until the window is over. SECURITY: what is in it is seen and changed by no client but its owner, who can only bring
 * it back; nothing that the network reaches empties it sooner. Spec: sealed 9.
 */
import {
  type CallOptions,
  type Clock,
  formatTimestamp,
  type TimestampNs,
} from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type {
  CompactingManifestStore,
  Labels,
  Manifest,
  ManifestChange,
  ManifestId,
  ManifestStore,
} from "../../manifest/index.ts";
import { SEALED_ROOT, type TrashedSnapshot } from "../../sealed/index.ts";
import {
  isTrash,
  readTrash,
  toTrash,
  TRASH_LABELS,
  type TrashedManifest,
  trashLabels,
} from "../../snapshot/index.ts";
import type { Account, AuditLog, SharedFlush } from "../types.ts";

export interface TrashOptions {
  readonly manifests: CompactingManifestStore;
  readonly flush: SharedFlush;
  readonly clock: Clock;
  readonly audit: AuditLog;
  /** How long deleted snapshots stay. 0: those of managed accounts do not; sealed ones stay the default. Default 30 days. */
  readonly windowMs?: number | undefined;
  /** Snapshots came back. */
  readonly onChange: () => void;
}

const DEFAULT_WINDOW_MS = 30 * 24 * 3_600_000;
const NS_PER_MS = 1_000_000n;
const SERVER = "the server itself";

export class Trash {
  /** The repository's, where deleting a snapshot moves it to the trash. */
  readonly manifests: ManifestStore;
  readonly #options: TrashOptions;
  /** Of managed accounts; sealed ones always have one. */
  readonly windowMs: number;

  constructor(options: TrashOptions) {
    this.#options = options;
    this.windowMs = options.windowMs ?? DEFAULT_WINDOW_MS;
    const { manifests: store } = options;
    this.manifests = {
      put: async (labels, data, call) => await store.put(labels, data, call),
      get: async (id, call) => await store.get(id, call),
      find: async (labels, call) => await store.find(labels, call),
      flush: async (call) => await store.flush(call),
      damage: async (call) => (await store.damage?.(call)) ?? [],
      delete: async (id, call) =>
        await store.apply(await this.insteadOf([{ kind: "delete", id }], call), call),
    };
  }

  /**
   * The same changes, with what is deleted put into the trash. Deleted at once are checkpoints, and what one of the changes
   * replaces by the same tree. @throws SEJF_ACCESS_DENIED for what is in the trash already.
   */
  async insteadOf(
    changes: readonly ManifestChange[],
    options: CallOptions = {},
  ): Promise<readonly ManifestChange[]> {
    const deleted = new Set(changes.filter(({ kind }) => kind === "delete").map(({ id }) => id));
    if (deleted.size === 0) return changes;
    const put = new Set<ManifestId>();
    const replacing = new Set<string>();
    for (const change of changes) {
      if (change.kind === "delete") continue;
      put.add(change.id);
      if (!deleted.has(change.id)) replacing.add(treeOf(change.labels, change.data));
    }
    const moved: ManifestChange[] = [];
    for (const change of changes) {
      moved.push(change);
      if (change.kind !== "delete" || put.has(change.id)) continue;
      const item = await this.#find(change.id, options);
      const trashed =
        item === undefined || replacing.has(treeOf(item.labels, item.data))
          ? undefined
          : this.#toTrash(item);
      if (trashed !== undefined) moved.push(trashed);
    }
    return moved;
  }

  /** The account's, oldest deletion first. */
  async list(
    { username, hostname }: Account,
    options: CallOptions = {},
  ): Promise<readonly TrashedSnapshot[]> {
    const owner = `${username}@${hostname}`;
    const found: TrashedSnapshot[] = [];
    for (const { id, labels } of await this.#options.manifests.find(TRASH_LABELS, options)) {
      if (labels["path"]?.startsWith(`/${owner}/`) !== true) continue;
      const item = await this.#find(id, options);
      const trashed = item === undefined ? undefined : readTrash(item);
      if (trashed?.owner !== owner) continue;
      found.push({
        id: trashed.id,
        source: `${owner}:${trashed.path}`,
        startTime: trashed.startTime,
        deletedAt: formatTimestamp(trashed.deletedNs),
        keptUntil: formatTimestamp(this.#keptUntilNs(trashed)),
      });
    }
    return found;
  }

  /** Under a new ID; durable and seen when it resolves. @throws SEJF_NOT_FOUND, also for others'. */
  async undelete(
    { username, hostname }: Account,
    id: string,
    options: CallOptions = {},
  ): Promise<ManifestId> {
    const owner = `${username}@${hostname}`;
    const { manifests, flush, onChange } = this.#options;
    const newId = manifests.newId();
    let isThere = false;
    await flush.flush(async () => {
      const [found] = await manifests.find(trashLabels(owner, id), options);
      const item = found === undefined ? undefined : await this.#find(found.id, options);
      const trashed = item === undefined ? undefined : readTrash(item);
      if (trashed?.owner !== owner || trashed.id !== id) return;
      isThere = true;
      await manifests.apply([
        { kind: "put", id: newId, ...trashed.original },
        { kind: "delete", id: trashed.manifestId },
      ]);
    });
    if (!isThere)
      throw new SejfError(
        "SEJF_NOT_FOUND",
        `no snapshot ${JSON.stringify(id.slice(0, 40))} of ${owner} is in the trash`,
        { hint: "`sejf snapshot list --trash` shows those that are" },
      );
    onChange();
    return newId;
  }

  /** For the server's own schedule: really deletes what was long enough there. Gives how many. */
  async empty(options: CallOptions = {}): Promise<number> {
    const { manifests, flush, clock, audit } = this.#options;
    const nowNs = BigInt(Math.floor(clock.nowMs())) * NS_PER_MS;
    const over: TrashedManifest[] = [];
    for (const { id } of await manifests.find(TRASH_LABELS, options)) {
      const item = await this.#find(id, options);
      const trashed = item === undefined ? undefined : readTrash(item);
      if (trashed !== undefined && this.#keptUntilNs(trashed) <= nowNs) over.push(trashed);
    }
    if (over.length === 0) return 0;
    const changes = over.map(({ manifestId: id }): ManifestChange => ({ kind: "delete", id }));
    await flush.flush(async () => await manifests.apply(changes));
    for (const { id, owner } of over)
      audit.record({
        action: "trash.empty",
        who: SERVER,
        from: SERVER,
        result: "ok",
        target: id,
        detail: `of ${owner}, deleted long enough ago`,
      });
    return over.length;
  }

  #toTrash(item: Manifest): ManifestChange | undefined {
    const { labels, data } = item;
    if (labels["type"] !== "snapshot" || isCheckpoint(data)) return undefined;
    if (isTrash(labels))
      throw new SejfError(
        "SEJF_ACCESS_DENIED",
        "access denied: the trash is emptied by the server's schedule alone",
      );
    if (this.#windowOf(labels["path"] ?? "") === 0) return undefined;
    const { manifests, clock } = this.#options;
    const deletedNs = BigInt(Math.floor(clock.nowMs())) * NS_PER_MS;
    try {
      return { kind: "put", id: manifests.newId(), ...toTrash(item, deletedNs) };
    } catch (error) {
      // What is no snapshot nobody can restore.
      if (isSejfError(error, "SEJF_CORRUPT")) return undefined;
      throw error;
    }
  }

  #keptUntilNs({ path, deletedNs }: TrashedManifest): TimestampNs {
    return deletedNs + BigInt(Math.floor(this.#windowOf(path))) * NS_PER_MS;
  }

  #windowOf(path: string): number {
    return this.windowMs === 0 && path.startsWith(`${SEALED_ROOT}/`)
      ? DEFAULT_WINDOW_MS
      : this.windowMs;
  }

  async #find(id: ManifestId, options: CallOptions): Promise<Manifest | undefined> {
    try {
      return await this.#options.manifests.get(id, options);
    } catch (error) {
      if (isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) return undefined;
      throw error;
    }
  }
}

/**
 * Equal for two manifests of one source, time and tree. SECURITY: with another type of the root nothing below it would be
 * reached any more, and collected, though its ID is the same.
 */
function treeOf(labels: Labels, data: unknown): string {
  const { type, username, hostname, path } = labels;
  const { startTime, endTime, incomplete, rootEntry } = (data ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const root = (rootEntry ?? {}) as Readonly<Record<string, unknown>>;
  return JSON.stringify([
    type,
    username,
    hostname,
    path,
    startTime,
    endTime,
    incomplete ?? "",
    root["type"],
    root["obj"],
  ]);
}

function isCheckpoint(data: unknown): boolean {
  const { incomplete } = (data ?? {}) as { readonly incomplete?: unknown };
  return typeof incomplete === "string" && incomplete !== "";
}
