/**
 * Entering a directory: which entries are stored, which have not changed, which must be read. Synchronous, a page of
 * entries at a time: no promise an entry, and a directory of a million entries is never held whole with its metadata.
 * Spec: kopia-snapshots 4.3, 4.4, 4.8, 4.9.
 */
import { SejfError } from "../errors/index.ts";
import type { LocalName } from "../format/index.ts";
import {
  type DirectoryEntry,
  type EntryStat,
  joinLocal,
  readNames,
  statEntries,
  type WalkAhead,
} from "../node/index.ts";
import type { EntryLog } from "./entry-log.ts";
import { dotFilesOf, enterDirectory, type IgnoreContext, isIgnored } from "./ignore.ts";
import { displayName, isBrokenName, joinPath, nameOf } from "./names.ts";
import { isPlaceholder, type Placeholder, placeholderName } from "./placeholder.ts";
import { findUnchanged, type PreviousDirectory, previousChildren } from "./previous.ts";
import { isCacheDirectory, readRuleFiles } from "./rule-files.ts";
import type { DirEntry } from "./types.ts";
import { FileToRead } from "./upload-files.ts";
import { DirectoryNode } from "./upload-node.ts";
import type { UploadTally } from "./upload-tally.ts";

const PAGE_ENTRIES = 4096;

export interface SymlinkToRead {
  readonly local: LocalName;
  readonly name: string;
  readonly path: string;
  readonly stat: EntryStat;
}

/** What is left to do of some entries; unchanged ones are in the node already. */
export interface EnteredPage {
  readonly files: FileToRead[];
  readonly symlinks: SymlinkToRead[];
  readonly placeholders: Placeholder[];
  readonly directories: DirectoryNode[];
}

export interface WalkSettings {
  readonly tally: UploadTally;
  readonly log: EntryLog;
  /** Whether an unchanged file is read all the same. */
  readonly ignoreCache: () => boolean;
  /** Lists directories in another thread. */
  readonly ahead: WalkAhead | undefined;
  /** A failure of one entry, counted and told. */
  readonly fail: (node: DirectoryNode, path: string, error: SejfError, ignored: boolean) => void;
}

/**
 * A directory's entries, in the system's order.
 * @throws SEJF_PERMISSION, SEJF_IO, SEJF_SOURCE, SEJF_INVALID_ARGUMENT before the first page: the directory as a whole
 * cannot be stored.
 */
export function* enterNode(
  node: DirectoryNode,
  previous: readonly PreviousDirectory[],
  settings: WalkSettings,
): Generator<EnteredPage, void, void> {
  const { policy, own } = node.policy;
  const listed = settings.ahead?.take(node.local);
  const names = listed?.map(({ name }) => name) ?? readNames(node.local);
  node.compareWith(previous[0]);
  if (policy.files.ignoreCacheDirs !== false && isCacheDirectory(node.local, names)) {
    settings.tally.exclude(true, 0);
    settings.log.ignored(node.path, true, policy);
    return;
  }
  const texts = readRuleFiles(node.local, names, dotFilesOf(node.ignore, own?.files));
  const path = node.path === "" ? "" : `/${node.path}`;
  const context = enterDirectory(node.ignore, path, own?.files, texts);
  for (let at = 0; at < names.length; at += PAGE_ENTRIES) {
    const visit = new PageVisit(node, previous, settings, context);
    const end = at + PAGE_ENTRIES;
    for (const entry of listed?.slice(at, end) ?? statEntries(node.local, names.slice(at, end)))
      visit.visit(entry);
    yield visit.page;
  }
}

class PageVisit {
  readonly page: EnteredPage = { files: [], symlinks: [], placeholders: [], directories: [] };
  readonly #node: DirectoryNode;
  readonly #previous: readonly PreviousDirectory[];
  readonly #settings: WalkSettings;
  readonly #context: IgnoreContext;

  constructor(
    node: DirectoryNode,
    previous: readonly PreviousDirectory[],
    settings: WalkSettings,
    context: IgnoreContext,
  ) {
    this.#node = node;
    this.#previous = previous;
    this.#settings = settings;
    this.#context = context;
  }

