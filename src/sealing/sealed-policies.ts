/**
 * Policies of a sealed account, split: retention and schedule go to the repository below by blinded path, because the
 * server acts on them; everything else into one signed, encrypted document. Of the server's own policies only those
 * two parts count: it can neither exclude a file nor name a command. Spec: sealed 5.
 */
import {
  bytesToHex,
  type CallOptions,
  goJson,
  type Random,
  type TimestampNs,
  utf8ToBytes,
} from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type Labels,
  type Manifest,
  type ManifestId,
  type ManifestMetadata,
  type ManifestStore,
  newestOf,
} from "../manifest/index.ts";
import {
  type DeletedHeads,
  derivePrivateKeys,
  openPolicies,
  type PolicyDocument,
  writePolicies,
} from "../sealed/index.ts";
import { type AccountOpener, type DeviceSecrets, splitAccount } from "./account.ts";
import type { DocumentStore } from "./documents.ts";
import type { Deletions } from "./head-memory.ts";

type Json = Readonly<Record<string, unknown>>;

/** What a server may say and know. */
const SERVER_PARTS: readonly string[] = ["retention", "scheduling"];
/** Commands come from this device's own command line or not at all. */
const NEVER_STORED = "actions";

export interface SealedPoliciesOptions {
  /** Of the repository below. */
  readonly manifests: ManifestStore;
  readonly documents: DocumentStore;
  readonly engine: CryptoEngine;
  readonly secrets: DeviceSecrets;
  readonly opener: AccountOpener;
  readonly random: Random;
  /** Blinded path of a path of this account. */
  readonly blind: (path: string) => string;
  /** The newest version that this device has seen. */
  readonly highestVersion: number;
  /** An older one is believed. */
  readonly acceptRollback: boolean;
  readonly onVersion: (version: number) => void;
}

/** One target with everything that is stored for it. */
interface Found {
  readonly metadata: ManifestMetadata;
  readonly text: string;
}

export class SealedPolicies {
  readonly #options: SealedPoliciesOptions;
  readonly #policyKey: Uint8Array;
  #document: PolicyDocument | undefined;
  #isChanged = false;
  #highest: number;

  constructor(options: SealedPoliciesOptions) {
    this.#options = options;
    this.#highest = options.highestVersion;
    const { engine, secrets } = options;
    this.#policyKey = derivePrivateKeys(engine, secrets.privateSecret).policyKey;
  }

  async put(labels: Labels, data: unknown, options: CallOptions = {}): Promise<ManifestId> {
    const target = this.#targetOf(labels);
    if (target === undefined)
      throw new SejfError(
        "SEJF_ACCESS_DENIED",
        "a sealed account sets policies of its own paths only",
        { hint: "policies for all are the server's operator's to set" },
      );
    const policy = data as Json;
    if (
      Object.hasOwn(policy, NEVER_STORED) &&
      Object.keys(policy[NEVER_STORED] as object).length > 0
    )
      throw new SejfError("SEJF_UNSUPPORTED", "a sealed account's policies run no commands", {
        hint: "run the command before and after `snapshot create` instead",
      });
    await this.#putServerParts(labels, policy, options);
    const document = await this.#load(options);
    const sealed = pick(policy, (name) => !SERVER_PARTS.includes(name) && name !== NEVER_STORED);
    const others = document.policies.filter((one) => one.target !== target);
    this.#document = { ...document, policies: [...others, { target, policy: sealed }] };
    this.#isChanged = true;
    return this.#idOf(target, document.version + 1);
  }

