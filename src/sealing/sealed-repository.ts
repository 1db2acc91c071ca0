/**
 * A repository of which the one below sees ciphertext only: a folder, a server of ours, a server of Kopia's. Nobody
 * above can tell. Spec: sealed 5.
 */
import type { CallOptions, Clock, Random } from "../bytes/index.ts";
import type { ContentHash, CryptoEngine } from "../crypto/index.ts";
import { isSejfError } from "../errors/index.ts";
import type { ClientIdentity, Repository, RepositoryParameters } from "../repository/index.ts";
import {
  type AccountKeys,
  blindedPath,
  derivePrivateKeys,
  type OpenedHead,
  type ServedHead,
} from "../sealed/index.ts";
import { type AccountOpener, type DeviceSecrets, splitAccount } from "./account.ts";
import type { DocumentStore } from "./documents.ts";
import { sharedSealing } from "./group-params.ts";
import type { HeadMemory, MissingHead } from "./head-memory.ts";
import type { KeptListings } from "./kept-listings.ts";
import { SealedContents } from "./sealed-contents.ts";
import { SealedManifests } from "./sealed-manifests.ts";
import { SealedPolicies } from "./sealed-policies.ts";
import { type LastSnapshots, SealedSnapshots } from "./sealed-snapshots.ts";
import type { SigningTurn } from "./signing-turn.ts";
import { type HeadAudit, SnapshotHeads } from "./snapshot-heads.ts";

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
  /** Where the repository below lets this device read nothing. */
  readonly kept?: KeptListings | undefined;
  /** Knows the account's devices, once it was opened. @throws SEJF_CORRUPT. */
  readonly assertMaySign?: ((head: OpenedHead) => void) | undefined;
  /** The user has said that the repository may have gone back; told what is missing. */
  readonly acceptRollback?: ((missing: readonly MissingHead[]) => Promise<void>) | undefined;
  /** Expires what the policy of a path does not keep; default: what the repository below does itself, if it does. */
  readonly expire?: Repository["applyRetention"];
  /** Other programs of this device sign too. */
  readonly turn?: SigningTurn | undefined;
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
  /**
   * By the blinded path what a server below does with the parts of the policy that it knows; else `expire`. A device that
   * may only add leaves it to the server. @throws SEJF_ACCESS_DENIED.
   */
  readonly applyRetention?: Required<Repository>["applyRetention"];
  /** Where the server below does it. */
  readonly changePins?: Required<Repository>["changePins"];
  readonly #options: SealedRepositoryOptions;
  readonly #snapshots: SealedSnapshots;
  readonly #signed: SnapshotHeads;
  readonly #policies: SealedPolicies;
  /** One that was not told of yet. */
  #policyVersion: number | undefined;

  constructor(options: SealedRepositoryOptions) {
    const { inner, engine, hash, secrets, opener, heads, last } = options;
    const splitter = secrets.group?.params.splitter ?? inner.parameters.splitter;
    this.#options = options;
    this.contents = new SealedContents({
      inner: options.kept?.over(inner.contents) ?? inner.contents,
      engine,
      idHash: hash.idHash,
      privateSecret: secrets.privateSecret,
      shared: sharedSealing(secrets.group),
      splitter,
    });
    const signed = new SnapshotHeads({
      contents: this.contents,
      manifests: inner.manifests,
      engine,
      secrets,
      heads,
      servedHeads: options.servedHeads,
      deletions: async (call) => await this.#deletions(call),
      assertMaySign: options.assertMaySign,
      acceptRollback: options.acceptRollback,
    });
    this.#signed = signed;
    this.#snapshots = new SealedSnapshots({
      signed,
      contents: this.contents,
      manifests: inner.manifests,
      engine,
      secrets,
      opener,
      heads,
      hash: { name: hash.idHash.algorithm, secret: hash.secret },
      last,
      onListed: (path, ids) => options.kept?.retain(path, ids),
      turn: options.turn,
    });
    const policies = this.#openPolicies();
    this.#policies = policies;
    this.manifests = new SealedManifests({
      inner: inner.manifests,
      snapshots: this.#snapshots,
      signed,
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
    if (options.expire !== undefined) this.applyRetention = options.expire;
    else if (inner.applyRetention !== undefined)
      this.applyRetention = this.#retention(inner.applyRetention.bind(inner));
    if (inner.changePins !== undefined)
      this.changePins = this.#pinning(inner.changePins.bind(inner));
  }

  async flush(options?: CallOptions): Promise<void> {
    await this.manifests.flush(options);
    await this.#options.inner.flush(options);
    this.#snapshots.flushed();
    await this.#options.kept?.save();
    await this.#tellChange();
    await this.#options.turn?.release();
  }

  /** All heads of the account that the repository shows, compared with what is known. */
  async audit(options?: CallOptions): Promise<HeadAudit> {
    return await this.#signed.audit(await this.manifests.stored(undefined, options), options);
  }

  /** The account's policies under other keys, for the caller to store; what is the server's of them is durable. */
  async policiesUnderKeys(
    keys: AccountKeys,
    options?: CallOptions,
  ): ReturnType<SealedPolicies["underKeys"]> {
    const { engine, secrets } = this.#options;
    const { pathKey, policyKey } = derivePrivateKeys(engine, keys.privateSecret);
    const blind = (path: string): string => blindedPath(engine, pathKey, secrets.account, path);
    const { signingSeed } = keys;
    const policies = await this.#policies.underKeys({ signingSeed, policyKey }, blind, options);
    await this.#options.inner.flush(options);
    return policies;
  }

  /** Where the repository below files a source of this account. */
  blind(path: string): string {
    return this.#snapshots.blind(path);
  }

  async refresh(options?: CallOptions): Promise<void> {
    await this.#options.inner.refresh(options);
  }

  /** What was learned of the account's heads is kept, also by who only reads. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#options.heads.isChanged || this.#policyVersion !== undefined)
        await this.#tellChange();
    } finally {
      await this.#options.turn?.release();
      await this.#options.inner[Symbol.asyncDispose]();
    }
  }

  #retention(expire: Required<Repository>["applyRetention"]): typeof expire {
    return async (path, reallyDelete, options) => {
      try {
        return await expire(this.#snapshots.blind(path), reallyDelete, options);
      } catch (error) {
        if (this.#options.onlyKept === true && isSejfError(error, "SEJF_ACCESS_DENIED")) return [];
        throw error;
      }
    };
  }

  #openPolicies(): SealedPolicies {
    const options = this.#options;
    const { inner, engine, secrets, opener } = options;
    return new SealedPolicies({
      manifests: inner.manifests,
      documents: options.documents,
      engine,
      secrets,
      opener,
      random: options.random,
      blind: (path) => this.#snapshots.blind(path),
      highestVersion: options.policyVersion,
      acceptRollback: options.acceptRollback !== undefined,
      onVersion: (policyVersion) => {
        this.#policyVersion = policyVersion;
      },
    });
  }

  /** Said in the account's documents, or about to be. */
  async #deletions(options?: CallOptions): ReturnType<SealedPolicies["deletions"]> {
    const said = await this.#policies.deletions(options);
    return new Map([...said, ...(await this.#snapshots.deletingEnds(options))]);
  }

  /** What this device kept of the snapshot it keeps under the new ID. */
  #pinning(change: Required<Repository>["changePins"]): typeof change {
    return async (id, pins, options) => {
      const { labels } = await this.#options.inner.manifests.get(id, options);
      const newId = await change(id, pins, options);
      this.#snapshots.renamed(String(labels["path"]), id, newId);
      return newId;
    };
  }

  async #tellChange(): Promise<void> {
    const policyVersion = this.#policyVersion;
    await this.#options.onChange({ policyVersion });
    this.#options.heads.saved();
    this.#policyVersion = undefined;
  }
}
