/**
 * Restoring to the local file system. Directories are made first, files go to the content layer in batches of a
 * directory, and a directory gets its attributes when everything in it is there: its time is the stored one, to the
 * nanosecond (Kopia sets the newest time below it instead). SECURITY: the tree may be hostile. Names must be plain, no
 * symlink is followed, nothing is written outside of the target. Spec: kopia-snapshots 6.2.
 */
import { dirname, basename } from "node:path";
import { mapConcurrent } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type {
  LocalName,
  RestoreBatch,
  RestoreFileOptions,
  RestoreJob,
  RestoreResult,
} from "../format/index.ts";
import {
  isPlainName,
  localName,
  nameText,
  setDirectoryAttributes,
  setLinkAttributes,
} from "../node/index.ts";
import { type ObjectId, objectPieces, parseObjectId, readObject } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { displayName, joinPath } from "./names.ts";
import { RestoreNode } from "./restore-node.ts";
import {
  attributesOf,
  isSameFile,
  makeChild,
  makeRoot,
  placeSymlink,
  prepareExisting,
} from "./restore-rules.ts";
import type { RestoreCounters, RestoreOptions, RestoreSummary } from "./restore-types.ts";
import { TaskSet } from "./task-set.ts";
import { assertDepth, listDirectory } from "./tree.ts";
import type { Directory, DirEntry } from "./types.ts";

const READ_AHEAD = 16;
const SYMLINKS_AT_ONCE = 16;
const TABLES_AT_ONCE = 8;
/** Longer than any system allows. */
const MAX_LINK_BYTES = 64 * 1024;
/** Errors kept for the summary; all are counted and told. */
const MAX_LISTED_ERRORS = 1000;

/**
 * A directory, file or symlink from a snapshot to `target`, which becomes it; missing directories above are made.
 * @throws SEJF_ALREADY_EXISTS, SEJF_PERMISSION, SEJF_NO_SPACE, SEJF_IO, SEJF_CORRUPT, SEJF_CONTENT_NOT_FOUND: the first
 * failure, unless errors are to be ignored; the signal's reason.
 */
export async function restoreTree(
  repository: Repository,
  entry: DirEntry,
  target: LocalName,
  options: RestoreOptions = {},
): Promise<RestoreSummary> {
  return new Restore(repository, options).run(entry, target);
}

/** One file under way. */
interface PendingRestore {
  /** `undefined` where a single file is restored. */
  readonly node: RestoreNode | undefined;
  readonly path: string;
}

