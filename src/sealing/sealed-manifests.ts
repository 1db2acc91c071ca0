/**
 * Manifests of a sealed account. Snapshots are sealed, policies split into what the server may know (when, how long)
 * and what it may not; nothing else of ours goes to the repository below. Spec: sealed 5.
 */
import type { CallOptions } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type {
  Labels,
  Manifest,
  ManifestId,
  ManifestMetadata,
  ManifestStore,
} from "../manifest/index.ts";
import { SEALED_ROOT } from "../sealed/index.ts";
import { splitAccount } from "./account.ts";
import type { SealedPolicies } from "./sealed-policies.ts";
import type { SealedSnapshots } from "./sealed-snapshots.ts";
import type { SnapshotHeads } from "./snapshot-heads.ts";

const PLACE_LABELS: ReadonlySet<string> = new Set(["type", "username", "hostname", "path"]);

export interface SealedManifestsOptions {
  readonly inner: ManifestStore;
  readonly snapshots: SealedSnapshots;
  readonly signed: SnapshotHeads;
  readonly policies: SealedPolicies;
  readonly account: string;
  /** A device that does not ask for the password sees the last snapshot of each source only. */
  readonly onlyKept: boolean;
}

export class SealedManifests implements ManifestStore {
  readonly #options: SealedManifestsOptions;

  constructor(options: SealedManifestsOptions) {
    this.#options = options;
  }

  async put(labels: Labels, data: unknown, options?: CallOptions): Promise<ManifestId> {
    const { snapshots, policies } = this.#options;
    const { type } = labels;
    if (type === "snapshot") return await snapshots.put(data, options);
    if (type === "policy") return await policies.put(labels, data, options);
    throw new SejfError(
      "SEJF_UNSUPPORTED",
      `a sealed account stores no manifest of the type ${JSON.stringify(type)}`,
    );
  }

  async get(id: ManifestId, options?: CallOptions): Promise<Manifest> {
    const { inner, snapshots, policies } = this.#options;
    const policy = await policies.get(id, options);
    if (policy !== undefined) return policy;
    const outer = await inner.get(id, options);
    if (outer.labels["type"] !== "snapshot")
      throw new SejfError("SEJF_MANIFEST_NOT_FOUND", `manifest ${id} is none of this account's`);
    const { text, data } = await snapshots.open(outer, options);
    return { ...outer, labels: plainLabels(outer.labels, data), text, data };
  }

  async find(labels: Labels, options?: CallOptions): Promise<readonly ManifestMetadata[]> {
    const { policies } = this.#options;
    const { type } = labels;
    if (type === "policy") return await policies.find(labels, options);
    const snapshots =
      type === undefined || type === "snapshot" ? await this.#find(labels, options) : [];
    if (type !== undefined) return snapshots;
    return [...snapshots, ...(await policies.find(labels, options))];
  }

  /** What the repository below holds; whether it may be deleted is that one's to say. */
  async delete(id: ManifestId, options?: CallOptions): Promise<void> {
    const { inner, policies, snapshots } = this.#options;
    if (await policies.delete(id, options)) return;
    try {
      await snapshots.deleting(await inner.get(id, options), options);
    } catch (error) {
      if (!isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) throw error;
    }
    await inner.delete(id, options);
  }

  async flush(options?: CallOptions): Promise<void> {
    const { inner, policies, snapshots } = this.#options;
    for (const [chain, deleted] of await snapshots.deletedEnds(options))
      await policies.noteDeleted(chain, deleted, options);
    await policies.flush(options);
    await inner.flush(options);
  }

  /** The account's sealed snapshots, or those at a blinded path, as the repository below has them: unchecked. */
  async stored(
    path: string | undefined,
    options?: CallOptions,
  ): Promise<readonly ManifestMetadata[]> {
    const { inner, account } = this.#options;
    const [username, hostname] = splitAccount(account);
    const place = { type: "snapshot", username, hostname, ...(path === undefined ? {} : { path }) };
    return (await inner.find(place, options)).filter(({ labels }) =>
      /^\/sealed\/[a-z2-7]{20}$/.test(labels["path"] ?? ""),
    );
  }

  /** By place without opening anything; by tags with. */
  async #find(labels: Labels, options?: CallOptions): Promise<readonly ManifestMetadata[]> {
    const { snapshots, signed, account, onlyKept } = this.#options;
    const [username, hostname] = splitAccount(account);
    if ((labels["username"] ?? username) !== username) return [];
    if ((labels["hostname"] ?? hostname) !== hostname) return [];
    const { path } = labels;
    const blinded = path === undefined ? undefined : snapshots.blinds(path);
    const all: ManifestMetadata[] = [];
    for (const one of blinded ?? [undefined]) all.push(...(await this.stored(one, options)));
    // The ones at a former name of the path are older.
    all.sort((a, b) => (a.modified < b.modified ? -1 : a.modified > b.modified ? 1 : 0));
    await signed.check(all, blinded, options);
    const found = onlyKept ? all.filter((one) => snapshots.isKept(one)) : all;
    const tags = Object.entries(labels).filter(([name]) => !PLACE_LABELS.has(name));
    if (tags.length === 0)
      return path === undefined
        ? found
        : found.map((one) => ({ ...one, labels: { ...one.labels, path } }));
    const matching: ManifestMetadata[] = [];
    for (const { id } of found) {
      const manifest = await this.get(id, options);
      if (tags.every(([name, value]) => manifest.labels[name] === value)) matching.push(manifest);
    }
    return matching;
  }
}

/** As a direct repository would label it. */
function plainLabels(labels: Labels, data: unknown): Labels {
  const { source, tags } = data as {
    readonly source: { readonly path: string };
    readonly tags?: Readonly<Record<string, string>> | undefined;
  };
  return { ...tags, ...labels, path: source.path };
}

/** Whether a source of a repository is one of a sealed account. */
export function isSealedPath(path: string): boolean {
  return path === SEALED_ROOT || path.startsWith(`${SEALED_ROOT}/`);
}
