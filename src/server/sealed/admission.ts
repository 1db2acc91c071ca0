/**
 * Which sealed snapshots come in. The server cannot read them, and yet must not keep what is none: a stranger's signature,
 * a chain that went back, a list of contents with something else in it. That everything listed is there and held was seen
 * before. Each refusal says why. Spec: sealed 5, 9, 10.
 */
import { bytesToHex, bytesToUtf8, type CallOptions, Mutex } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import { type ContentId, IdSet } from "../../format/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import { type OpenedHead, openHead } from "../../sealed/index.ts";
import { decodeSnapshot, type SnapshotManifest } from "../../snapshot/index.ts";
import type { Account, ArrivingSnapshot, SealedAdmission, TokenUse } from "../types.ts";
import {
  decodeContentsDirectory,
  MAX_BODY_BYTES,
  MAX_DIRECTORY_BYTES,
  MAX_HEAD_BYTES,
  type OuterRoot,
} from "./outer-shape.ts";
import { timeText } from "./record-codec.ts";
import type { SealedAccountRecords } from "./record-types.ts";
import type { SealedRecords } from "./sealed-records.ts";
import type { StoredHead, StoredHeads } from "./stored-heads.ts";

export interface AdmissionOptions {
  readonly records: SealedRecords;
  readonly heads: StoredHeads;
  readonly engine: CryptoEngine;
  /** Sees what other servers have stored: a chain must not go on in two places. */
  readonly refresh: (options?: CallOptions) => Promise<void>;
}

/** Directories of contents that were looked at, of all accounts together: 22 bytes each. */
const MAX_KNOWN_DIRECTORIES = 1_000_000;
const MAX_DEPTH = 8;
/** A chain may have holes, where snapshots were deleted, but not without end. */
const MAX_HOLE = 1_000_000;