class Restore {
  readonly #repository: Repository;
  readonly #options: RestoreOptions;
  readonly #jobs: Map<number, PendingRestore> = new Map();
  readonly #stop: AbortController = new AbortController();
  readonly #symlinks: TaskSet;
  readonly #counters: { -readonly [K in keyof RestoreCounters]: RestoreCounters[K] };
  readonly #errors: { readonly path: string; readonly message: string }[] = [];
  #nextJob = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(repository: Repository, options: RestoreOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#symlinks = new TaskSet(SYMLINKS_AT_ONCE, (error) => this.#giveUp(error));
    this.#counters = { files: 0, directories: 0, symlinks: 0, bytes: 0, skipped: 0, errors: 0 };
  }

  async run(entry: DirEntry, target: LocalName): Promise<RestoreSummary> {
    const { signal } = this.#options;
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
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#tellProgress();
    return { ...this.#counters, errorsList: this.#errors };
  }

  /** The first failure is the one that is thrown. */
  #giveUp(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
  }

  #tellProgress(): void {
    this.#options.onEvent?.({ kind: "progress", counters: this.#counters });
  }

  async #consume(batches: AsyncGenerator<RestoreBatch, void, void>): Promise<void> {
    const results = this.#repository.contents.restoreFiles(batches, { signal: this.#stop.signal });
    for await (const page of results) {
      for (const result of page) this.#fileDone(result);
      this.#tellProgress();
    }
  }

  /** Counts a failure and goes on, or ends everything with it. */
  #fail(path: string, error: unknown): void {
    const failure = errorFromUnknown(error, `restoring ${path}`);
    if (this.#options.ignoreErrors !== true) throw failure;
    this.#counters.errors++;
    const message = failure.message;
    if (this.#errors.length < MAX_LISTED_ERRORS) this.#errors.push({ path, message });
    this.#options.onEvent?.({ kind: "error", path, message });
  }

  // --- a directory

  async *#walk(entry: DirEntry, target: LocalName): AsyncGenerator<RestoreBatch, void, void> {
    const { existed } = makeRoot(target);
    const root = new RestoreNode(undefined, entry, target, "");
    const stack: { readonly node: RestoreNode; readonly existed: boolean }[] = [
      { node: root, existed },
    ];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { node } = next;
      for (const ahead of stack.slice(-READ_AHEAD)) void this.#listing(ahead.node);
      const entries = await this.#enter(node, next.existed);
      const jobs: RestoreJob[] = [];
      const indirect: DirEntry[] = [];
      for (const child of entries) {
        const path = joinPath(node.path, child.name);
        if (child.type === "d") this.#enterChild(node, child, path, stack);
        else if (child.type === "s") await this.#startSymlink(node, child, path);
        else if (child.type !== "f")
          this.#fail(
            path,
            new SejfError(
              "SEJF_CORRUPT",
              `${path} has the unknown type ${JSON.stringify(child.type.slice(0, 20))}`,
            ),
          );
        else if (
          this.#options.skipExisting === true &&
          next.existed &&
          isSameFile(node.local, child)
        )
          this.#counters.skipped++;
        else if (parseObjectId(child.object).indirection > 0) indirect.push(child);
        else jobs.push(this.#job(node, child, path, next.existed));
      }
      jobs.push(...(await this.#indirectJobs(node, indirect, next.existed)));
      this.#childDone(node);
      if (jobs.length > 0) yield { directory: node.local, files: jobs };
    }
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
  async #enter(node: RestoreNode, existed: boolean): Promise<readonly DirEntry[]> {
    try {
      assertDepth(node.path, node.depth);
      const { entries } = await this.#listing(node);
      node.listing = undefined;
      if (existed) prepareExisting(node.local, entries, this.#options);
      this.#counters.directories++;
      const seen = new Set<string>();
      return entries.filter((entry) => this.#isUsable(node, entry, seen));
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      this.#fail(node.path, error);
      return [];
    }
  }

  #isUsable(node: RestoreNode, { name }: DirEntry, seen: Set<string>): boolean {
    const problem = seen.has(name)
      ? "its directory holds a second entry of this name"
      : isPlainName(name)
        ? undefined
        : "its name is not possible on this system";
    seen.add(name);
    if (problem === undefined) return true;
    const path = joinPath(node.path, name);
    this.#fail(path, new SejfError("SEJF_CORRUPT", `${path} cannot be restored: ${problem}`));
    return false;
  }

  #enterChild(
    node: RestoreNode,
    entry: DirEntry,
    path: string,
    stack: { readonly node: RestoreNode; readonly existed: boolean }[],
  ): void {
    try {
      const { local, existed } = makeChild(node.local, entry.name);
      node.open++;
      stack.push({ node: new RestoreNode(node, entry, local, path), existed });
    } catch (error) {
      this.#fail(path, error);
    }
  }

  #childDone(node: RestoreNode): void {
    if (--node.open > 0) return;
    try {
      const ignorePermissionErrors = this.#options.ignorePermissionErrors !== false;
      setDirectoryAttributes(node.local, attributesOf(node.entry, this.#options), {
        ignorePermissionErrors,
      });
    } catch (error) {
      this.#fail(node.path, error);
    }
    if (node.parent !== undefined) this.#childDone(node.parent);
  }

  // --- files

  #job(node: RestoreNode | undefined, entry: DirEntry, path: string, existed: boolean): RestoreJob {
    const { content, compressed } = parseObjectId(entry.object);
    const piece = { ref: content, lengthBytes: entry.sizeBytes };
    return this.#newJob(node, entry, path, existed, [
      compressed ? { ...piece, objectCompressed: true } : piece,
    ]);
  }

  #newJob(
    node: RestoreNode | undefined,
    entry: DirEntry,
    path: string,
    existed: boolean,
    pieces: RestoreJob["pieces"],
  ): RestoreJob {
    const job = this.#nextJob++;
    this.#jobs.set(job, { node, path });
    if (node !== undefined) node.open++;
    const { name, sizeBytes } = entry;
    return {
      job,
      name,
      pieces,
      sizeBytes,
      attributes: attributesOf(entry, this.#options),
      options: this.#fileOptions(existed),
    };
  }

  /** In a directory that is new nothing may exist: names that differ only for us do not overwrite one another. */
  #fileOptions(existed: boolean): RestoreFileOptions {
    const {
      overwriteFiles = true,
      writeFilesAtomically = false,
      writeSparseFiles = false,
      flushFiles = false,
      ignorePermissionErrors = true,
    } = this.#options;
    return {
      overwrite: existed && overwriteFiles,
      atomically: writeFilesAtomically,
      sparse: writeSparseFiles,
      fsync: flushFiles,
      ignorePermissionErrors,
    };
  }

  async #indirectJobs(
    node: RestoreNode,
    entries: readonly DirEntry[],
    existed: boolean,
  ): Promise<readonly RestoreJob[]> {
    const { contents } = this.#repository;
    const load = async (entry: DirEntry, signal: AbortSignal): Promise<RestoreJob | undefined> => {
      const path = joinPath(node.path, entry.name);
      try {
        const { pieces } = await objectPieces(contents, entry.object, entry.sizeBytes, { signal });
        return this.#newJob(node, entry, path, existed, pieces);
      } catch (error) {
        if (!(error instanceof SejfError)) throw error;
        this.#fail(path, error);
        return undefined;
      }
    };
    const jobs: RestoreJob[] = [];
    for await (const job of mapConcurrent(entries, TABLES_AT_ONCE, load, this.#stop.signal))
      if (job !== undefined) jobs.push(job);
    return jobs;
  }

  #fileDone(result: RestoreResult): void {
    const pending = this.#jobs.get(result.job);
    if (pending === undefined)
      throw new SejfError("SEJF_WORKER", `a result for the unknown job ${result.job}`);
    this.#jobs.delete(result.job);
    const { node, path } = pending;
    if (result.ok) {
      this.#counters.files++;
      this.#counters.bytes += result.sizeBytes;
    } else {
      this.#fail(path, new SejfError(result.code, result.message));
    }
    if (node !== undefined) this.#childDone(node);
  }

  // --- symlinks

  async #startSymlink(node: RestoreNode, entry: DirEntry, path: string): Promise<void> {
    await this.#symlinks.room();
    node.open++;
    this.#symlinks.start(async () => {
      await this.#restoreSymlink(node.local, entry, entry.name, path);
      this.#childDone(node);
    });
  }

  async #restoreSymlink(
    directory: LocalName,
    entry: DirEntry,
    name: string,
    path: string,
  ): Promise<void> {
    if (this.#options.skipSymlinks === true) {
      this.#counters.skipped++;
      return;
    }
    try {
      const target = await this.#linkTarget(entry.object);
      const made = placeSymlink(directory, name, target, this.#options);
      if (made === undefined) {
        this.#counters.skipped++;
        return;
      }
      setLinkAttributes(made, attributesOf(entry, this.#options), {
        ignorePermissionErrors: this.#options.ignorePermissionErrors !== false,
      });
      this.#counters.symlinks++;
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      this.#fail(path, error);
    }
  }

  async #linkTarget(object: ObjectId): Promise<LocalName> {
    const target = await readObject(this.#repository.contents, object, MAX_LINK_BYTES, {
      signal: this.#stop.signal,
    });
    if (target.length === 0 || target.includes(0))
      throw new SejfError("SEJF_CORRUPT", "a symbolic link without a possible target");
    return localName(target);
  }

  // --- one file or symlink

  async *#single(entry: DirEntry, target: LocalName): AsyncGenerator<RestoreBatch, void, void> {
    const path = nameText(target);
    const directory = dirname(path);
    const name = basename(path);
    makeRoot(directory);
    if (entry.type === "s") {
      await this.#restoreSymlink(directory, entry, name, displayName(name));
      return;
    }
    if (entry.type !== "f")
      throw new SejfError(
        "SEJF_CORRUPT",
        `${path} has the unknown type ${JSON.stringify(entry.type.slice(0, 20))}`,
      );
    const named = { ...entry, name };
    if (this.#options.skipExisting === true && isSameFile(directory, named)) {
      this.#counters.skipped++;
      return;
    }
    const { pieces } = await objectPieces(
      this.#repository.contents,
      entry.object,
      entry.sizeBytes,
      { signal: this.#stop.signal },
    );
    yield { directory, files: [this.#newJob(undefined, named, path, true, pieces)] };
  }
}
