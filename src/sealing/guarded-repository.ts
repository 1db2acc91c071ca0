/**
 * The repository of a sejf server as a sealed account changes it: what Kopia's protocol has no place for a proof for goes
 * through the account service. Snapshots are deleted and policies replaced when the repository is flushed, pins at once.
 * Spec: sealed 9.
 */
import {
  bytesToHex,
  type CallOptions,
  type Clock,
  goJson,
  type Random,
  utf8ToBytes,
} from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import type { ContentStore } from "../format/index.ts";
import {
  type Labels,
  type Manifest,
  type ManifestId,
  type ManifestMetadata,
  type ManifestStore,
  newestOf,
} from "../manifest/index.ts";
import type { ClientIdentity, Repository, RepositoryParameters } from "../repository/index.ts";
import { MAX_DELETED_AT_ONCE, shortensRetention } from "../sealed/index.ts";
import type { AccountClient } from "./account-client.ts";
import type { DeleteLogin } from "./delete-login.ts";

/** What an account that was opened with its password has for it. */
export interface Guard {
  /** With a session's token. */
  readonly client: AccountClient;
  readonly login: DeleteLogin;
}

type Json = Readonly<Record<string, unknown>>;

/** A policy that waits for the flush; `null`: it is to be deleted. */
interface PendingPolicy {
  readonly item: Manifest;
  readonly policy: Json | null;
}

export interface GuardTools {
  readonly clock: Clock;
  readonly random: Random;
  /** Of a device that keeps the key: what takes nothing away needs no password then. */
  readonly reader?: AccountClient | undefined;
}

export class GuardedManifests implements ManifestStore {
  readonly #inner: ManifestStore;
  readonly #guard: () => Promise<Guard>;
  readonly #reader: AccountClient | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #deleted = new Set<ManifestId>();
  /** By their labels. */
  readonly #policies = new Map<string, PendingPolicy>();

  constructor(inner: ManifestStore, guard: () => Promise<Guard>, tools: GuardTools) {
    this.#inner = inner;
    this.#guard = guard;
    this.#reader = tools.reader;
    this.#clock = tools.clock;
    this.#random = tools.random;
  }

  async put(labels: Labels, data: unknown, options?: CallOptions): Promise<ManifestId> {
    if (labels["type"] !== "policy") return await this.#inner.put(labels, data, options);
    return await this.#setPolicy(labels, data as Json, options);
  }