export class Admission implements SealedAdmission {
  readonly #options: AdmissionOptions;
  readonly #turns = new Map<string, { readonly mutex: Mutex; users: number }>();
  #shaped = new IdSet();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  async admit(
    who: { readonly account: Account; readonly token: TokenUse | undefined },
    snapshots: readonly ArrivingSnapshot[],
    store: () => Promise<void>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#inTurn(who.account.name, async () => {
      await this.#options.refresh(options);
      const chains = new Map<string, StoredHead>();
      for (const snapshot of snapshots) await this.#check(who, snapshot, chains, options);
      await store();
    });
  }

  async #check(
    { account, token }: { readonly account: Account; readonly token: TokenUse | undefined },
    { labels, data }: ArrivingSnapshot,
    chains: Map<string, StoredHead>,
    options: CallOptions,
  ): Promise<void> {
    const { heads } = this.#options;
    const manifest = decodeSnapshot("" as ManifestId, data);
    const { rootEntry, incomplete } = manifest;
    if (rootEntry === undefined) throw refused("it has no root");
    const root = await heads.root(rootEntry.object as string as ContentId, options);
    await this.#assertContents(root.contents, options);
    if (incomplete !== undefined) {
      if (root.head !== undefined) throw refused("a checkpoint has no head");
      return;
    }
    if (root.head === undefined) throw refused("it has no signed head");
    const records = await this.#options.records.account(account.name, options);
    if (records?.login === undefined) throw refused("the account is not enrolled");
    const line = bytesToUtf8(await heads.read(root.head, MAX_HEAD_BYTES, options));
    const opened = this.#openHead(records.login.signingKey, line);
    assertDevice(opened, records, token);
    const path = labels["path"] ?? "";
    assertSays(opened, { source: `${account.name}:${path}`, root, manifest });
    await this.#assertBody(root.body, opened, options);
    await this.#assertFollows(account, path, opened, chains, options);
    await this.#assertEpoch(opened, options);
  }

  #openHead(signingKey: Uint8Array, line: string): OpenedHead {
    try {
      return openHead(this.#options.engine, signingKey, line);
    } catch (error) {
      if (!isSejfError(error)) throw error;
      throw refused(`its head does not count: ${error.message}`);
    }
  }

  /** Every directory of the tree is one of contents; those known by their ID are not read again. */
  async #assertContents(id: ContentId, options: CallOptions): Promise<void> {
    const waiting = [{ id, depth: 0 }];
    const seen: ContentId[] = [];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      options.signal?.throwIfAborted();
      if (this.#shaped.has(next.id)) continue;
      if (next.depth > MAX_DEPTH) throw refused("its list of contents is too deep");
      const bytes = await this.#options.heads.read(next.id, MAX_DIRECTORY_BYTES, options);
      const { directories } = decodeContentsDirectory(bytes);
      seen.push(next.id);
      for (const child of directories) waiting.push({ id: child, depth: next.depth + 1 });
    }
    if (this.#shaped.size > MAX_KNOWN_DIRECTORIES) this.#shaped = new IdSet();
    for (const one of seen) this.#shaped.add(one);
  }

  async #assertBody(id: ContentId, { head }: OpenedHead, options: CallOptions): Promise<void> {
    const bytes = await this.#options.heads.read(id, MAX_BODY_BYTES, options);
    if (bytesToHex(this.#options.engine.sha256(bytes)) !== head.body)
      throw refused("its body is another one than its head says");
  }

  async #assertFollows(
    account: Account,
    path: string,
    { head, sha256 }: OpenedHead,
    chains: Map<string, StoredHead>,
    options: CallOptions,
  ): Promise<void> {
    const { device, seq, prev } = head;
    const chain = `${path}#${device}`;
    const before =
      chains.get(chain) ?? (await this.#options.heads.newest(account, path, device, options));
    chains.set(chain, { device, seq, sha256 });
    if ((seq === 1) !== (prev === ""))
      throw refused("its number does not fit what it says it follows");
    if (before === undefined) return;
    if (seq <= before.seq)
      throw refused(
        `it is number ${seq} of its device, and number ${before.seq} is stored already`,
      );
    if (seq === before.seq + 1 && prev !== before.sha256)
      throw refused(`it does not follow number ${before.seq} that is stored`);
    if (seq > before.seq + MAX_HOLE)
      throw refused(`it is number ${seq} of its device after ${before.seq}`);
  }

  async #assertEpoch({ head }: OpenedHead, options: CallOptions): Promise<void> {
    const group = (await this.#options.records.view(options)).groups.get(head.group);
    if (group !== undefined && head.epoch > group.epoch)
      throw refused(`its group has the epoch ${group.epoch} here, not ${head.epoch}`);
  }

  async #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const turn = this.#turns.get(name) ?? { mutex: new Mutex(), users: 0 };
    this.#turns.set(name, turn);
    turn.users++;
    try {
      await turn.mutex.run(work);
    } finally {
      if (--turn.users === 0) this.#turns.delete(name);
    }
  }
}

function assertDevice(
  { head, certificate }: OpenedHead,
  { devices }: SealedAccountRecords,
  token: TokenUse | undefined,
): void {
  const device = devices.get(certificate.id);
  if (device === undefined || device.certificate !== head.cert)
    throw refused(`its device ${certificate.id} is none of this account's`);
  if (device.revoked !== undefined) throw refused(`its device ${certificate.id} was revoked`);
  if (token?.device !== undefined && token.device !== certificate.id)
    throw refused(`device ${token.device} sends what device ${certificate.id} signed`);
}

function assertSays(
  { head }: OpenedHead,
  {
    source,
    root,
    manifest,
  }: { readonly source: string; readonly root: OuterRoot; readonly manifest: SnapshotManifest },
): void {
  if (head.source !== source) throw refused("its head is one of another source");
  if (head.contents !== (root.contents as string))
    throw refused("its list of contents is another one than its head says");
  if (head.start !== timeText(Number(manifest.startTimeNs / 1_000_000n)))
    throw refused("it begins at another time than its head says");
}

function refused(why: string): SejfError {
  return new SejfError("SEJF_ACCESS_DENIED", `the sealed snapshot is refused: ${why}`);
}
