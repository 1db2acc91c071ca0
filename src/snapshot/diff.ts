/**
 * Differences between two stored trees, by names; equal objects end the descent. Directories below the roots count with
 * the totals of their summaries: size, and newest time below as time. Spec: kopia-snapshots 3.6, 6.3; reference: kopia
 * internal/diff.
 */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { Repository } from "../repository/index.ts";
import { ListingAhead } from "./listing-ahead.ts";
import { assertDepth } from "./tree.ts";
import type { DirEntry } from "./types.ts";

/** Counters of one kind of entries, under the names that Kopia prints. */
export interface EntryDiffCounts {
  added: number;
  removed: number;
  modified: number;
  sameContentButDifferentMetadata: number;
  sameContentButDifferentMode: number;
  sameContentButDifferentModificationTime: number;
  sameContentButDifferentUserOwner: number;
  sameContentButDifferentGroupOwner: number;
}

export interface DiffCounts {
  readonly fileEntries: EntryDiffCounts;
  readonly directoryEntries: EntryDiffCounts;
}

export type MetadataField = "mode" | "size" | "mtime" | "uid" | "gid";

/** `path` begins with `.`, which is the root; entries are as they are compared, with totals for directories. */
export type Difference =
  | { readonly kind: "added"; readonly path: string; readonly entry: DirEntry }
  | { readonly kind: "removed"; readonly path: string; readonly entry: DirEntry }
  /** The metadata of entries whose contents differ as well. */
  | {
      readonly kind: "metadata";
      readonly path: string;
      readonly field: MetadataField;
      readonly before: DirEntry;
      readonly after: DirEntry;
    }
  /** The contents of a file, or what a symlink points to without any other sign of it. */
  | {
      readonly kind: "content";
      readonly path: string;
      readonly before: DirEntry;
      readonly after: DirEntry;
    }
  /** A directory where there was none, or the reverse. */
  | {
      readonly kind: "type";
      readonly path: string;
      readonly before: DirEntry;
      readonly after: DirEntry;
    };

export interface TreeDiff {
  /** Grows while the differences are read. */
  readonly counts: DiffCounts;
  /** In the order of names, directories first, what was removed after the rest of its directory. */
  readonly differences: AsyncGenerator<readonly Difference[], void, void>;
}

/** Nothing is read before the differences are. @throws (from the differences) as `listDirectory`. */
export function diffTrees(
  repository: Repository,
  before: DirEntry,
  after: DirEntry,
  options: CallOptions = {},
): TreeDiff {
  if ((before.type === "d") !== (after.type === "d")) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "arguments to diff must both be directories or both non-directories",
    );
  }
  const comparison = new Comparison(repository, options);
  return { counts: comparison.counts, differences: comparison.run(before, after) };
}

const FIELDS: readonly (readonly [MetadataField, (entry: DirEntry) => unknown])[] = [
  ["mode", ({ type, mode }): string => `${type} ${mode}`],
  ["size", ({ sizeBytes }): number => sizeBytes],
  ["mtime", ({ mtimeNs }): bigint => mtimeNs],
  ["uid", ({ uid }): number => uid],
  ["gid", ({ gid }): number => gid],
];

const SAME_CONTENT_COUNTS: Readonly<Record<Exclude<MetadataField, "size">, keyof EntryDiffCounts>> =
  {
    mode: "sameContentButDifferentMode",
    mtime: "sameContentButDifferentModificationTime",
    uid: "sameContentButDifferentUserOwner",
    gid: "sameContentButDifferentGroupOwner",
  };

type Page = readonly Difference[];

/** Of the same name; at least one of them is there. */
interface Pair {
  readonly before: DirEntry | undefined;
  readonly after: DirEntry | undefined;
  readonly path: string;
}

class Comparison {
  readonly counts: DiffCounts = { fileEntries: noCounts(), directoryEntries: noCounts() };
  readonly #listings: ListingAhead;
  readonly #options: CallOptions;

  constructor(repository: Repository, options: CallOptions) {
    this.#options = { signal: options.signal };
    this.#listings = new ListingAhead(repository, this.#options);
  }

