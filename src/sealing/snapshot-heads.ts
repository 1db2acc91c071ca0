/**
 * The signed heads of an account's sealed snapshots as the repository shows them: each is checked where it is met, and all
 * of them against what this device remembers. Spec: sealed 10.
 */
import { bytesToHex, type CallOptions } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type {
  Labels,
  Manifest,
  ManifestId,
  ManifestMetadata,
  ManifestStore,
} from "../manifest/index.ts";
import { chainOf, type OpenedHead, openHead, type ServedHead } from "../sealed/index.ts";
import { type DeviceSecrets, splitAccount } from "./account.ts";
import {
  type Deletions,
  type HeadMemory,
  type MissingHead,
  rolledBack,
  sourceOfChain,
} from "./head-memory.ts";
import { type FoundParts, readOuterSnapshot } from "./outer-snapshot.ts";
import type { SealedContents } from "./sealed-contents.ts";

export interface SnapshotHeadsOptions {
  readonly contents: SealedContents;
  /** Of the repository below. */
  readonly manifests: ManifestStore;
  readonly engine: CryptoEngine;
  readonly secrets: DeviceSecrets;
  readonly heads: HeadMemory;
  /** Heads for a device that reads no contents; absent: they are read from the snapshots. */
  readonly servedHeads?: (() => Promise<readonly ServedHead[]>) | undefined;
  /** What the account says it deleted. */
  readonly deletions: (options?: CallOptions) => Promise<Deletions>;
  /** Knows the account's devices, once it was opened. @throws SEJF_CORRUPT. */
  readonly assertMaySign?: ((head: OpenedHead) => void) | undefined;
  /** The user has said that the repository may have gone back; told what is missing. */
  readonly acceptRollback?: ((missing: readonly MissingHead[]) => Promise<void>) | undefined;
}

/** What the repository shows of the account's past. */
export interface HeadAudit {
  readonly opened: readonly OpenedHead[];
  readonly missing: readonly MissingHead[];
  /** What is altered, forked or signed by a stranger, in words. */
  readonly problems: readonly string[];
}

export class SnapshotHeads {
  readonly #options: SnapshotHeadsOptions;

  constructor(options: SnapshotHeadsOptions) {
    this.#options = options;
  }

