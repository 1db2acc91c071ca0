/**
 * Restoring to the local file system. Directories are made first, files go to the content layer in batches of a
 * directory, and a directory gets its attributes when everything in it is there: its time is the stored one, to the
 * nanosecond (Kopia sets the newest time below it instead). SECURITY: the tree may be hostile, and others may write to
 * the target. Names must be plain, each comes once, no symlink is followed but the target the user gave, and every
 * directory is held open while it is filled, so that nothing is written outside. Spec: kopia-snapshots 6.2.
 */
import { basename, dirname } from "node:path";
import { SejfError } from "../errors/index.ts";
import type { LocalName, RestoreBatch } from "../format/index.ts";
import { createChild, isPlainName, joinLocal, nameText, openDirectory } from "../node/index.ts";
import type { Repository } from "../repository/index.ts";
import { displayName, joinPath } from "./names.ts";
import { type FinishedFile, RestoreJobs } from "./restore-jobs.ts";
import { restoreSymlink } from "./restore-links.ts";
import { RestoreNode } from "./restore-node.ts";
import { isShallow, removePlaceholder, writePlaceholder } from "./restore-placeholder.ts";
import { attributesOf, isSameFile, makeRoot, prepareExisting } from "./restore-rules.ts";
import { RestoreTally } from "./restore-tally.ts";
import type { RestoreOptions, RestoreSummary } from "./restore-types.ts";
import { TaskSet } from "./task-set.ts";
import { assertDepth, listDirectory } from "./tree.ts";
import type { Directory, DirEntry } from "./types.ts";

const READ_AHEAD = 16;
const SYMLINKS_AT_ONCE = 16;
/** Files of a directory that are handed on together. */
const BATCH_FILES = 1024;

/**
 * A directory, file or symlink from a snapshot to `target`, which becomes it; missing directories above are made.
 * One that was ended, in whatever way, can be run again and completes what is there.
 * @throws SEJF_ALREADY_EXISTS, SEJF_PERMISSION, SEJF_NO_SPACE, SEJF_IO, SEJF_CORRUPT, SEJF_CONTENT_NOT_FOUND: the first
 * failure, unless errors are to be ignored; the signal's reason.
 */
export async function restoreTree(
  repository: Repository,
  entry: DirEntry,
  target: LocalName,
  options: RestoreOptions = {},
): Promise<RestoreSummary> {
  return await new Restore(repository, options).run(entry, target);
}

class Restore {
  readonly #repository: Repository;
  /** With the signal that ends this restore. */
  readonly #options: RestoreOptions;
  readonly #caller: AbortSignal | undefined;
  readonly #stop: AbortController = new AbortController();
  readonly #tally: RestoreTally;
  readonly #jobs: RestoreJobs;
  readonly #symlinks: TaskSet;
  readonly #open: Set<RestoreNode> = new Set();
  #failure: { readonly error: unknown } | undefined;

  constructor(repository: Repository, options: RestoreOptions) {
    this.#repository = repository;
    this.#caller = options.signal;
    this.#options = { ...options, signal: this.#stop.signal };
    this.#tally = new RestoreTally(options, this.#stop.signal);
    this.#jobs = new RestoreJobs(repository, this.#options, this.#tally);
    this.#symlinks = new TaskSet(SYMLINKS_AT_ONCE, (error) => this.#giveUp(error));
  }

