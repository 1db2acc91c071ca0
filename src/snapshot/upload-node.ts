/** A directory that is being uploaded: what is done of it, what is still under way. */
import type { LocalName } from "../format/index.ts";
import type { EnteredScope } from "./actions.ts";
import type { EntryStat } from "../node/index.ts";
import type { ObjectId } from "../object/index.ts";
import type { IgnoreContext } from "./ignore.ts";
import type { PolicyTree } from "./policies.ts";
import { isSameCleanSummary, type PreviousDirectory } from "./previous.ts";
import { SummaryBuilder } from "./summary-builder.ts";
import type { DirectorySummary, DirEntry } from "./types.ts";

export interface DirectoryNodeOptions {
  readonly parent: DirectoryNode | undefined;
  /** As it is stored. */
  readonly name: string;
  readonly local: LocalName;
  /** Below the root with `/`, empty for the root. */
  readonly path: string;
  readonly stat: EntryStat;
  readonly policy: PolicyTree;
  /** Rules of the directory above. */
  readonly ignore: IgnoreContext;
  readonly previousObjects: readonly ObjectId[];
}

export class DirectoryNode {
  readonly parent: DirectoryNode | undefined;
  readonly name: string;
  readonly path: string;
  readonly policy: PolicyTree;
  readonly ignore: IgnoreContext;
  readonly previousObjects: readonly ObjectId[];
  /** Those that its own policy has around it, once the one before has run. */
  actions: EnteredScope | undefined;
  /** Being read ahead. */
  previous: Promise<readonly PreviousDirectory[]> | undefined;
  /** Child directories that were entered and are not done. */
  readonly active: Set<DirectoryNode> = new Set();
  /** Children under way, and 1 while it is being listed. */
  open = 1;
  entries: DirEntry[] = [];
  /** Milliseconds of the clock, where it is to be told how long it took. */
  begunMs = 0;
  /** Once it is written; `entries` is empty then. */
  done: DirEntry | undefined;
  /** The earlier directory that this one may turn out to equal. */
  #candidate: PreviousDirectory | undefined;
  #local: LocalName;
  #stat: EntryStat;
  /** How many entries are the candidate's own. */
  #kept = 0;
  readonly #summary: SummaryBuilder = new SummaryBuilder();

  constructor(options: DirectoryNodeOptions) {
    this.parent = options.parent;
    this.name = options.name;
    this.#local = options.local;
    this.path = options.path;
    this.#stat = options.stat;
    this.policy = options.policy;
    this.ignore = options.ignore;
    this.previousObjects = options.previousObjects;
  }

  /** What is read. */
  get local(): LocalName {
    return this.#local;
  }

  get stat(): EntryStat {
    return this.#stat;
  }

  /** Reads another directory in its place, whose attributes it takes too. Its name and path stay. */
  readFrom(local: LocalName, stat: EntryStat): void {
    this.#local = local;
    this.#stat = stat;
  }

  compareWith(candidate: PreviousDirectory | undefined): void {
    this.#candidate = candidate;
  }

  add(entry: DirEntry): void {
    const before = this.#candidate?.entries.get(entry.name);
    const same = before !== undefined && isSameEntry(before, entry);
    if (same) this.#kept++;
    this.entries.push(same ? before : entry);
    this.#summary.add(entry);
  }

  /** `path` is the entry's below the root. */
  fail(path: string, message: string, ignored: boolean): void {
    this.#summary.addFailure(path, message, ignored);
  }

  summary(incomplete: string | undefined): DirectorySummary {
    return this.#summary.build(this.stat.mtimeNs, incomplete);
  }

  /** With what unfinished children have so far, for a checkpoint. */
  summaryWith(children: readonly DirEntry[], incomplete: string): DirectorySummary {
    const builder = this.#summary.clone();
    for (const child of children) builder.add(child);
    return builder.build(this.stat.mtimeNs, incomplete);
  }

  /** The earlier object where nothing in this directory has changed. */
  unchangedObject(summary: DirectorySummary): ObjectId | undefined {
    const candidate = this.#candidate;
    const same =
      candidate !== undefined &&
      candidate.entries.size === this.#kept &&
      this.entries.length === this.#kept;
    return same && isSameCleanSummary(summary, candidate.summary) ? candidate.object : undefined;
  }

  /** The entry in the directory above. */
  entry(object: ObjectId, summary: DirectorySummary): DirEntry {
    const { mode, mtimeNs, uid, gid } = this.stat;
    return {
      name: this.name,
      type: "d",
      mode: mode & 0o7777,
      sizeBytes: 0,
      mtimeNs,
      uid,
      gid,
      object,
      summary,
    };
  }
}

function isSameEntry(a: DirEntry, b: DirEntry): boolean {
  return (
    a === b ||
    (a.object === b.object &&
      a.type === b.type &&
      a.mode === b.mode &&
      a.mtimeNs === b.mtimeNs &&
      a.sizeBytes === b.sizeBytes &&
      a.uid === b.uid &&
      a.gid === b.gid &&
      (b.summary === undefined
        ? a.summary === undefined
        : isSameCleanSummary(b.summary, a.summary)))
  );
}
