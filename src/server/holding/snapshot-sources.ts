/** All snapshots in the repository by their source, read once for all accounts until some may have come or gone. */
import type { Labels, ManifestMetadata } from "../../manifest/index.ts";
import { trashOwner } from "../../snapshot/index.ts";
import type { HeldRepository } from "./types.ts";

export interface SourceSnapshots {
  readonly username: string;
  readonly hostname: string;
  /** What access rules look at. */
  readonly labels: Labels;
  /** Oldest first. */
  readonly snapshots: readonly ManifestMetadata[];
}

interface Collected extends SourceSnapshots {
  readonly snapshots: ManifestMetadata[];
}

export class SnapshotSources {
  readonly #manifests: HeldRepository["manifests"];
  #generation: number | undefined;
  #loading: Promise<readonly SourceSnapshots[]> | undefined;

  constructor(manifests: HeldRepository["manifests"]) {
    this.#manifests = manifests;
  }

  /** Nobody's signal stops it: many may wait for the same. */
  async at(generation: number): Promise<readonly SourceSnapshots[]> {
    if (this.#generation !== generation) {
      this.#generation = generation;
      this.#loading = undefined;
    }
    const loading = (this.#loading ??= this.#load());
    try {
      return await loading;
    } catch (error) {
      if (this.#loading === loading) this.#loading = undefined;
      throw error;
    }
  }

  async #load(): Promise<readonly SourceSnapshots[]> {
    const sources = new Map<string, Collected>();
    for (const item of await this.#manifests.find({ type: "snapshot" })) {
      const { username = "", hostname = "", path = "" } = item.labels;
      const key = JSON.stringify([username, hostname, path]);
      const labels = { type: "snapshot", username, hostname, path };
      // What is in the trash its owner still holds, and it counts for his quota; no rule gives it to others.
      const owner = trashOwner(item.labels) ?? { username, hostname };
      const source: Collected = sources.get(key) ?? { ...owner, labels, snapshots: [] };
      sources.set(key, source);
      source.snapshots.push(item);
    }
    return [...sources.values()];
  }
}