  async run(entry: DirEntry, target: LocalName): Promise<RestoreSummary> {
    const signal = this.#caller;
    const cancel = (): void => this.#giveUp(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      await this.#consume(
        entry.type === "d" ? this.#walk(entry, target) : this.#single(entry, target),
      );
      await this.#symlinks.idle();
    } catch (error) {
      this.#giveUp(error);
    } finally {
      signal?.removeEventListener("abort", cancel);
      await this.#symlinks.idle().catch(() => undefined);
      for (const node of this.#open) node.close();
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#tally.counters.errors === 0 && typeof target === "string")
      removePlaceholder(dirname(target), basename(target));
    this.#tally.tellProgress();
    return this.#tally.summary();
  }

  /** The first failure is the one that is thrown. */
  #giveUp(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
  }

  async #consume(batches: AsyncGenerator<RestoreBatch, void, void>): Promise<void> {
    const { signal, parallel } = this.#options;
    const results = this.#repository.contents.restoreFiles(batches, { signal, parallel });
    for await (const page of results) {
      for (const result of page) this.#fileDone(this.#jobs.finish(result));
      this.#tally.tellProgress();
    }
  }

  // --- a directory

  async *#walk(entry: DirEntry, target: LocalName): AsyncGenerator<RestoreBatch, void, void> {
    const { existed } = makeRoot(target);
    const stack = [new RestoreNode({ entry, shown: target, path: "", existed })];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      for (const ahead of stack.slice(-READ_AHEAD)) void this.#listing(ahead);
      const entries = await this.#enter(node);
      let files: DirEntry[] = [];
      for (const child of entries) {
        if (isShallow(child, node.depth + 1, this.#options)) this.#placeholder(node, child);
        else if (child.type === "d") this.#enterChild(node, child, stack);
        else if (child.type === "s") await this.#startSymlink(node, child);
        else if (!this.#skips(node, child)) files.push(child);
        if (files.length < BATCH_FILES) continue;
        yield* this.#batch(node, files);
        files = [];
      }
      yield* this.#batch(node, files);
      this.#childDone(node);
    }
  }

  async *#batch(
    node: RestoreNode,
    entries: readonly DirEntry[],
  ): AsyncGenerator<RestoreBatch, void, void> {
    if (entries.length === 0) return;
    const files = await this.#jobs.forFiles(node, entries, { signal: this.#stop.signal });
    if (files.length > 0) yield { directory: node.handle.path, files };
  }

  #listing(node: RestoreNode): Promise<Directory> {
    if (node.listing === undefined) {
      node.listing = listDirectory(this.#repository, node.entry.object, {
        signal: this.#stop.signal,
      });
      node.listing.catch(() => undefined);
    }
    return node.listing;
  }

  /** The entries of a directory that can be restored: each name once, and one that the system allows. */
  async #enter(node: RestoreNode): Promise<readonly DirEntry[]> {
    try {
      assertDepth(node.path, node.depth);
      if (node.isCycle())
        throw new SejfError("SEJF_CORRUPT", `the directory ${node.path} lies inside itself`);
      const { entries } = await this.#listing(node);
      node.listing = undefined;
      this.#stop.signal.throwIfAborted();
      this.#openNode(node);
      if (node.existed) this.#prepare(node, entries);
      this.#tally.counters.directories++;
      const seen = new Set<string>();
      return entries.filter((entry) => this.#isUsable(node, entry, seen));
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      this.#tally.fail(node.path, error, node.isOpen ? node.handle : undefined);
      return [];
    }
  }

  #openNode(node: RestoreNode): void {
    const { parent, shown, entry } = node;
    // The parent is open until all its children are done.
    const path = parent === undefined ? shown : joinLocal(parent.handle.path, entry.name);
    node.opened(openDirectory(path, shown, { follow: parent === undefined }));
    this.#open.add(node);
  }

  #prepare(node: RestoreNode, entries: readonly DirEntry[]): void {
    if (this.#options.skipPermissions !== true) node.handle.allowFilling();
    node.placeholders = prepareExisting(node.handle.path, entries, this.#options, this.#tally);
  }

  #isUsable(node: RestoreNode, { name, type }: DirEntry, seen: Set<string>): boolean {
    const problem = seen.has(name)
      ? "its directory holds a second entry of this name"
      : !isPlainName(name)
        ? "its name is not possible on this system"
        : type !== "d" && type !== "f" && type !== "s"
          ? `it has the unknown type ${JSON.stringify(type.slice(0, 20))}`
          : undefined;
    seen.add(name);
    if (problem !== undefined) this.#tally.corrupt(joinPath(node.path, name), problem);
    return problem === undefined;
  }

  #enterChild(node: RestoreNode, entry: DirEntry, stack: RestoreNode[]): void {
    try {
      const { existed } = createChild(node.handle.path, entry.name);
      node.open++;
      stack.push(RestoreNode.below(node, entry, existed));
    } catch (error) {
      this.#tally.fail(joinPath(node.path, entry.name), error, node.handle);
    }
  }

  #placeholder(node: RestoreNode, entry: DirEntry): void {
    try {
      writePlaceholder(node.handle.path, entry, this.#options);
      if (entry.type === "d") this.#tally.counters.directories++;
      else this.#tally.file(entry.sizeBytes);
    } catch (error) {
      this.#tally.fail(joinPath(node.path, entry.name), error, node.handle);
    }
  }

  #skips(node: RestoreNode, entry: DirEntry): boolean {
    if (this.#options.skipExisting !== true || !node.existed) return false;
    if (!isSameFile(node.handle.path, entry)) return false;
    this.#tally.skip(entry.sizeBytes);
    this.#endPlaceholder(node, entry.name);
    return true;
  }

  #fileDone({ node, name, ok }: FinishedFile): void {
    if (node === undefined) return;
    if (ok) this.#endPlaceholder(node, name);
    this.#childDone(node);
  }

  async #startSymlink(node: RestoreNode, entry: DirEntry): Promise<void> {
    await this.#symlinks.room();
    node.open++;
    this.#symlinks.start(async () => {
      try {
        await restoreSymlink(
          this.#repository,
          () => node.handle.path,
          entry,
          this.#options,
          this.#tally,
        );
      } catch (error) {
        if (!(error instanceof SejfError)) throw error;
        this.#tally.fail(joinPath(node.path, entry.name), error, node.handle);
      }
      this.#childDone(node);
    });
  }

  #childDone(node: RestoreNode): void {
    if (--node.open > 0) return;
    const { parent } = node;
    if (node.isOpen) {
      this.#finish(node);
      if (parent !== undefined) this.#endPlaceholder(parent, node.entry.name);
    }
    if (parent !== undefined) this.#childDone(parent);
  }

  #finish(node: RestoreNode): void {
    try {
      const ignorePermissionErrors = this.#options.ignorePermissionErrors !== false;
      node.handle.setAttributes(attributesOf(node.entry, this.#options), {
        ignorePermissionErrors,
      });
    } catch (error) {
      this.#tally.fail(node.path, error);
    } finally {
      node.close();
      this.#open.delete(node);
    }
  }

  #endPlaceholder(node: RestoreNode, name: string): void {
    if (!node.placeholders.has(name)) return;
    try {
      removePlaceholder(node.handle.path, name);
    } catch (error) {
      this.#tally.fail(joinPath(node.path, name), error, node.handle);
    }
  }

  // --- one file or symlink

  async *#single(entry: DirEntry, target: LocalName): AsyncGenerator<RestoreBatch, void, void> {
    const path = nameText(target);
    const directory = dirname(path);
    const named = { ...entry, name: basename(path) };
    makeRoot(directory);
    if (entry.type === "s") {
      await this.#singleSymlink(directory, named);
      return;
    }
    if (entry.type !== "f") {
      const type = JSON.stringify(entry.type.slice(0, 20));
      throw new SejfError("SEJF_CORRUPT", `${path} has the unknown type ${type}`);
    }
    if (this.#options.skipExisting === true && isSameFile(directory, named)) {
      this.#tally.skip(entry.sizeBytes);
      return;
    }
    const job = await this.#jobs.forSingle(named, path, { signal: this.#stop.signal });
    yield { directory, files: [job] };
  }

  async #singleSymlink(directory: string, entry: DirEntry): Promise<void> {
    try {
      await restoreSymlink(this.#repository, () => directory, entry, this.#options, this.#tally);
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      this.#tally.fail(displayName(entry.name), error);
    }
  }
}
