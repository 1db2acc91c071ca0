/** A repository in memory whose contents can be lost, deleted and brought back, and accounts that send them. */
import assert from "node:assert/strict";
import type { ContentId, ContentRef } from "../format/index.ts";
import type { Holdings } from "../server/holding/types.ts";
import type { Account, AccountName } from "../server/types.ts";
import { type DirEntry, type SnapshotManifest, snapshotToJson } from "../snapshot/index.ts";
import {
  type MemoryRepository,
  memoryRepository,
  type MemoryRepositoryOptions,
} from "./memory-repository.ts";
import {
  type StoredSnapshotOptions,
  storeSnapshot,
  storeTree,
  type TreeModel,
} from "./stored-tree.ts";

type Info = Awaited<ReturnType<MemoryRepository["contents"]["stat"]>>;

export interface LosableContents {
  losses: number;
  info(id: ContentId): Promise<never>;
  lengths(ids: readonly ContentId[]): Promise<Float64Array>;
  undelete(id: ContentId): Promise<void>;
  /** Gone from the storage, as after a rollback; nobody was told yet. */
  lose(ref: string): void;
  /** Marked as deleted; `undelete` brings it back. */
  markDeleted(ref: string): void;
}

export type HeldMemoryRepository = MemoryRepository & {
  readonly contents: MemoryRepository["contents"] & LosableContents;
};

export function heldRepository(options: MemoryRepositoryOptions = {}): HeldMemoryRepository {
  const repository = memoryRepository(options);
  const { contents } = repository;
  const deleted = new Map<string, Uint8Array<ArrayBuffer>>();
  const stored = (ref: string): Uint8Array<ArrayBuffer> | undefined =>
    contents.stored.get(ref as ContentRef);
  Object.assign(contents, {
    losses: 0,
    // oxlint-disable-next-line require-await
    info: async (id: ContentId): Promise<Info> => {
      const data = stored(id) ?? deleted.get(id);
      return data && { ref: id as string as ContentRef, originalLength: data.length };
    },
    // oxlint-disable-next-line require-await
    lengths: async (ids: readonly ContentId[]): Promise<Float64Array> =>
      Float64Array.from(ids, (id) => stored(id)?.length ?? -1),
    // oxlint-disable-next-line require-await
    undelete: async (id: ContentId): Promise<void> => {
      const data = deleted.get(id);
      if (data) contents.stored.set(id as string as ContentRef, data);
    },
    lose: (ref: string): void => {
      if (!contents.stored.delete(ref as ContentRef)) throw new Error(`there is no ${ref}`);
    },
    markDeleted: (ref: string): void => {
      const data = stored(ref);
      if (data) deleted.set(ref, data);
      contents.stored.delete(ref as ContentRef);
    },
  });
  return repository as HeldMemoryRepository;
}

export function accountOf(name: string, changes: Partial<Account> = {}): Account {
  const [username = "", hostname = ""] = name.split("@");
  return {
    name: name as AccountName,
    username,
    hostname,
    appendOnly: false,
    encryption: "server",
    quotaBytes: undefined,
    ...changes,
  };
}

/** The account has sent everything that `work` stores. */
export async function sending<T>(
  repository: MemoryRepository,
  holdings: Holdings,
  account: Account,
  work: () => Promise<T>,
): Promise<T> {
  const { contents } = repository;
  const before = contents.writes.length;
  const result = await work();
  for (const { ref } of contents.writes.slice(before))
    holdings.noteSent(account, ref as string as ContentId, 1);
  return result;
}

/** Accepted, then in the repository. */
export async function takeIn(
  repository: MemoryRepository,
  holdings: Holdings,
  account: Account,
  root: DirEntry,
  options: StoredSnapshotOptions = {},
): Promise<SnapshotManifest> {
  await holdings.acceptSnapshot(account, manifestJson(account, root));
  const { username, hostname } = account;
  const source = { username, hostname };
  const snapshot = await storeSnapshot(repository, root, { ...options, source });
  holdings.refresh();
  return snapshot;
}

export function manifestJson(account: Account, rootEntry: DirEntry): unknown {
  const { username, hostname } = account;
  return snapshotToJson({
    id: "" as SnapshotManifest["id"],
    source: { username, hostname, path: "/tree" },
    description: "",
    startTimeNs: 0n,
    endTimeNs: 1n,
    stats: {} as SnapshotManifest["stats"],
    rootEntry,
    tags: {},
    pins: [],
    unknown: {},
  });
}

export interface Looks {
  ids: string[];
  stats: number;
  /** Of listings. */
  reads: string[];
}

/** A repository that notes which contents it was asked for. */
export function watchedRepository(): {
  readonly repository: HeldMemoryRepository;
  readonly looks: Looks;
} {
  const repository = heldRepository();
  const { contents } = repository;
  const looks: Looks = { ids: [], stats: 0, reads: [] };
  const lengths = contents.lengths.bind(contents);
  const stat = contents.stat.bind(contents);
  contents.lengths = async (ids): Promise<Float64Array> => {
    looks.ids.push(...ids);
    return await lengths(ids);
  };
  contents.stat = async (ref): ReturnType<typeof stat> => {
    looks.stats++;
    return await stat(ref);
  };
  const readMany = contents.readMany.bind(contents);
  contents.readMany = (requests, options): ReturnType<typeof readMany> =>
    readMany(noting(requests, looks.reads), options);
  return { repository, looks };
}

async function* noting(
  requests: Parameters<HeldMemoryRepository["contents"]["readMany"]>[0],
  reads: string[],
): typeof requests {
  for await (const page of requests) {
    reads.push(...page.map(({ ref }) => ref));
    yield page;
  }
}

/** As a session does it: the losses are read before the contents are stored. Gives the bytes too. */
export async function sendTree(
  repository: HeldMemoryRepository,
  holdings: Holdings,
  account: Account,
  tree: TreeModel,
): Promise<{ readonly root: DirEntry; readonly bytes: number; readonly refs: readonly string[] }> {
  const { contents } = repository;
  const { losses } = contents;
  const before = contents.writes.length;
  const root = await storeTree(repository, tree);
  const refs = new Set<string>(contents.writes.slice(before).map(({ ref }) => ref));
  let bytes = 0;
  for (const ref of refs) {
    const { length } = contents.stored.get(ref as never) as Uint8Array;
    bytes += length;
    holdings.noteSent(account, ref as ContentId, length, losses);
  }
  return { root, bytes, refs: [...refs] };
}

export async function acceptsSnapshot(
  holdings: Holdings,
  account: Account,
  root: DirEntry,
): Promise<boolean> {
  try {
    await holdings.acceptSnapshot(account, manifestJson(account, root));
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, "SEJF_CONTENT_NOT_FOUND", String(error));
    return false;
  }
}
