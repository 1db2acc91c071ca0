/**
 * The sources that the repository has snapshots of, and the newest snapshots of each. Snapshots never change, so that
 * only new ones are read: looking again costs little. One that cannot be read is told of once and left out; it must
 * not keep the others from being seen.
 */
import type { CallOptions, TimestampNs } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import type { ManifestId, ManifestStore } from "../../manifest/index.ts";
import {
  decodeSnapshot,
  formatSource,
  isTrash,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import type { ServerLog } from "../types.ts";

interface KnownSnapshot {
  readonly id: ManifestId;
  readonly source: SnapshotSource;
  readonly startNs: TimestampNs;
  readonly complete: boolean;
}

export interface IndexedSource {
  readonly source: SnapshotSource;
  /** Complete or not. */
  readonly newest: ManifestId;
  readonly newestCompleteNs: TimestampNs | undefined;
}

export class SourceIndex {
  readonly #log: ServerLog;
  /** `undefined`: it cannot be read. */
  #known: Map<ManifestId, KnownSnapshot | undefined> = new Map();

  constructor(log: ServerLog) {
    this.#log = log;
  }

  /** By `user@host:path`. */
  async read(
    manifests: ManifestStore,
    options: CallOptions = {},
  ): Promise<ReadonlyMap<string, IndexedSource>> {
    const known = new Map<ManifestId, KnownSnapshot | undefined>();
    for (const { id, labels } of await manifests.find({ type: "snapshot" }, options)) {
      options.signal?.throwIfAborted();
      if (this.#known.has(id)) {
        known.set(id, this.#known.get(id));
        continue;
      }
      const { username = "", hostname = "", path = "" } = labels;
      if (isTrash(labels)) continue;
      if (username === "" || hostname === "" || path === "") continue;
      known.set(id, await this.#read(manifests, id, { username, hostname, path }, options));
    }
    this.#known = known;
    return newestOfEach(known.values());
  }

  async #read(
    manifests: ManifestStore,
    id: ManifestId,
    source: SnapshotSource,
    options: CallOptions,
  ): Promise<KnownSnapshot | undefined> {
    try {
      const { data } = await manifests.get(id, options);
      const { startTimeNs, incomplete } = decodeSnapshot(id, data);
      return { id, source, startNs: startTimeNs, complete: incomplete === undefined };
    } catch (error) {
      options.signal?.throwIfAborted();
      const { message } = errorFromUnknown(error, "reading it");
      this.#log.warn({ manifest: id }, `a snapshot cannot be read and is left out: ${message}`);
      return undefined;
    }
  }
}

function newestOfEach(
  snapshots: Iterable<KnownSnapshot | undefined>,
): ReadonlyMap<string, IndexedSource> {
  const newest = new Map<string, KnownSnapshot>();
  const complete = new Map<string, TimestampNs>();
  for (const snapshot of snapshots) {
    if (snapshot === undefined) continue;
    const key = formatSource(snapshot.source);
    const best = newest.get(key);
    if (best === undefined || snapshot.startNs > best.startNs) newest.set(key, snapshot);
    if (snapshot.complete && snapshot.startNs > (complete.get(key) ?? -(2n ** 63n)))
      complete.set(key, snapshot.startNs);
  }
  return new Map(
    [...newest].map(([key, { id, source }]) => [
      key,
      { source, newest: id, newestCompleteNs: complete.get(key) },
    ]),
  );
}
