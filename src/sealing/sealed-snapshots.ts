/**
 * Snapshots of a sealed account: the plain manifest that the layers above know, and the sealed one that the repository
 * below gets. Spec: sealed 5, 10.
 */
import { bytesToHex, type CallOptions, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentRef } from "../format/index.ts";
import type {
  Labels,
  Manifest,
  ManifestId,
  ManifestMetadata,
  ManifestStore,
} from "../manifest/index.ts";
import {
  blindedPath,
  chainOf,
  type DeletedHeads,
  derivePrivateKeys,
  type Head,
  type OpenedHead,
  openSnapshotBody,
  sealSnapshotBody,
  signHead,
} from "../sealed/index.ts";
import { type AccountOpener, type DeviceSecrets, splitAccount } from "./account.ts";
import { ContentLists } from "./content-lists.ts";
import type { HeadMemory, SeenHead } from "./head-memory.ts";
import { type OuterSource, readOuterSnapshot, writeOuterSnapshot } from "./outer-snapshot.ts";
import type { SealedContents } from "./sealed-contents.ts";
import type { SigningTurn } from "./signing-turn.ts";
import { altered, isIncomplete, type SnapshotHeads } from "./snapshot-heads.ts";

/** `user@host` and the path that only the account knows, with what is in the manifest of it. */
interface PlainManifest {
  readonly source: { readonly host: string; readonly userName: string; readonly path: string };
  readonly startTime: string;
  readonly endTime: string;
  readonly incomplete?: string | undefined;
  readonly pins?: readonly string[] | undefined;
  readonly rootEntry?: RootEntry | null | undefined;
}

interface RootEntry {
  readonly type: string;
  readonly obj: string;
}

export interface SealedSnapshotsOptions {
  readonly contents: SealedContents;
  /** Of the repository below. */
  readonly manifests: ManifestStore;
  readonly engine: CryptoEngine;
  readonly secrets: DeviceSecrets;
  readonly opener: AccountOpener;
  readonly heads: HeadMemory;
  /** The repository's content hash, for folders that are restored without it. */
  readonly hash: { readonly name: string; readonly secret: Uint8Array };
  /** The last snapshot of each source by its blinded path: what a device that cannot read compares with. */
  readonly last: LastSnapshots;
  /** Listings, tables and directories of the snapshot that is being put, by its blinded path. */
  readonly onListed?: ((path: string, ids: ReadonlySet<string>) => void) | undefined;
  readonly signed: SnapshotHeads;
  /** Other programs of this device sign too. */
  readonly turn?: Pick<SigningTurn, "take"> | undefined;
}

/** Where the last plain manifest of each source is kept on this device; older ones are erased with their keys. */
export interface LastSnapshots {
  get(blindedPath: string): LastSnapshot | undefined;
  set(blindedPath: string, snapshot: LastSnapshot): void;
  delete(blindedPath: string): void;
}

export interface LastSnapshot {
  readonly id: ManifestId;
  /** JSON text of the plain manifest. */
  readonly manifest: string;
  /** Content ID of its `contents/`. */
  readonly contents: string;
}

/** A snapshot that was opened. */
export interface OpenedSnapshot {
  /** JSON text as a direct repository would hold it. */
  readonly text: string;
  readonly data: unknown;
  readonly head: OpenedHead | undefined;
  readonly contents: ContentRef;
}

export class SealedSnapshots {
  readonly #options: SealedSnapshotsOptions;
  readonly #pathKey: OwnedBytes;
  readonly #lists: ContentLists;
  /** Heads of snapshots that were put and are not durable yet. */
  readonly #pending = new Map<string, SeenHead>();
  /** The highest number of each chain among what was deleted since the last flush. */
  readonly #deleted = new Map<string, number>();

  constructor(options: SealedSnapshotsOptions) {
    this.#options = options;
    this.#lists = new ContentLists(options);
    this.#pathKey = derivePrivateKeys(options.engine, options.secrets.privateSecret).pathKey;
  }

