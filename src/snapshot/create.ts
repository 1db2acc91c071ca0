/** Making a snapshot: what to compare with, the upload, and the manifest. Spec: kopia-snapshots 4.1. */
import { realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import { systemRandom, type TimestampNs } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { LocalName } from "../format/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import { type EntryStat, nameText, pathLike, statExact } from "../node/index.ts";
import type { Repository } from "../repository/index.ts";
import { SnapshotActions } from "./actions.ts";
import type { CreatedSnapshot, CreateSnapshotOptions } from "./create-types.ts";
import { NO_RULES } from "./ignore.ts";
import { NO_STATS } from "./manifest-json.ts";
import { type PolicyTree, policyTree } from "./policies.ts";
import { applyRetention } from "./apply-retention.ts";
import type { Policy } from "./policy.ts";
import { listSnapshots, previousSnapshots, saveSnapshot } from "./snapshots.ts";
import type { DirEntry, SnapshotManifest, SnapshotSource } from "./types.ts";
import { Uploader } from "./upload.ts";
import type { UploadSettings } from "./upload-settings.ts";
import { DirectoryNode } from "./upload-node.ts";
import { UploadTally } from "./upload-tally.ts";
import { FileToRead } from "./upload-files.ts";
import { StreamUpload } from "./upload-stream.ts";
import { EntryLog } from "./entry-log.ts";
import { estimateInBackground } from "./estimation.ts";

/** Contents that nothing refers to may be collected after a day; this leaves room. Also the longest allowed. */
export const DEFAULT_CHECKPOINT_INTERVAL_MS: number = 45 * 60 * 1000;

const NEW_ID = "" as ManifestId;
/** Each costs memory; more than that wait for the same disk. */
const MAX_PARALLEL = 32;

interface UploadedRoot {
  readonly rootEntry: DirEntry;
  readonly incomplete: string | undefined;
}

/**
 * Reads a local tree (or file) into the repository and saves the snapshot, pending until the repository is flushed.
 * Files that cannot be read are left out and counted; an abort saves what was done, as incomplete.
 * @throws SEJF_SOURCE, SEJF_PERMISSION, SEJF_IO when the root cannot be read; SEJF_INVALID_ARGUMENT; the storage's errors.
 */
export async function createSnapshot(
  repository: Repository,
  source: SnapshotSource,
  options: CreateSnapshotOptions = {},
): Promise<CreatedSnapshot> {
  return new Creation(repository, source, options).run();
}

class Creation {
  readonly #repository: Repository;
  readonly #source: SnapshotSource;
  readonly #options: CreateSnapshotOptions;
  readonly #tally: UploadTally;
  readonly #actions: SnapshotActions;
  readonly #startNs: TimestampNs;
  readonly #intervalMs: number;
  #nextCheckpointMs: number;

  constructor(repository: Repository, source: SnapshotSource, options: CreateSnapshotOptions) {
    this.#repository = repository;
    this.#source = source;
    this.#options = options;
    this.#tally = new UploadTally(options.onEvent);
    this.#actions = new SnapshotActions(options.actions, systemRandom, (event) =>
      this.#tally.tell(event),
    );
    this.#startNs = this.#nowNs();
    this.#intervalMs = options.checkpointIntervalMs ?? DEFAULT_CHECKPOINT_INTERVAL_MS;
    if (!(this.#intervalMs > 0 && this.#intervalMs <= DEFAULT_CHECKPOINT_INTERVAL_MS)) {
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        "the time between checkpoints must be above zero and at most 45 minutes",
      );
    }
    this.#nextCheckpointMs = repository.clock.nowMs() + this.#intervalMs;
  }

  async run(): Promise<CreatedSnapshot> {
    const repository = this.#repository;
    const source = this.#source;
    const { signal } = this.#options;
    if (repository.readOnly)
      throw new SejfError("SEJF_READ_ONLY", "a snapshot cannot be made in a read-only repository");
    const known = await listSnapshots(repository, { source, signal });
    const previous = previousSnapshots(known);
    const policies = await policyTree(repository.manifests, source, { signal });
    const { rootEntry, incomplete } = await this.#upload(policies, previous);
    this.#tally.progress();
    const snapshot = this.#manifest(rootEntry, incomplete);
    const identical =
      policies.policy.retention.ignoreIdenticalSnapshots === true &&
      previous[0]?.rootEntry?.object === rootEntry.object;
    if (identical) return { snapshot, saved: false, counters: this.#tally.counters() };
    return {
      snapshot: await saveSnapshot(repository, snapshot),
      saved: true,
      counters: this.#tally.counters(),
    };
  }

  async #upload(
    policies: PolicyTree,
    previous: readonly SnapshotManifest[],
  ): Promise<UploadedRoot> {
    const settings = this.#uploadSettings(policies.policy);
    const local = this.#options.localPath ?? this.#source.path;
    const { stream } = this.#options;
    if (stream !== undefined) {
      const { policy } = policies.child(stream.name);
      const name = nameText(local);
      const upload = new StreamUpload(settings, stream, name, policy, this.#startNs);
      return { rootEntry: await upload.upload(), incomplete: upload.incomplete };
    }
    const uploader = new Uploader(settings);
    const rootEntry = await this.#uploadLocal(uploader, local, policies, previous);
    return { rootEntry, incomplete: uploader.incomplete };
  }

  async #uploadLocal(
    uploader: Uploader,
    local: LocalName,
    policies: PolicyTree,
    previous: readonly SnapshotManifest[],
  ): Promise<DirEntry> {
    const name = basename(this.#source.path) || this.#source.path;
    const stat = rootStat(local);
    if (stat.kind === "file") {
      const { directory, file } = resolvedFile(local);
      const read = new FileToRead(file, name, stat, undefined, policies.policy);
      return await uploader.uploadFile(read, directory);
    }
    if (stat.kind !== "directory")
      throw new SejfError("SEJF_SOURCE", `${nameText(local)} is neither a directory nor a file`);
    const previousObjects = new Set(
      previous.flatMap(({ rootEntry }) => (rootEntry?.type === "d" ? [rootEntry.object] : [])),
    );
    const root = {
      parent: undefined,
      name,
      local,
      path: "",
      stat,
      policy: policies,
      ignore: NO_RULES,
    };
    const { beforeSnapshotRoot: before, afterSnapshotRoot: after } = policies.policy.actions;
    const scope = { kind: "snapshot-root", sourcePath: nameText(local), before, after } as const;
    await using actions = this.#actions; // those after run now, before the snapshot is saved
    const { redirect } = await actions.enter(scope, this.#options.signal);
    using _estimation = this.#estimate(redirect?.local ?? local, policies);
    return await uploader.uploadDirectory(
      new DirectoryNode({ ...root, ...redirect, previousObjects: [...previousObjects] }),
    );
  }

  #uploadSettings(policy: Policy): UploadSettings {
    const { contents, parameters, clock } = this.#repository;
    const { onEvent, directoryLogDetail, entryLogDetail } = this.#options;
    const wanted = this.#options.parallel ?? policy.upload.maxParallelFileReads ?? 0;
    const { forceHashPercent = 0, failFast = false, uploadLimitBytes, signal } = this.#options;
    return {
      contents,
      format: parameters,
      tally: this.#tally,
      log: new EntryLog({
        tell: onEvent,
        nowMs: () => clock.nowMs(),
        directoryDetail: directoryLogDetail,
        entryDetail: entryLogDetail,
      }),
      parallel: wanted > 0 ? Math.min(wanted, MAX_PARALLEL) : undefined,
      ignoreCache: () => forceHashPercent > 0 && randomPercent() < forceHashPercent,
      failFast,
      limitBytes: uploadLimitBytes,
      actions: this.#actions,
      sourcePath: nameText(this.#options.localPath ?? this.#source.path),
      signal,
      checkpointInMs: () => this.#nextCheckpointMs - this.#repository.clock.nowMs(),
      checkpoint: (root) => this.#checkpoint(root),
    };
  }

  /** Beside the upload, until disposed. */
  #estimate(local: LocalName, policies: PolicyTree): Disposable | undefined {
    const { estimation } = this.#options;
    if (estimation === undefined) return undefined;
    return estimateInBackground(local, policies, estimation, (files, bytes) =>
      this.#tally.tell({ kind: "estimate", files, bytes }),
    );
  }

  #nowNs(): TimestampNs {
    return BigInt(Math.round(this.#repository.clock.nowMs() * 1000)) * 1000n;
  }

  #manifest(rootEntry: DirEntry, incomplete: string | undefined): SnapshotManifest {
    const { description = "", tags = {}, pins = [] } = this.#options;
    const manifest = {
      id: NEW_ID,
      source: this.#source,
      description,
      ...this.#times(),
      stats: this.#tally.stats(),
      rootEntry,
      tags: Object.fromEntries(Object.entries(tags).map(([key, value]) => [`tag:${key}`, value])),
      pins,
      unknown: {},
    };
    return incomplete === undefined ? manifest : { ...manifest, incomplete };
  }

  /** With only one time given, the other keeps the real duration. */
  #times(): { readonly startTimeNs: TimestampNs; readonly endTimeNs: TimestampNs } {
    const { startTimeNs, endTimeNs } = this.#options;
    const duration = this.#nowNs() - this.#startNs;
    const start = startTimeNs ?? (endTimeNs === undefined ? this.#startNs : endTimeNs - duration);
    const end = endTimeNs ?? start + duration;
    if (start > end)
      throw new SejfError("SEJF_INVALID_ARGUMENT", "the snapshot would end before it starts");
    return { startTimeNs: start, endTimeNs: end };
  }

  async #checkpoint(rootEntry: DirEntry | undefined): Promise<void> {
    if (rootEntry !== undefined) await this.#saveCheckpoint(rootEntry);
    this.#nextCheckpointMs = this.#repository.clock.nowMs() + this.#intervalMs;
  }

  async #saveCheckpoint(rootEntry: DirEntry): Promise<void> {
    const manifest = {
      id: NEW_ID,
      source: this.#source,
      description: "",
      startTimeNs: this.#startNs,
      endTimeNs: this.#nowNs(),
      stats: NO_STATS,
      incomplete: "checkpoint",
      rootEntry,
      tags: {},
      pins: [],
      unknown: {},
    };
    const snapshot = await saveSnapshot(this.#repository, manifest);
    await applyRetention(this.#repository, this.#source);
    await this.#repository.flush();
    this.#tally.tell({ kind: "checkpoint", snapshot });
  }
}

function rootStat(local: LocalName): EntryStat {
  const stat = statExact(local);
  if (stat === undefined)
    throw new SejfError("SEJF_SOURCE", `${nameText(local)} does not exist`, {
      hint: "give the path of an existing directory or file",
    });
  return stat;
}

/** Where a file really lies: the source itself may be a symlink. */
function resolvedFile(local: LocalName): { readonly directory: string; readonly file: string } {
  try {
    const path = realpathSync(pathLike(local));
    return { directory: dirname(path), file: basename(path) };
  } catch (error) {
    throw errorFromUnknown(error, `resolving ${nameText(local)}`);
  }
}

function randomPercent(): number {
  const [word = 0] = new Uint32Array(systemRandom.bytes(4).buffer);
  return (word / 2 ** 32) * 100;
}
