/**
 * What takes something away from a sealed account: deleting snapshots, changing pins, policies that keep less. Sessions of
 * Kopia's protocol have no place for a proof, so that all of it comes here. Deleted snapshots go to the trash. Spec: sealed 9.
 */
import { type CallOptions, goJson, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { Labels, Manifest, ManifestChange, ManifestId } from "../../manifest/index.ts";
import { newestOf } from "../../manifest/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import {
  MAX_DELETED_AT_ONCE,
  type PolicyChange,
  shortensRetention,
  type SnapshotPins,
  type StepUpProof,
} from "../../sealed/index.ts";
import type { ManifestRules } from "../sessions/index.ts";
import type { Trash } from "../trash/index.ts";
import type { AccessRules, Account } from "../types.ts";
import type { Authority } from "./authority.ts";
import {
  accessDenied,
  assertReader,
  assertSession,
  type ServiceParts,
  type TokenCaller,
} from "./service-parts.ts";

/** A caller with what the server knows of the account. */
export interface AccountCaller {
  readonly caller: TokenCaller;
  readonly account: Account;
  readonly proof: StepUpProof | undefined;
}

export interface RemovalOptions {
  readonly manifests: DirectRepository["manifests"];
  readonly accessRules: AccessRules;
  readonly manifestRules: ManifestRules;
  readonly trash: Trash;
  /** Snapshots went, or have other IDs. */
  readonly onSnapshots: () => void;
}

const SEALED_PATH = /^\/sealed\/[a-z2-7]{20}$/;
const MAX_PINS = 100;
const MAX_PIN_CHARACTERS = 200;

type Json = Readonly<Record<string, unknown>>;

export class Removals {
  readonly #parts: ServiceParts;
  readonly #authority: Authority;
  readonly #options: RemovalOptions;

  constructor(parts: ServiceParts, authority: Authority, options: RemovalOptions) {
    this.#parts = parts;
    this.#authority = authority;
    this.#options = options;
  }