  /** Where the repository below files a source of this account. */
  blind(path: string): string {
    const { engine, secrets } = this.#options;
    return blindedPath(engine, this.#pathKey, secrets.account, path);
  }

  /** Where it filed it, ever: now, and with the keys that the account had before. */
  blinds(path: string): readonly string[] {
    const { engine, secrets } = this.#options;
    const before = (secrets.former ?? []).map(({ pathKey }) =>
      blindedPath(engine, pathKey, secrets.account, path),
    );
    return [this.blind(path), ...before];
  }

  /** @throws SEJF_INVALID_ARGUMENT for another account's source; SEJF_CONTENT_NOT_FOUND when the tree has a hole. */
  async put(data: unknown, options: CallOptions = {}): Promise<ManifestId> {
    const { contents, manifests, secrets, hash, last } = this.#options;
    const manifest = this.#own(data);
    const { rootEntry } = manifest;
    if (rootEntry === undefined || rootEntry === null)
      throw new SejfError("SEJF_INVALID_ARGUMENT", "a snapshot without a root cannot be stored", {
        hint: "a checkpoint of another device is signed by nobody, and can only be deleted",
      });
    const path = this.blind(manifest.source.path);
    const [username, hostname] = splitAccount(secrets.account);
    const source: OuterSource = { username, hostname, path };
    const labels: Labels = { type: "snapshot", username, hostname, path };
    const plain = withoutPins(data);
    const [list, body] = [
      await this.#lists.list(rootEntry, labels, options),
      await sealSnapshotBody([secrets.recipient, ...secrets.escrow], {
        manifest: plain,
        hash: ownHash(hash),
      }),
    ];
    if (manifest.incomplete === undefined) await this.#options.turn?.take(options.signal);
    const head =
      manifest.incomplete === undefined ? this.#sign(source, manifest, body, list.id) : undefined;
    const outer = await writeOuterSnapshot(
      contents,
      { body, head: head?.line, contents: list },
      {
        source,
        startTime: manifest.startTime,
        endTime: manifest.endTime,
        incomplete: manifest.incomplete,
        pins: manifest.pins ?? [],
      },
      options,
    );
    const id = await manifests.put(labels, outer, options);
    if (head !== undefined) this.#pending.set(head.chain, head.seen);
    last.set(path, { id, manifest: JSON.stringify(plain), contents: list.id });
    return id;
  }

  /** Whether it opens without the account's key: the last one of its source does. */
  isKept({ id, labels }: ManifestMetadata): boolean {
    return this.#options.last.get(String(labels["path"]))?.id === id;
  }

  /** The same snapshot has another ID now. */
  renamed(path: string, from: ManifestId, to: ManifestId): void {
    const { last } = this.#options;
    const kept = last.get(path);
    if (kept?.id === from) last.set(path, { ...kept, id: to });
  }

  /** What was put is durable: the next head follows it. */
  flushed(): void {
    for (const [chain, seen] of this.#pending) this.#options.heads.advance(chain, seen);
    this.#pending.clear();
  }

  /**
   * SECURITY: a checkpoint is signed by nobody, and whoever knows the recipient could have made it. Unless this device keeps
   * it, it is incomplete whatever it says, and has no root to restore or to compare with.
   * @throws SEJF_CORRUPT for what is altered, signed by a stranger or of another source than it is filed under.
   */
  async open(outer: Manifest, options: CallOptions = {}): Promise<OpenedSnapshot> {
    const { contents, last, signed } = this.#options;
    const parts = await readOuterSnapshot(contents, outer.id, outer.data, options);
    const head = signed.open(outer, parts);
    const path = String(outer.labels["path"]);
    const kept = last.get(path);
    const manifest =
      kept?.id === outer.id
        ? (JSON.parse(kept.manifest) as unknown)
        : (await this.#openBody(parts.body)).manifest;
    const own = this.#own(manifest);
    if (!this.blinds(own.source.path).includes(path))
      throw altered(outer.id, "is filed under another source than it is of");
    const isKnown = head !== undefined || kept?.id === outer.id;
    const data = { ...(isKnown ? own : unsigned(own)), ...pinsOf(outer.data) };
    return { data, text: JSON.stringify(data), head, contents: parts.contents };
  }

  /** With the account's key, or one that it had before. */
  async #openBody(body: Uint8Array): ReturnType<typeof openSnapshotBody> {
    const { opener } = this.#options;
    const identity = await opener.identity();
    try {
      return await openSnapshotBody(identity, body);
    } catch (error) {
      for (const former of (await opener.formerIdentities?.()) ?? []) {
        try {
          return await openSnapshotBody(former, body);
        } catch {
          // Then it is another one's, or none's: the first error tells.
        }
      }
      throw error;
    }
  }

  /**
   * To be told before a snapshot is deleted: when it is the newest of its chain, the account says so in its documents.
   * A checkpoint needs none of it.
   */
  async deleting(outer: Manifest, options: CallOptions = {}): Promise<void> {
    const { contents, last, signed } = this.#options;
    const path = String(outer.labels["path"]);
    if (last.get(path)?.id === outer.id) last.delete(path);
    if (isIncomplete(outer.data)) return;
    const parts = await readOuterSnapshot(contents, outer.id, outer.data, options);
    const opened = signed.open(outer, parts);
    if (opened === undefined) return;
    const chain = chainOf(opened.head.source, opened.head.device);
    this.#deleted.set(chain, Math.max(this.#deleted.get(chain) ?? 0, opened.head.seq));
  }

  /** What the account has to say of what was deleted. Before the flush of the repository below, which deletes. */
  async deletedEnds(options: CallOptions = {}): Promise<ReadonlyMap<string, DeletedHeads>> {
    const ends = await this.deletingEnds(options);
    this.#deleted.clear();
    return ends;
  }

  /** The same, of what is deleted already and not flushed. */
  async deletingEnds(options: CallOptions = {}): Promise<ReadonlyMap<string, DeletedHeads>> {
    const { heads, signed } = this.#options;
    const ends = new Map<string, DeletedHeads>();
    for (const [chain, upTo] of this.#deleted) {
      const known = this.#pending.get(chain) ?? heads.newest(chain);
      if (known !== undefined && known.seq > upTo) continue;
      ends.set(chain, { upTo, newest: await signed.newestStored(chain, options) });
    }
    return ends;
  }

  #sign(
    source: OuterSource,
    { startTime }: PlainManifest,
    body: Uint8Array,
    contentsId: string,
  ): { readonly line: string; readonly chain: string; readonly seen: SeenHead } {
    const { engine, secrets, heads } = this.#options;
    const { device, group } = secrets;
    const text = `${source.username}@${source.hostname}:${source.path}`;
    const chain = chainOf(text, device.id);
    const previous = this.#pending.get(chain) ?? heads.newest(chain);
    const head: Head = {
      source: text,
      device: device.id,
      cert: device.certificate,
      seq: (previous?.seq ?? 0) + 1,
      prev: previous?.sha256 ?? "",
      body: bytesToHex(engine.sha256(body)),
      contents: contentsId,
      start: startTime.replace(/\.\d+Z$/, "Z"),
      keyring: secrets.keyringVersion,
      group: group?.id ?? "",
      epoch: group?.epoch ?? 0,
      seen: heads.seenExcept(chain),
    };
    const line = signHead(device.seed, head);
    const sha256 = bytesToHex(engine.sha256(utf8ToBytes(line)));
    return { line, chain, seen: { seq: head.seq, sha256 } };
  }

  /** @throws SEJF_INVALID_ARGUMENT unless it is a snapshot of this account. */
  #own(data: unknown): PlainManifest {
    const manifest = data as PlainManifest;
    const { source } = manifest;
    if (`${source.userName}@${source.host}` !== this.#options.secrets.account)
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `a snapshot of ${source.userName}@${source.host} cannot be stored by the sealed account ${this.#options.secrets.account}`,
      );
    return manifest;
  }
}

function withoutPins(data: unknown): unknown {
  const { pins: _pins, ...rest } = data as { readonly pins?: unknown };
  return rest;
}

function unsigned({ rootEntry: _root, incomplete = "", ...rest }: PlainManifest): object {
  return { ...rest, incomplete: incomplete === "" ? "checkpoint" : incomplete };
}

/** Pins are the server's to see: it keeps what has one. */
function pinsOf(outer: unknown): { readonly pins: unknown } | undefined {
  return typeof outer === "object" && outer !== null && "pins" in outer
    ? { pins: outer.pins }
    : undefined;
}

function ownHash({ name, secret }: SealedSnapshotsOptions["hash"]): {
  readonly name: string;
  readonly secret: OwnedBytes;
} {
  return { name, secret: new Uint8Array(secret) };
}