  visit({ name: local, stat, error, isDirectory }: DirectoryEntry): void {
    const node = this.#node;
    const context = this.#context;
    const found = nameOf(local);
    const standsIn = isPlaceholder(found, stat?.kind);
    const name = standsIn ? placeholderName(found) : found;
    if (context.rules.length > 0) {
      const path = joinPath(node.path, name);
      const directory = stat === undefined ? isDirectory : stat.kind === "directory";
      if (isIgnored(context, `/${path}`, directory)) {
        this.#settings.tally.exclude(directory, stat?.sizeBytes ?? 0);
        this.#settings.log.ignored(path, directory, node.policy.policy);
        return;
      }
    }
    if (stat === undefined) {
      const { errorHandling } = node.policy.child(name).policy;
      const ignored = isDirectory
        ? errorHandling.ignoreDirectoryErrors
        : errorHandling.ignoreFileErrors;
      this.#settings.fail(node, joinPath(node.path, name), error, ignored ?? false);
      return;
    }
    if (
      context.maxFileSize > 0 &&
      stat.kind !== "directory" &&
      stat.sizeBytes > context.maxFileSize
    )
      return;
    if (context.oneFileSystem && stat.device !== node.stat.device) return;
    if (typeof local !== "string" && isBrokenName(name)) {
      const message = `the name is not UTF-8; it is stored as ${JSON.stringify(displayName(name))}`;
      this.#settings.tally.tell({ kind: "warning", path: joinPath(node.path, name), message });
    }
    if (standsIn) this.#visitPlaceholder(local, name, stat);
    else if (stat.kind === "directory") this.#visitDirectory(local, name, stat);
    else if (stat.kind === "other") this.#visitUnknown(name);
    else if (!this.#reuse(name, stat)) this.#mustRead(local, name, stat);
  }

  #visitPlaceholder(local: LocalName, name: string, stat: EntryStat): void {
    const { tally } = this.#settings;
    const ofDirectory = stat.kind === "directory";
    if (ofDirectory) tally.directories++;
    else tally.attemptedFiles++;
    const path = joinPath(this.#node.path, name);
    this.page.placeholders.push({ local, name, path, ofDirectory });
  }

  #visitDirectory(local: LocalName, name: string, stat: EntryStat): void {
    const node = this.#node;
    const child = new DirectoryNode({
      parent: node,
      name,
      local: joinLocal(node.local, local),
      path: joinPath(node.path, name),
      stat,
      policy: node.policy.child(name),
      ignore: this.#context,
      previousObjects: previousChildren(this.#previous, name),
    });
    this.page.directories.push(child);
  }

  #visitUnknown(name: string): void {
    const { policy } = this.#node.policy.child(name);
    if (policy.errorHandling.ignoreUnknownTypes !== false) return;
    const error = new SejfError("SEJF_SOURCE", "unknown or unsupported entry type");
    this.#settings.fail(this.#node, joinPath(this.#node.path, name), error, false);
  }

  #reuse(name: string, stat: EntryStat): boolean {
    const type = stat.kind === "symlink" ? "s" : "f";
    const entry = findUnchanged(this.#previous, name, type, stat);
    const { tally, ignoreCache, log } = this.#settings;
    if (entry === undefined || ignoreCache()) return false;
    this.#node.add(entry);
    tally.cachedFiles++;
    tally.cachedBytes += entry.sizeBytes;
    tally.step();
    log.cached(this.#node, entry);
    return true;
  }

  #mustRead(local: LocalName, name: string, stat: EntryStat): void {
    const node = this.#node;
    if (stat.kind === "symlink") {
      this.page.symlinks.push({ local, name, path: joinPath(node.path, name), stat });
      return;
    }
    this.#settings.tally.attemptedFiles++;
    this.page.files.push(new FileToRead(local, name, stat, node, node.policy.child(name).policy));
  }
}

/** The entry of a file or symlink that was read, with the metadata seen at listing time. */
export function readEntry(
  name: string,
  type: "f" | "s",
  stat: EntryStat,
  sizeBytes: number,
  object: DirEntry["object"],
): DirEntry {
  const { mode, mtimeNs, uid, gid } = stat;
  return { name, type, mode: mode & 0o7777, sizeBytes, mtimeNs, uid, gid, object };
}