  /** All or none. @throws SEJF_ACCESS_DENIED, SEJF_NOT_FOUND, SEJF_INVALID_ARGUMENT. */
  async deleteSnapshots(who: AccountCaller, ids: readonly string[]): Promise<void> {
    const { caller, account, proof } = who;
    assertSorted(ids, MAX_DELETED_AT_ONCE, "snapshots");
    await this.#authority.assert(caller, proof, { verb: "snapshot.delete", targets: ids });
    await this.#parts.turns.run(async () => {
      await this.#parts.options.freshness.ensure();
      const changes: ManifestChange[] = [];
      for (const id of ids) {
        await this.#own(account, id);
        changes.push({ kind: "delete", id: id as ManifestId });
      }
      await this.#write(await this.#options.trash.insteadOf(changes));
    });
    for (const target of ids)
      this.#parts.audit(caller, {
        action: "snapshot.delete",
        who: caller.account,
        result: "ok",
        target,
      });
  }

  /** Gives the snapshot's new ID. @throws as `deleteSnapshots`. */
  async setPins(who: AccountCaller, { id, pins }: SnapshotPins): Promise<ManifestId> {
    const { caller, account, proof } = who;
    assertSession(caller);
    assertSorted(pins, MAX_PINS, "pins");
    if (pins.some((pin) => pin === "" || pin.length > MAX_PIN_CHARACTERS))
      throw new SejfError("SEJF_INVALID_ARGUMENT", "a pin is empty or too long");
    return await this.#parts.turns.run(async () => {
      await this.#parts.options.freshness.ensure();
      const { labels, data } = await this.#own(account, id);
      const { pins: before, ...rest } = data as Json;
      const stored = Array.isArray(before) ? (before as readonly unknown[]) : [];
      if (stored.some((pin) => !pins.includes(String(pin))))
        await this.#authority.assert(caller, proof, {
          verb: "snapshot.unpin",
          targets: [id],
          params: { pins },
        });
      const newId = this.#options.manifests.newId();
      const changed = pins.length === 0 ? rest : { ...rest, pins };
      await this.#write([
        { kind: "put", id: newId, labels, data: changed },
        { kind: "delete", id: id as ManifestId },
      ]);
      this.#parts.audit(caller, {
        action: "snapshot.pin",
        who: caller.account,
        result: "ok",
        target: `${id} ${newId}`,
      });
      return newId;
    });
  }

  /** @throws as `deleteSnapshots`. */
  async setPolicy(who: AccountCaller, { target, policy }: PolicyChange): Promise<void> {
    const { caller, proof } = who;
    assertReader(caller);
    const account = await this.#asStored(who.account);
    const labels = policyLabels(account, target);
    await this.#assertFull(account, labels);
    await this.#parts.turns.run(async () => {
      await this.#parts.options.freshness.ensure();
      const old = await this.#policies(labels);
      const newest = newestOf(old);
      const before = newest === undefined ? null : ((await this.#get(newest.id))?.data as Json);
      if (shortensRetention(before ?? null, policy))
        await this.#authority.assert(caller, proof, {
          verb: "policy.set",
          targets: [target],
          params: { policy },
        });
      const changes: ManifestChange[] = old.map(({ id }) => ({ kind: "delete", id }));
      if (policy !== null)
        changes.unshift({
          kind: "put",
          id: this.#options.manifests.newId(),
          ...(await this.#checked(account, labels, policy)),
        });
      await this.#write(changes);
      const { account: name } = caller;
      this.#parts.audit(caller, { action: "policy.set", who: name, result: "ok", target });
    });
  }

  /** What clients may store, as if there were none yet. @throws SEJF_ACCESS_DENIED, SEJF_INVALID_ARGUMENT. */
  async #checked(
    account: Account,
    labels: Labels,
    policy: Json,
  ): Promise<{ readonly labels: Labels; readonly data: unknown }> {
    const { accessRules, manifestRules, manifests } = this.#options;
    const rights = await accessRules.rightsOf(account);
    const isFree = {
      find: async () => await Promise.resolve([]),
      get: manifests.get.bind(manifests),
    };
    const json = utf8ToBytes(goJson(policy));
    const { data, labels: checked } = await manifestRules.checkNew({
      account,
      rights,
      labels,
      json,
      manifests: isFree,
    });
    return { labels: checked, data };
  }

  async #policies(labels: Labels): ReturnType<RemovalOptions["manifests"]["find"]> {
    const found = await this.#options.manifests.find(labels);
    return found.filter((one) => this.#options.manifestRules.exactPolicyLabels(one.labels));
  }

  /** A sealed snapshot of the account. @throws SEJF_NOT_FOUND, SEJF_ACCESS_DENIED for an account that may only add. */
  async #own(account: Account, id: string): Promise<Manifest> {
    const { username, hostname } = account;
    const item = /^[0-9a-f]{32}$/.test(id) ? await this.#get(id as ManifestId) : undefined;
    const labels = item?.labels ?? {};
    const isOwn =
      labels["type"] === "snapshot" &&
      labels["username"] === username &&
      labels["hostname"] === hostname &&
      SEALED_PATH.test(labels["path"] ?? "");
    if (item === undefined || !isOwn)
      throw new SejfError(
        "SEJF_NOT_FOUND",
        `${account.name} has no snapshot ${JSON.stringify(id.slice(0, 40))}`,
      );
    await this.#assertFull(account, labels);
    return item;
  }

  /** Devices count as append-only elsewhere; here what takes something away is asked for by itself. */
  async #asStored(account: Account): Promise<Account> {
    const stored = await this.#parts.options.accounts.find(account.name);
    return { ...account, appendOnly: stored?.appendOnly ?? true };
  }

  async #assertFull(account: Account, labels: Labels): Promise<void> {
    const rights = await this.#options.accessRules.rightsOf(account);
    if (account.appendOnly || rights.manifest(labels) !== "FULL")
      throw new SejfError(
        "SEJF_ACCESS_DENIED",
        `access denied: ${account.name} may add and take nothing away; its snapshots expire by the server's retention`,
      );
  }

  async #get(id: ManifestId, options?: CallOptions): Promise<Manifest | undefined> {
    try {
      return await this.#options.manifests.get(id, options);
    } catch (error) {
      if (isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  async #write(changes: readonly ManifestChange[]): Promise<void> {
    try {
      await this.#parts.options.records.write(changes);
    } finally {
      this.#options.onSnapshots();
    }
  }
}

/** @throws SEJF_ACCESS_DENIED for another account's. */
function policyLabels({ name, username, hostname }: Account, target: string): Labels {
  if (target === name) return { type: "policy", policyType: "user", username, hostname };
  const path = target.startsWith(`${name}:`) ? target.slice(name.length + 1) : "";
  if (!SEALED_PATH.test(path)) throw accessDenied();
  return { type: "policy", policyType: "path", username, hostname, path };
}

function assertSorted(texts: readonly string[], most: number, what: string): void {
  const isSorted = texts.every((text, at) => at === 0 || (texts[at - 1] ?? "") < text);
  if (!isSorted || texts.length > most)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `${what} are to be sorted, each once, at most ${most} at a time`,
    );
}