  /** One pair after the other, each before what is below it; not by recursion, whose depth a tree could exhaust. */
  async *run(before: DirEntry, after: DirEntry): AsyncGenerator<Page, void, void> {
    const stack = [[{ before, after, path: "." }].values() as IterableIterator<Pair>];
    for (let pairs = stack.at(-1); pairs !== undefined; pairs = stack.at(-1)) {
      const next = pairs.next();
      if (next.done === true) {
        stack.pop();
        continue;
      }
      const { page, descends } = this.#compare(next.value);
      if (page.length > 0) yield page;
      if (descends) stack.push(await this.#below(next.value, stack.length - 1));
    }
  }

  /** `descends`: directories that differ, or one that has no counterpart. */
  #compare({ before, after, path }: Pair): { readonly page: Page; readonly descends: boolean } {
    if (before === undefined || after === undefined) {
      const entry = (before ?? after) as DirEntry;
      const kind = before === undefined ? "added" : "removed";
      this.#countsOf(entry)[kind]++;
      return { page: [{ kind, path, entry }], descends: isDirectory(entry) };
    }
    if (before.object === after.object) {
      this.#countMetadata(before, after);
      return { page: [], descends: false };
    }
    const page: Difference[] = this.#metadata(before, after, path);
    if (isDirectory(before) !== isDirectory(after))
      page.push({ kind: "type", path, before, after });
    else if (!isDirectory(after) && isContentChange(before, after, page.length === 0)) {
      this.counts.fileEntries.modified++;
      page.push({ kind: "content", path, before, after });
    }
    return { page, descends: isDirectory(before) && isDirectory(after) };
  }

  async #below({ before, after, path }: Pair, depth: number): Promise<IterableIterator<Pair>> {
    this.#options.signal?.throwIfAborted();
    assertDepth(path, depth);
    return this.#pairs(await this.#list(before), await this.#list(after), path);
  }

  *#pairs(
    left: readonly DirEntry[],
    right: readonly DirEntry[],
    path: string,
  ): Generator<Pair, void, void> {
    const leftByName = new Map(left.map((entry) => [entry.name, entry]));
    for (const [at, entry] of right.entries()) {
      const old = leftByName.get(entry.name);
      leftByName.delete(entry.name);
      if (isDirectory(entry) && old?.object !== entry.object)
        this.#listings.ahead(right.slice(at, at + this.#listings.limit).filter(isDirectory));
      yield { before: old, after: entry, path: `${path}/${entry.name}` };
      this.#listings.forget(entry.object);
    }
    for (const entry of leftByName.values())
      yield { before: entry, after: undefined, path: `${path}/${entry.name}` };
  }

  async #list(entry: DirEntry | undefined): Promise<readonly DirEntry[]> {
    if (entry === undefined) return [];
    return (await this.#listings.get(entry.object)).entries.map(withTotals);
  }

  #metadata(before: DirEntry, after: DirEntry, path: string): Difference[] {
    const differing = FIELDS.filter(([, of]) => of(before) !== of(after));
    if (differing.length > 0) {
      const both = before.type === "d" && after.type === "d";
      this.counts[both ? "directoryEntries" : "fileEntries"].modified++;
    }
    return differing.map(([field]) => ({ kind: "metadata", path, field, before, after }));
  }

  #countMetadata(before: DirEntry, after: DirEntry): void {
    const counts = this.#countsOf(before);
    let any = false;
    for (const [field, of] of FIELDS) {
      if (field === "size" || of(before) === of(after)) continue;
      counts[SAME_CONTENT_COUNTS[field]]++;
      any = true;
    }
    if (any) counts.sameContentButDifferentMetadata++;
  }

  #countsOf({ type }: DirEntry): EntryDiffCounts {
    return this.counts[type === "d" ? "directoryEntries" : "fileEntries"];
  }
}

/** Kopia says nothing more of symlinks; one that differs in nothing else must not go unseen. */
function isContentChange(before: DirEntry, after: DirEntry, sameMetadata: boolean): boolean {
  return (before.type === "f" && after.type === "f") || sameMetadata;
}

function isDirectory({ type }: DirEntry): boolean {
  return type === "d";
}

/** A directory as it counts in a comparison unless it is the root of a snapshot: with the totals of its summary. */
export function withTotals(entry: DirEntry): DirEntry {
  const { summary } = entry;
  if (entry.type !== "d" || summary === undefined) return entry;
  return { ...entry, sizeBytes: summary.sizeBytes, mtimeNs: summary.maxTimeNs };
}

function noCounts(): EntryDiffCounts {
  return {
    added: 0,
    removed: 0,
    modified: 0,
    sameContentButDifferentMetadata: 0,
    sameContentButDifferentMode: 0,
    sameContentButDifferentModificationTime: 0,
    sameContentButDifferentUserOwner: 0,
    sameContentButDifferentGroupOwner: 0,
  };
}
