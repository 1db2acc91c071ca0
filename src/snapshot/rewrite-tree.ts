/**
 * Rewriting stored trees: entries are removed or replaced, and every directory above is written anew from the leaves
 * up. A directory in which nothing changes keeps its object, and each directory object is looked at once, however many
 * snapshots share it. Spec: kopia-snapshots 6.3.
 */
import type { CallOptions } from "../bytes/index.ts";
import type { CompressorId } from "../compress/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import { IdSet } from "../format/index.ts";
import { type ObjectId, writeObject } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { directoryChunks, sortEntries } from "./directory.ts";
import { ListingAhead } from "./listing-ahead.ts";
import { joinPath } from "./names.ts";
import { withOwnFailures } from "./own-failures.ts";
import { asRoot, SummaryBuilder } from "./summary-builder.ts";
import { assertDepth } from "./tree.ts";
import type { Directory, DirectorySummary, DirEntry } from "./types.ts";

export interface RewriteRules {
  /**
   * The same entry to keep it, another to replace it, `undefined` to remove it. Directories that stay are entered
   * afterwards. The answer may depend on the name and the object, not on the path: that is for messages.
   */
  readonly rewrite: (path: string, entry: DirEntry) => Promise<DirEntry | undefined>;
  /** What stands for a directory that cannot be read; the same entry keeps it. Throws to give up. */
  readonly onUnreadable: (path: string, entry: DirEntry, error: SejfError) => Promise<DirEntry>;
  /** For the directories written. */
  readonly metadataCompressor: CompressorId | undefined;
}

interface Rewritten {
  readonly object: ObjectId;
  readonly summary: DirectorySummary;
}

export class TreeRewriter {
  readonly #repository: Repository;
  readonly #rules: RewriteRules;
  readonly #options: CallOptions;
  readonly #listings: ListingAhead;
  readonly #unchanged: IdSet = new IdSet();
  readonly #rewritten: Map<ObjectId, Rewritten> = new Map();

  constructor(repository: Repository, rules: RewriteRules, options: CallOptions = {}) {
    this.#repository = repository;
    this.#rules = rules;
    this.#options = { signal: options.signal };
    this.#listings = new ListingAhead(repository, this.#options);
  }

  /** The root's new entry, or the same one when nothing below has changed. New objects are pending until a flush. */
  async rewriteRoot(root: DirEntry): Promise<DirEntry> {
    const kept = await this.#rules.rewrite(".", root);
    if (kept === undefined) {
      const error = new SejfError("SEJF_NOT_FOUND", "the root itself was to be removed");
      return asRoot(await this.#rules.onUnreadable(".", root, error));
    }
    return asRoot(kept.type === "d" ? await this.#directory("", kept, 0) : kept);
  }

  async #directory(path: string, entry: DirEntry, depth: number): Promise<DirEntry> {
    this.#options.signal?.throwIfAborted();
    const { object } = entry;
    if (this.#unchanged.has(object)) return entry;
    const known = this.#rewritten.get(object);
    if (known !== undefined) return { ...entry, ...known };
    let directory: Directory;
    try {
      assertDepth(path, depth);
      directory = await this.#listings.get(object);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      const cause = errorFromUnknown(error, `reading the directory ${object}`);
      return await this.#rules.onUnreadable(path === "" ? "." : path, entry, cause);
    }
    const entries = await this.#entries(path, directory.entries, depth);
    if (entries === undefined) {
      this.#unchanged.add(object);
      return entry;
    }
    const rewritten = await this.#write(entry, directory, entries);
    // The summary of an empty directory has its own time, which is the entry's.
    if (entries.length > 0) this.#rewritten.set(object, rewritten);
    return { ...entry, ...rewritten };
  }

  /** `undefined` when all stay as they are. */
  async #entries(
    path: string,
    before: readonly DirEntry[],
    depth: number,
  ): Promise<DirEntry[] | undefined> {
    const after: DirEntry[] = [];
    let changed = false;
    for (const [at, child] of before.entries()) {
      const childPath = joinPath(path, child.name);
      let result = await this.#rules.rewrite(childPath, child);
      if (result?.type === "d") {
        this.#listings.ahead(
          before
            .slice(at, at + this.#listings.limit)
            .filter(({ type, object }) => type === "d" && !this.#unchanged.has(object)),
        );
        result = await this.#directory(childPath, result, depth + 1);
      }
      this.#listings.forget(child.object);
      if (result !== child) changed = true;
      if (result !== undefined) after.push(result);
    }
    return changed ? after : undefined;
  }

  async #write(entry: DirEntry, before: Directory, entries: DirEntry[]): Promise<Rewritten> {
    const { metadataCompressor } = this.#rules;
    const summary = newSummary(entry, before, entries);
    const directory = { ...before, entries: sortEntries(entries), summary };
    const { id } = await writeObject(this.#repository.contents, directoryChunks(directory), {
      format: this.#repository.parameters,
      prefix: "k",
      compressor: metadataCompressor,
      metadataCompressor,
      signal: this.#options.signal,
    });
    return { object: id, summary };
  }
}

/** Totals of the entries; why it is incomplete, and failures of the directory's own, stay. */
function newSummary(
  entry: DirEntry,
  before: Directory,
  entries: readonly DirEntry[],
): DirectorySummary {
  const builder = new SummaryBuilder();
  for (const one of entries) builder.add(one);
  const summary = before.summary ?? entry.summary;
  const built = builder.build(entry.mtimeNs, summary?.incomplete);
  return withOwnFailures(built, { ...before, summary });
}