  /** `undefined`: no policy has this ID. */
  async get(id: ManifestId, options: CallOptions = {}): Promise<Manifest | undefined> {
    const found = (await this.#all(options)).find(({ metadata }) => metadata.id === id);
    if (found === undefined) return undefined;
    return { ...found.metadata, text: found.text, data: JSON.parse(found.text) as unknown };
  }

  async find(labels: Labels, options: CallOptions = {}): Promise<readonly ManifestMetadata[]> {
    const wanted = Object.entries(labels);
    return (await this.#all(options))
      .map(({ metadata }) => metadata)
      .filter((one) => wanted.every(([name, value]) => one.labels[name] === value));
  }

  /** Whether it was one of ours; an ID of an older version is, and deletes nothing. */
  async delete(id: ManifestId, options: CallOptions = {}): Promise<boolean> {
    const document = await this.#load(options);
    const current = this.#isChanged ? document.version + 1 : document.version;
    for (const { target } of document.policies) {
      if (this.#idOf(target, current) === id) {
        this.#document = {
          ...document,
          policies: document.policies.filter((one) => one.target !== target),
        };
        this.#isChanged = true;
        await this.#deleteServerParts(target, options);
        return true;
      }
      if (this.#idOf(target, document.version) === id) return true;
    }
    return false;
  }

  /** What the account says it deleted from the ends of its chains. */
  async deletions(options: CallOptions = {}): Promise<Deletions> {
    return new Map(Object.entries((await this.#load(options)).deleted ?? {}));
  }

  /** To be signed with the next flush, before the snapshots are gone. */
  async noteDeleted(
    chain: string,
    deleted: DeletedHeads,
    options: CallOptions = {},
  ): Promise<void> {
    const document = await this.#load(options);
    this.#document = { ...document, deleted: { ...document.deleted, [chain]: deleted } };
    this.#isChanged = true;
  }

  /** Signs and stores the document when it changed. @throws as the opener does. */
  async flush(options: CallOptions = {}): Promise<void> {
    const document = this.#document;
    if (!this.#isChanged || document === undefined) return;
    const { documents, opener, random, onVersion } = this.#options;
    const next = { ...document, version: document.version + 1 };
    const keys = { signingSeed: await opener.signingSeed(), policyKey: this.#policyKey };
    await documents.save("policies", writePolicies(keys, next, random), options);
    this.#document = next;
    this.#isChanged = false;
    this.#highest = next.version;
    onVersion(next.version);
  }

  /**
   * All of it under other keys of the account; what the repository below knows is put at the other names of the paths.
   * The text is for the caller to store.
   */
  async underKeys(
    keys: { readonly signingSeed: Uint8Array; readonly policyKey: Uint8Array },
    blind: (path: string) => string,
    options: CallOptions = {},
  ): Promise<{ readonly version: number; readonly text: string } | undefined> {
    const { manifests, random } = this.#options;
    const document = await this.#load(options);
    if (document.version === 0) return undefined;
    for (const { target } of document.policies) {
      const labels = this.#labelsOf(target);
      const { path } = labels;
      const parts = await this.#serverParts(this.#blinded(labels), options);
      if (path !== undefined && Object.keys(parts).length > 0)
        await manifests.put({ ...labels, path: blind(path) }, parts, options);
    }
    const next = { ...document, version: document.version + 1 };
    return { version: next.version, text: writePolicies(keys, next, random) };
  }

  async #load(options: CallOptions): Promise<PolicyDocument> {
    if (this.#document !== undefined) return this.#document;
    const { documents, secrets, onVersion, acceptRollback } = this.#options;
    const text = await documents.load("policies", options);
    if (text === undefined) {
      if (this.#highest > 0 && !acceptRollback)
        throw new SejfError("SEJF_CORRUPT", "the account's policy document is gone", {
          hint: "after a restore of the server, --accept-rollback accepts it",
        });
      if (this.#highest > 0) onVersion(0);
      this.#document = { version: 0, policies: [] };
      return this.#document;
    }
    const keys = { signingPublicKey: secrets.accountSigningKey, policyKey: this.#policyKey };
    let document: PolicyDocument;
    try {
      document = openPolicies(keys, text, acceptRollback ? 0 : this.#highest);
    } catch (error) {
      if (!isSejfError(error, "SEJF_CORRUPT") || error.hint !== undefined) throw error;
      throw new SejfError("SEJF_CORRUPT", `the account's policies: ${error.message}`, {
        cause: error,
        hint: "if the account was given new keys on another device, disconnect and add this one again",
      });
    }
    if (document.version !== this.#highest) onVersion(document.version);
    this.#highest = document.version;
    this.#document = document;
    return document;
  }

  /** Own ones, and what the server's say of retention and schedule. */
  async #all(options: CallOptions): Promise<readonly Found[]> {
    const document = await this.#load(options);
    const version = this.#isChanged ? document.version + 1 : document.version;
    const found: Found[] = [];
    for (const { target, policy } of document.policies) {
      const labels = this.#labelsOf(target);
      const server = await this.#serverParts(this.#blinded(labels), options);
      found.push(this.#found(this.#idOf(target, version), labels, { ...policy, ...server }));
    }
    for (const policyType of ["global", "host"]) {
      const labels: Labels =
        policyType === "host"
          ? { type: "policy", policyType, hostname: splitAccount(this.#options.secrets.account)[1] }
          : { type: "policy", policyType };
      const newest = newestOf(await this.#findExactly(labels, options));
      if (newest === undefined) continue;
      found.push(this.#found(newest.id, labels, await this.#serverParts(labels, options)));
    }
    return found;
  }

  #found(id: ManifestId, labels: Labels, policy: Json): Found {
    const text = goJson(policy);
    const modified = 0n as TimestampNs;
    return { metadata: { id, labels, lengthBytes: utf8ToBytes(text).length, modified }, text };
  }

  /** SECURITY: a search also finds what has more labels, which anybody may have put there. */
  async #findExactly(labels: Labels, options: CallOptions): Promise<readonly ManifestMetadata[]> {
    const found = await this.#options.manifests.find(labels, options);
    const count = Object.keys(labels).length;
    return found.filter((one) => Object.keys(one.labels).length === count);
  }

  async #serverParts(labels: Labels, options: CallOptions): Promise<Json> {
    const { manifests } = this.#options;
    const newest = newestOf(await this.#findExactly(labels, options));
    if (newest === undefined) return {};
    const { data } = await manifests.get(newest.id, options);
    return pick(data as Json, (name) => SERVER_PARTS.includes(name));
  }

  async #putServerParts(labels: Labels, policy: Json, options: CallOptions): Promise<void> {
    const { manifests } = this.#options;
    const blinded = this.#blinded(labels);
    const parts = pick(policy, (name) => SERVER_PARTS.includes(name));
    const old = await manifests.find(blinded, options);
    const before = await this.#serverParts(blinded, options);
    if (goJson(parts) === goJson(before)) return;
    if (Object.keys(parts).length > 0) await manifests.put(blinded, parts, options);
    for (const { id } of old) await manifests.delete(id, options);
  }

  async #deleteServerParts(target: string, options: CallOptions): Promise<void> {
    const { manifests } = this.#options;
    for (const { id } of await manifests.find(this.#blinded(this.#labelsOf(target)), options))
      await manifests.delete(id, options);
  }

  /** `user@host` or `user@host:path` of this account; `undefined` for all others. */
  #targetOf(labels: Labels): string | undefined {
    const { policyType, username, hostname, path } = labels;
    const { account } = this.#options.secrets;
    if (`${username}@${hostname}` !== account) return undefined;
    if (policyType === "user") return account;
    return policyType === "path" && path !== undefined ? `${account}:${path}` : undefined;
  }

  #labelsOf(target: string): Labels {
    const { account } = this.#options.secrets;
    const [username, hostname] = splitAccount(account);
    return target === account
      ? { type: "policy", policyType: "user", username, hostname }
      : {
          type: "policy",
          policyType: "path",
          username,
          hostname,
          path: target.slice(account.length + 1),
        };
  }

  #blinded(labels: Labels): Labels {
    const { path } = labels;
    return path === undefined ? labels : { ...labels, path: this.#options.blind(path) };
  }

  /** Another one for each version, as a manifest store has it: who replaces deletes the one he read. */
  #idOf(target: string, version: number): ManifestId {
    const hash = this.#options.engine.sha256(utf8ToBytes(`sejf policy ${version} ${target}`));
    return bytesToHex(hash.subarray(0, 16)) as ManifestId;
  }
}

function pick(policy: Json, isWanted: (name: string) => boolean): Json {
  return Object.fromEntries(Object.entries(policy).filter(([name]) => isWanted(name)));
}