  async get(id: ManifestId, options?: CallOptions): Promise<Manifest> {
    for (const { item, policy } of this.#policies.values())
      if (item.id === id && policy !== null) return item;
    return await this.#inner.get(id, options);
  }

  async find(labels: Labels, options?: CallOptions): Promise<readonly ManifestMetadata[]> {
    const stored = await this.#inner.find(labels, options);
    const wanted = Object.entries(labels);
    const pending = [...this.#policies.values()]
      .filter(({ policy, item }) => policy !== null && hasAll(item.labels, wanted))
      .map(({ item }) => item);
    const left = stored.filter(
      (one) => !this.#deleted.has(one.id) && !this.#policies.has(keyOf(one.labels)),
    );
    return [...left, ...pending];
  }

  /** @throws SEJF_INVALID_PASSWORD when the delete password is not right, before anything is deleted. */
  async delete(id: ManifestId, options?: CallOptions): Promise<void> {
    let labels: Labels;
    try {
      ({ labels } = await this.get(id, options));
    } catch (error) {
      if (isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) return;
      throw error;
    }
    if (labels["type"] === "policy") {
      const pending = this.#policies.get(keyOf(labels));
      // The one that a new one was put in place of goes with it.
      if (pending === undefined || pending.item.id === id)
        await this.#setPolicy(labels, null, options);
      return;
    }
    const { login } = await this.#guard();
    await login.prepare();
    this.#deleted.add(id);
  }

  async flush(options?: CallOptions): Promise<void> {
    await this.#inner.flush(options);
  }

  /** After what was put is durable. */
  async commit(options: CallOptions = {}): Promise<void> {
    for (const [key, { item, policy }] of this.#policies) {
      await this.#storePolicy(item.labels, policy, options);
      this.#policies.delete(key);
    }
    const ids = [...this.#deleted].toSorted();
    for (let at = 0; at < ids.length; at += MAX_DELETED_AT_ONCE) {
      const some = ids.slice(at, at + MAX_DELETED_AT_ONCE);
      const { client, login } = await this.#guard();
      const stepUp = await login.authorize("snapshot.delete", some);
      await client.deleteSnapshots(some, { ...options, stepUp });
      for (const id of some) this.#deleted.delete(id);
    }
  }

  async setPins(
    id: ManifestId,
    pins: readonly string[],
    options: CallOptions = {},
  ): Promise<ManifestId> {
    const { data } = await this.#inner.get(id, options);
    const { pins: before } = data as { readonly pins?: readonly string[] | undefined };
    const { client, login } = await this.#guard();
    const sorted = [...new Set(pins)].toSorted();
    const isLess = before?.some((pin) => !sorted.includes(pin)) === true;
    const stepUp = isLess
      ? await login.authorize("snapshot.unpin", [id], { pins: sorted })
      : undefined;
    return await client.setPins({ id, pins: sorted }, { ...options, stepUp });
  }

  async #setPolicy(
    labels: Labels,
    policy: Json | null,
    options: CallOptions = {},
  ): Promise<ManifestId> {
    const before = await this.#storedPolicy(labels, options);
    if (shortensRetention(before, policy)) await (await this.#guard()).login.prepare();
    const text = goJson(policy);
    const item: Manifest = {
      id: bytesToHex(this.#random.bytes(16)) as ManifestId,
      labels,
      text,
      data: policy,
      lengthBytes: utf8ToBytes(text).length,
      modified: BigInt(Math.floor(this.#clock.nowMs())) * 1_000_000n,
    };
    this.#policies.set(keyOf(labels), { item, policy });
    return item.id;
  }

  async #storePolicy(labels: Labels, policy: Json | null, options: CallOptions): Promise<void> {
    const { username, hostname, path } = labels;
    const target = `${username}@${hostname}${path === undefined ? "" : `:${path}`}`;
    const isLess = shortensRetention(await this.#storedPolicy(labels, options), policy);
    if (!isLess && this.#reader !== undefined) {
      await this.#reader.setPolicy({ target, policy }, options);
      return;
    }
    const { client, login } = await this.#guard();
    const stepUp = isLess ? await login.authorize("policy.set", [target], { policy }) : undefined;
    await client.setPolicy({ target, policy }, { ...options, stepUp });
  }

  async #storedPolicy(labels: Labels, options: CallOptions): Promise<Json | null> {
    const found = await this.#inner.find(labels, options);
    const newest = newestOf(found.filter((one) => keyOf(one.labels) === keyOf(labels)));
    return newest === undefined ? null : ((await this.#inner.get(newest.id, options)).data as Json);
  }
}

/** A repository behind a sejf server, with such manifests. */
export class GuardedRepository implements Repository {
  readonly manifests: GuardedManifests;
  readonly contents: ContentStore;
  readonly parameters: RepositoryParameters;
  readonly identity: ClientIdentity;
  readonly clock: Clock;
  readonly readOnly: boolean;
  readonly description: string;
  readonly applyRetention?: Required<Repository>["applyRetention"];
  readonly #inner: Repository;

  constructor(
    inner: Repository,
    guard: () => Promise<Guard>,
    tools: Pick<GuardTools, "random" | "reader">,
  ) {
    const { clock, contents, parameters, identity, readOnly, description } = inner;
    this.#inner = inner;
    this.manifests = new GuardedManifests(inner.manifests, guard, { clock, ...tools });
    this.contents = contents;
    this.parameters = parameters;
    this.identity = identity;
    this.clock = clock;
    this.readOnly = readOnly;
    this.description = description;
    if (inner.applyRetention !== undefined) this.applyRetention = inner.applyRetention.bind(inner);
  }

  async changePins(
    id: ManifestId,
    pins: readonly string[],
    options?: CallOptions,
  ): Promise<ManifestId> {
    return await this.manifests.setPins(id, pins, options);
  }

  async flush(options?: CallOptions): Promise<void> {
    await this.#inner.flush(options);
    await this.manifests.commit(options);
  }

  async refresh(options?: CallOptions): Promise<void> {
    await this.#inner.refresh(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}

function hasAll(labels: Labels, wanted: readonly (readonly [string, string])[]): boolean {
  return wanted.every(([name, value]) => labels[name] === value);
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