  /**
   * Compares the heads that the repository shows with what this device has seen. `found`: all snapshots of the account,
   * or of the source at these paths. @throws SEJF_CORRUPT for a past that went back or forked.
   */
  async check(
    found: readonly ManifestMetadata[],
    paths: readonly string[] | undefined,
    options: CallOptions = {},
  ): Promise<void> {
    const { heads, servedHeads, acceptRollback } = this.#options;
    const names = paths?.map((path) => this.#name(path));
    const isAsked = (source: string): boolean => names?.includes(source) ?? true;
    const opened =
      servedHeads === undefined
        ? await this.#shownHeads(found, isAsked, options)
        : this.#openServed(await servedHeads(), isAsked);
    if (acceptRollback !== undefined) heads.believe(opened);
    heads.check(opened);
    let missing = heads.missing(isAsked, opened);
    if (missing.length > 0)
      missing = heads.missing(isAsked, opened, await this.#options.deletions(options));
    if (missing.length > 0) {
      if (acceptRollback === undefined) throw rolledBack(missing);
      await acceptRollback(missing);
      heads.accept(missing);
    }
    heads.learn(opened);
  }

  /** All heads of these snapshots, and what is wrong with them; nothing is remembered. */
  async audit(found: readonly ManifestMetadata[], options: CallOptions = {}): Promise<HeadAudit> {
    const { heads, deletions } = this.#options;
    const opened: OpenedHead[] = [];
    const problems: string[] = [];
    for (const { id } of found) {
      try {
        const { data, labels, ...rest } = await this.#options.manifests.get(id, options);
        const parts = await readOuterSnapshot(this.#options.contents, id, data, options);
        const head = this.open({ ...rest, data, labels }, parts);
        if (head !== undefined) opened.push(head);
      } catch (error) {
        if (!isDamage(error)) throw error;
        problems.push(error.message);
      }
    }
    try {
      heads.check(opened);
    } catch (error) {
      if (!isDamage(error)) throw error;
      problems.push(error.message);
    }
    const missing = heads.missing(() => true, opened, await deletions(options));
    return { opened, missing, problems };
  }

  /** The number of the newest that is stored of a chain; 0: there is none. */
  async newestStored(chain: string, options: CallOptions): Promise<number> {
    const { manifests, secrets } = this.#options;
    const source = sourceOfChain(chain);
    const path = source.slice(source.indexOf(":") + 1);
    const [username, hostname] = splitAccount(secrets.account);
    const left = await manifests.find({ type: "snapshot", username, hostname, path }, options);
    for (const { id } of left.toReversed()) {
      const one = await this.#headOf(id, options);
      if (one !== undefined && chainOf(one.head.source, one.head.device) === chain)
        return one.head.seq;
    }
    return 0;
  }

  /** `undefined`: a checkpoint has none. @throws SEJF_CORRUPT for a snapshot that was altered. */
  open(outer: Manifest, parts: FoundParts): OpenedHead | undefined {
    const { engine, secrets } = this.#options;
    if (parts.head === undefined) {
      if (isIncomplete(outer.data)) return undefined;
      throw altered(outer.id, "has no signed head");
    }
    const opened = openByAny(engine, secrets, parts.head);
    const { head } = opened;
    const source = sourceOf(outer.labels);
    if (head.source !== source) throw altered(outer.id, `has the head of ${head.source}`);
    if (head.body !== bytesToHex(engine.sha256(parts.body)))
      throw altered(outer.id, "has another body than its head says");
    if (head.contents !== (parts.contents as string))
      throw altered(outer.id, "has another list of contents than its head says");
    this.#options.assertMaySign?.(opened);
    return opened;
  }

  /** The newest head of each source, and older ones of those where that one does not account for all. */
  async #shownHeads(
    found: readonly ManifestMetadata[],
    isAsked: (source: string) => boolean,
    options: CallOptions,
  ): Promise<readonly OpenedHead[]> {
    const { heads, deletions } = this.#options;
    const opened: OpenedHead[] = [];
    const older = new Map<string, ManifestMetadata[]>();
    for (const [path, snapshots] of Map.groupBy(found, ({ labels }) => String(labels["path"]))) {
      const rest = [...snapshots];
      opened.push(...(await this.#nextHead(rest, options)));
      older.set(this.#name(path), rest);
    }
    if (heads.missing(isAsked, opened).length === 0) return opened;
    const deleted = await deletions(options);
    for (const [source, rest] of older) {
      const isOwn = (asked: string): boolean => asked === source && isAsked(asked);
      while (rest.length > 0 && heads.missing(isOwn, opened, deleted).length > 0)
        opened.push(...(await this.#nextHead(rest, options)));
    }
    return opened;
  }

  /** Takes from the end of the list up to the next that has a head; checkpoints have none. */
  async #nextHead(
    snapshots: ManifestMetadata[],
    options: CallOptions,
  ): Promise<readonly OpenedHead[]> {
    for (let next = snapshots.pop(); next !== undefined; next = snapshots.pop()) {
      const head = await this.#headOf(next.id, options);
      if (head !== undefined) return [head];
    }
    return [];
  }

  async #headOf(id: ManifestId, options: CallOptions): Promise<OpenedHead | undefined> {
    const { contents, manifests } = this.#options;
    const outer = await manifests.get(id, options);
    try {
      return this.open(outer, await readOuterSnapshot(contents, id, outer.data, options));
    } catch (error) {
      // One that is damaged is not to keep the others from who has said that not all will be there.
      if (!isDamage(error) || this.#options.acceptRollback === undefined) throw error;
      return undefined;
    }
  }

  #openServed(
    served: readonly ServedHead[],
    isAsked: (source: string) => boolean,
  ): readonly OpenedHead[] {
    const { engine, secrets } = this.#options;
    return served
      .filter(({ source }) => isAsked(source))
      .map(({ manifestId, source, head }) => {
        const opened = openByAny(engine, secrets, head);
        if (opened.head.source !== source)
          throw altered(manifestId, `has the head of ${opened.head.source}`);
        return opened;
      });
  }

  /** `user@host:/sealed/…`. */
  #name(path: string): string {
    return `${this.#options.secrets.account}:${path}`;
  }
}

/** Certified by the account, now or with a key that it had before. @throws SEJF_CORRUPT. */
function openByAny(
  engine: CryptoEngine,
  { accountSigningKey, former = [] }: DeviceSecrets,
  line: string,
): OpenedHead {
  try {
    return openHead(engine, accountSigningKey, line);
  } catch (error) {
    for (const { signingKey } of former) {
      try {
        return openHead(engine, signingKey, line);
      } catch {
        // The first error tells.
      }
    }
    throw error;
  }
}

/** A checkpoint is signed by nobody. */
export function isIncomplete(outer: unknown): boolean {
  return (
    typeof outer === "object" && outer !== null && "incomplete" in outer && outer.incomplete !== ""
  );
}

export function altered(id: string, what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `snapshot ${id} ${what}`, {
    hint: "the repository gave altered data: do not trust this snapshot",
  });
}

function isDamage(error: unknown): error is SejfError {
  return isSejfError(error, "SEJF_CORRUPT") || isSejfError(error, "SEJF_CONTENT_NOT_FOUND");
}

/** `user@host:/sealed/…`. */
function sourceOf(labels: Labels): string {
  return `${labels["username"]}@${labels["hostname"]}:${labels["path"]}`;
}
