/** Snapshots and policies from one repository to another. Spec: kopia-snapshots 6.3; reference: kopia cli/command_snapshot_migrate.go. */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { Repository } from "../repository/index.ts";
import { changedSnapshot, rawSnapshot } from "./manifest-edit.ts";
import { type EarlierPair, TreeCopy, type TreeCopyTally } from "./migrate-tree.ts";
import type { MigratedSource, MigrateOptions } from "./migrate-types.ts";
import { getPolicy, listPolicies, policyTree, setPolicy } from "./policies.ts";
import type { PolicyTarget } from "./policy.ts";
import { formatSource } from "./source.ts";
import type { SnapshotManifest, SnapshotSource } from "./types.ts";
import { loadSnapshots } from "./verify-roots.ts";

/** What is copied is made durable so often: unreferenced contents may be collected after a day. */
const FLUSH_EVERY_MS: number = 20 * 60 * 1000;

/**
 * All complete snapshots of exactly this source, oldest first, with times, description, tags, pins and all else that
 * their manifests say. Those that are there already are skipped. Pending until the repository is flushed, which happens
 * now and then meanwhile.
 * @throws SEJF_CORRUPT for a snapshot that cannot be read; the storages' errors.
 */
export async function migrateSource(
  from: Repository,
  to: Repository,
  source: SnapshotSource,
  options: MigrateOptions = {},
): Promise<MigratedSource> {
  return await new SourceMigration(from, to, source, options).run();
}

class SourceMigration {
  readonly #from: Repository;
  readonly #to: Repository;
  readonly #source: SnapshotSource;
  readonly #options: MigrateOptions;
  readonly #call: CallOptions;
  readonly #tally: TreeCopyTally = {
    copiedFiles: 0,
    copiedBytes: 0,
    knownFiles: 0,
    knownDirectories: 0,
    directories: 0,
    excluded: 0,
    errors: 0,
  };
  #earlier: EarlierPair | undefined;
  #migrated = 0;
  #flushedMs: number;

  constructor(from: Repository, to: Repository, source: SnapshotSource, options: MigrateOptions) {
    this.#from = from;
    this.#to = to;
    this.#source = source;
    this.#options = options;
    this.#call = { signal: options.signal };
    this.#flushedMs = to.clock.nowMs();
  }

  async run(): Promise<MigratedSource> {
    const copies = new Map(
      (await readable(this.#to, this.#source, this.#call)).map((one) => [one.startTimeNs, one]),
    );
    for (const snapshot of await this.#wanted()) {
      const copy = copies.get(snapshot.startTimeNs);
      if (copy === undefined) await this.#migrate(snapshot);
      else {
        this.#options.onEvent?.({ kind: "present", snapshot });
        this.#remember(snapshot, copy.rootEntry);
      }
    }
    return { source: this.#source, migrated: this.#migrated, errors: this.#tally.errors };
  }

  async #wanted(): Promise<readonly SnapshotManifest[]> {
    const all = (await readable(this.#from, this.#source, this.#call)).toSorted((a, b) =>
      a.startTimeNs < b.startTimeNs ? -1 : 1,
    );
    const complete = all.filter((snapshot) => snapshot.incomplete === undefined);
    for (const snapshot of all) {
      if (snapshot.incomplete !== undefined)
        this.#options.onEvent?.({ kind: "incomplete", snapshot });
    }
    return this.#options.latestOnly === true ? complete.slice(-1) : complete;
  }

  async #migrate(snapshot: SnapshotManifest): Promise<void> {
    const { rootEntry, id } = snapshot;
    if (rootEntry === undefined) return;
    this.#options.onEvent?.({ kind: "begins", snapshot });
    const policies = await policyTree(this.#to.manifests, this.#source, this.#call);
    const copy = new TreeCopy(this.#from, this.#to, {
      signal: this.#call.signal,
      applyIgnoreRules: this.#options.applyIgnoreRules ?? false,
      tally: this.#tally,
      onEvent: this.#options.onEvent,
    });
    const root = await copy.copyRoot(rootEntry, policies, this.#earlier);
    const raw = await rawSnapshot(this.#from, id, this.#call);
    const { labels, data } = changedSnapshot(raw, { rootEntry: root });
    await this.#to.manifests.put(labels, data, this.#call);
    this.#migrated++;
    this.#remember(snapshot, root);
    const nowMs = this.#to.clock.nowMs();
    if (nowMs - this.#flushedMs < FLUSH_EVERY_MS) return;
    await this.#to.flush(this.#call);
    this.#flushedMs = nowMs;
  }

  #remember({ rootEntry }: SnapshotManifest, to: SnapshotManifest["rootEntry"]): void {
    if (rootEntry !== undefined && to !== undefined) this.#earlier = { from: rootEntry, to };
  }
}

async function readable(
  repository: Repository,
  source: SnapshotSource,
  options: CallOptions,
): Promise<readonly SnapshotManifest[]> {
  const { snapshots, unreadable } = await loadSnapshots(repository, source, options);
  const [first] = unreadable;
  if (first === undefined) return snapshots;
  throw new SejfError(
    "SEJF_CORRUPT",
    `snapshot ${first.id} of ${formatSource(source)} cannot be read: ${first.message}`,
  );
}

/** Every source that has a snapshot, in the order of their texts. By labels: unreadable ones count too. */
export async function listSources(
  repository: Repository,
  options: CallOptions = {},
): Promise<readonly SnapshotSource[]> {
  const sources = new Map<string, SnapshotSource>();
  for (const { labels } of await repository.manifests.find({ type: "snapshot" }, options)) {
    const { username = "", hostname = "", path = "" } = labels;
    const source = { username, hostname, path };
    sources.set(formatSource(source), source);
  }
  return [...sources].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, source]) => source);
}

export interface MigratedPolicy {
  readonly target: PolicyTarget;
  /** False: the destination has one already, which stays. */
  readonly copied: boolean;
}

/** Policies of these targets, or all; pending until the repository is flushed. @throws SEJF_CORRUPT. */
export async function migratePolicies(
  from: Repository,
  to: Repository,
  targets: readonly PolicyTarget[] | undefined,
  options: CallOptions & { readonly overwrite: boolean },
): Promise<readonly MigratedPolicy[]> {
  const { overwrite, signal } = options;
  const stored =
    targets === undefined
      ? await listPolicies(from.manifests, { signal })
      : (
          await Promise.all(targets.map((target) => getPolicy(from.manifests, target, { signal })))
        ).filter((policy) => policy !== undefined);
  const result: MigratedPolicy[] = [];
  for (const { target, policy } of stored) {
    const copied = overwrite || (await getPolicy(to.manifests, target, { signal })) === undefined;
    if (copied) await setPolicy(to.manifests, target, policy, { signal });
    result.push({ target, copied });
  }
  return result;
}
