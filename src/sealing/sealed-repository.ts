/**
 * A repository of which the one below sees ciphertext only: a folder, a server of ours, a server of Kopia's. Nobody
 * above can tell. Spec: sealed 5.
 */
import type { CallOptions, Clock, Random } from "../bytes/index.ts";
import type { ContentHash, CryptoEngine } from "../crypto/index.ts";
import type { ClientIdentity, Repository, RepositoryParameters } from "../repository/index.ts";
import type { ServedHead } from "../sealed/index.ts";
import { type AccountOpener, type DeviceSecrets, splitAccount } from "./account.ts";
import type { DocumentStore } from "./documents.ts";
import type { HeadMemory } from "./head-memory.ts";
import { SealedContents } from "./sealed-contents.ts";
import { SealedManifests } from "./sealed-manifests.ts";
import { SealedPolicies } from "./sealed-policies.ts";
import { type LastSnapshots, SealedSnapshots } from "./sealed-snapshots.ts";

export interface SealedRepositoryOptions {
  readonly inner: Repository;
  readonly engine: CryptoEngine;
  /** The repository's content hash and its secret, which names ciphertexts. */
  readonly hash: { readonly idHash: ContentHash; readonly secret: Uint8Array };
  readonly random: Random;
  readonly secrets: DeviceSecrets;
  readonly opener: AccountOpener;
  readonly documents: DocumentStore;
  readonly heads: HeadMemory;
  readonly last: LastSnapshots;
  readonly policyVersion: number;
  /** A device that does not ask for the password: it sees the last snapshot of each source only. */
  readonly onlyKept?: boolean | undefined;
  readonly servedHeads?: (() => Promise<readonly ServedHead[]>) | undefined;
  /** What the device has to remember changed: heads, versions, last snapshots. */
  readonly onChange: (change: { readonly policyVersion?: number | undefined }) => Promise<void>;
}

export class SealedRepository implements Repository {
  readonly contents: SealedContents;
  readonly manifests: SealedManifests;
  readonly parameters: RepositoryParameters;
  readonly identity: ClientIdentity;
  readonly clock: Clock;
  readonly readOnly: boolean;
  readonly description: string;
  readonly #options: SealedRepositoryOptions;
  readonly #snapshots: SealedSnapshots;

  constructor(options: SealedRepositoryOptions) {
    const { inner, engine, hash, secrets, opener, heads, last } = options;
    const splitter = secrets.group?.params.splitter ?? inner.parameters.splitter;
    this.#options = options;
    this.contents = new SealedContents({
      inner: inner.contents,
      engine,
      idHash: hash.idHash,
      privateSecret: secrets.privateSecret,
      shared:
        secrets.group === undefined
          ? undefined
          : { secret: secrets.group.secret, minSize: secrets.group.params.minSize },
      splitter,
    });
    this.#snapshots = new SealedSnapshots({
      contents: this.contents,
      manifests: inner.manifests,
      engine,
      secrets,
      opener,
      heads,
      hash: { name: hash.idHash.algorithm, secret: hash.secret },
      last,
      servedHeads: options.servedHeads,
    });
    const policies = new SealedPolicies({
      manifests: inner.manifests,
      documents: options.documents,
      engine,
      secrets,
      opener,
      random: options.random,
      blind: (path) => this.#snapshots.blind(path),
      highestVersion: options.policyVersion,
      onVersion: (policyVersion) => options.onChange({ policyVersion }),
    });
    this.manifests = new SealedManifests({
      inner: inner.manifests,
      snapshots: this.#snapshots,
      policies,
      account: secrets.account,
      onlyKept: options.onlyKept ?? false,
    });
    // Compression and naming are done before the repository below sees a byte: its own version does not matter.
    this.parameters = { ...inner.parameters, splitter, indexVersion: 2 };
    const [username, hostname] = splitAccount(secrets.account);
    this.identity = { username, hostname };
    this.clock = inner.clock;
    this.readOnly = inner.readOnly;
    this.description = inner.description;
  }

  async flush(options?: CallOptions): Promise<void> {
    await this.manifests.flush(options);
    await this.#options.inner.flush(options);
    this.#snapshots.flushed();
    await this.#options.onChange({});
  }

  async refresh(options?: CallOptions): Promise<void> {
    await this.#options.inner.refresh(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.inner[Symbol.asyncDispose]();
  }
}
