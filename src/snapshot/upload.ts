/**
 * The upload of a tree. The walk goes ahead and gives batches of files to the content layer, a directory at a time;
 * results come back in any order, and a directory is written when all of its children are done, so that only what is
 * under way is held in memory. Spec: kopia-snapshots 4.
 */
import { utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentPiece, FileBatch, FileJob, FileResult } from "../format/index.ts";
import { joinLocal, readLink } from "../node/index.ts";
import { type ObjectId, objectFromPieces, writeObject } from "../object/index.ts";
import { metadataCompressor } from "./compression-choice.ts";
import { directoryChunks, encodeDirectory, sortEntries } from "./directory.ts";
import type { Policy } from "./policy.ts";
import { loadPrevious, type PreviousDirectory } from "./previous.ts";
import { TaskSet } from "./task-set.ts";
import type { Directory, DirEntry } from "./types.ts";
import { enterFolder } from "./upload-actions.ts";
import {
  batchesOf,
  joined,
  partsOf,
  type PendingFile,
  settledWithin,
  startingWith,
} from "./upload-files.ts";
import type { DirectoryNode } from "./upload-node.ts";
import type { UploadSettings } from "./upload-settings.ts";
import {
  enterNode,
  type FileToRead,
  readEntry,
  type SymlinkToRead,
  type WalkSettings,
} from "./upload-walk.ts";

/** Directories and symlinks being written at once. */
const TASKS_AT_ONCE = 32;
/** Earlier directories being read before the walk comes to them. */
const READ_AHEAD = 16;
/** Directories with more entries are encoded piece by piece. */
const SMALL_DIRECTORY_ENTRIES = 1024;

export class Uploader {
  readonly #settings: UploadSettings;
  readonly #walk: WalkSettings;
  readonly #stop: AbortController = new AbortController();
  readonly #tasks: TaskSet;
  readonly #jobs: Map<number, { readonly pending: PendingFile; readonly part: number }> = new Map();
  #nextJob = 0;
  #reason: string | undefined;
  /** The root directory, once entered. */
  #root: DirectoryNode | undefined;
  #rootEntry: DirEntry | undefined;
  /** Of a single-file snapshot. */
  #rootFailure: string | undefined;

  constructor(settings: UploadSettings) {
    this.#settings = settings;
    const { tally, ignoreCache } = settings;
    this.#walk = {
      tally,
      ignoreCache,
      fail: (node, path, error, ignored) => this.#fail(node, path, error.message, ignored),
    };
    this.#tasks = new TaskSet(TASKS_AT_ONCE, () => this.#stop.abort());
  }

  /** Why the tree is not complete; `undefined` when it is. */
  get incomplete(): string | undefined {
    return this.#reason;
  }

  /** @throws what reading the root throws; the storage's errors. An abort ends it early, without an error. */
  async uploadDirectory(root: DirectoryNode): Promise<DirEntry> {
    await this.#run(this.#walkTree(root));
    if (this.#rootEntry === undefined) await this.#finishEarly(root);
    return this.#rootEntry as unknown as DirEntry;
  }

  /** @throws SEJF_CANCELLED; the file's own error: there is nothing else to save. */
  async uploadFile(
    file: FileToRead,
    directory: FileBatch["directory"],
    policy: Policy,
  ): Promise<DirEntry> {
    const pending: PendingFile = { node: undefined, file, parts: [], missing: 0, failed: false };
    const batch = { directory, files: this.#jobsOf(pending) };
    this.#settings.tally.attemptedFiles++;
    await this.#run(batchesOf(batch));
    if (this.#rootFailure !== undefined) throw new SejfError("SEJF_SOURCE", this.#rootFailure);
    if (pending.missing > 0)
      throw new SejfError("SEJF_CANCELLED", `stopped while reading ${file.path}`);
    const { pieces, sizeBytes } = joined(pending);
    const object = await this.#objectOf(pieces, policy);
    const { mtimeNs } = file.stat;
    const summary = {
      sizeBytes,
      files: 1,
      symlinks: 0,
      directories: 0,
      maxTimeNs: mtimeNs,
      failed: 0,
      ignoredErrors: 0,
      errors: [],
    };
    return { ...readEntry(file.name, "f", file.stat, file.stat.sizeBytes, object), summary };
  }

  /** Feeds batches and takes results until both end or the upload is stopped. */
  async #run(batches: AsyncGenerator<FileBatch, void, void>): Promise<void> {
    const { signal } = this.#settings;
    const cancel = (): void => this.#cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted === true) this.#cancel();
    try {
      // No threads for a tree in which nothing has changed.
      const first = await this.#whileCheckpointing(batches.next());
      if (first.done !== true) await this.#takeResults(startingWith(first.value, batches));
    } catch (error) {
      if (!this.#stop.signal.aborted || error !== this.#stop.signal.reason) throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
      await batches.return();
    }
    await this.#whileCheckpointing(this.#tasks.idle());
  }

  async #takeResults(batches: AsyncIterable<FileBatch>): Promise<void> {
    const { contents, tally, limitBytes } = this.#settings;
    const results = contents
      .writeFiles(batches, { signal: this.#stop.signal })
      [Symbol.asyncIterator]();
    try {
      for (;;) {
        const page = await this.#whileCheckpointing(results.next());
        if (page.done === true) return;
        for (const result of page.value) this.#fileDone(result);
        tally.progress();
        if (limitBytes !== undefined && tally.hashedBytes > limitBytes)
          this.#reason ??= "limit reached";
        this.#tasks.throwFailure();
      }
    } finally {
      await results.return?.();
    }
  }

  /** Waits for `work`; checkpoints are made when they are due meanwhile. */
  async #whileCheckpointing<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => true,
      () => true,
    );
    for (;;) {
      const waitMs = this.#settings.checkpointInMs();
      if (waitMs <= 0) await this.#checkpoint();
      else if (await settledWithin(settled, waitMs)) return work;
    }
  }

  #cancel(): void {
    this.#reason ??= "canceled";
    this.#stop.abort();
  }

  #fail(node: DirectoryNode, path: string, message: string, ignored: boolean): void {
    node.fail(path, message, ignored);
    this.#settings.tally.failure(path, message, ignored);
    if (this.#settings.failFast && !ignored) this.#cancel();
  }

  async *#walkTree(root: DirectoryNode): AsyncGenerator<FileBatch, void, void> {
    const stack = [root];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      for (const ahead of stack.slice(-READ_AHEAD)) void this.#previousOf(ahead);
      const previous = await this.#previousOf(node);
      await this.#tasks.room();
      if (this.#reason !== undefined) return;
      const files = (await this.#beforeFolder(node)) ? this.#enter(node, previous, stack) : [];
      if (files.length > 0) yield { directory: node.local, files };
    }
  }

  /** Earlier directories of a node, being read since the first call. Failures are looked at by who waits. */
  #previousOf(node: DirectoryNode): Promise<readonly PreviousDirectory[]> {
    if (node.previous === undefined) {
      node.previous = this.#loadPrevious(node);
      node.previous.catch(() => undefined);
    }
    return node.previous;
  }

  async #loadPrevious(node: DirectoryNode): Promise<readonly PreviousDirectory[]> {
    const loaded: PreviousDirectory[] = [];
    for (const object of node.previousObjects) {
      const previous = await loadPrevious(this.#settings.contents, object, {
        signal: this.#stop.signal,
      });
      if (previous instanceof SejfError) {
        const message = `the earlier listing cannot be read, its files are read anew: ${previous.message}`;
        this.#settings.tally.tell({ kind: "warning", path: node.path, message });
      } else loaded.push(previous);
    }
    return loaded;
  }

  /** False when the directory has failed by its action. */
  async #beforeFolder(node: DirectoryNode): Promise<boolean> {
    try {
      await enterFolder(node, this.#settings, this.#stop.signal);
      return true;
    } catch (error) {
      this.#directoryFailed(node, error);
      return false;
    }
  }

  /** Lists a directory, begins what is to be done of it, and gives the files to read. */
  #enter(
    node: DirectoryNode,
    previous: readonly PreviousDirectory[],
    stack: DirectoryNode[],
  ): readonly FileJob[] {
    const { tally } = this.#settings;
    tally.directories++;
    tally.step();
    node.previous = undefined;
    try {
      const { files, symlinks, directories } = enterNode(node, previous, this.#walk);
      if (node.parent === undefined) this.#root = node;
      else node.parent.active.add(node);
      node.open += files.length + symlinks.length + directories.length;
      for (const child of directories.toReversed()) stack.push(child);
      for (const symlink of symlinks) this.#tasks.start(() => this.#storeSymlink(node, symlink));
      const jobs = files.flatMap((file) =>
        this.#jobsOf({ node, file, parts: [], missing: 0, failed: false }),
      );
      this.#childDone(node);
      return jobs;
    } catch (error) {
      this.#directoryFailed(node, error);
      return [];
    }
  }

  /** It is left out of the one above. @throws the error, when it is the root's, or is none of a directory. */
  #directoryFailed(node: DirectoryNode, error: unknown): void {
    const { parent, actions } = node;
    if (parent === undefined || !(error instanceof SejfError)) throw error;
    this.#fail(
      parent,
      node.path,
      error.message,
      node.policy.policy.errorHandling.ignoreDirectoryErrors ?? false,
    );
    if (actions !== undefined) this.#tasks.start(() => actions.leave());
    this.#childDone(parent);
  }

  #jobsOf(pending: PendingFile): readonly FileJob[] {
    const { file } = pending;
    return partsOf(file).map((range, part) => {
      const job = this.#nextJob++;
      this.#jobs.set(job, { pending, part });
      pending.missing++;
      pending.parts.push(undefined);
      return {
        job,
        name: file.local,
        expected: file.stat,
        compressor: file.compressor,
        splitter: file.splitter,
        range,
      };
    });
  }

  #fileDone(result: FileResult): void {
    const found = this.#jobs.get(result.job);
    if (found === undefined)
      throw new SejfError("SEJF_WORKER", `a result for the unknown job ${result.job}`);
    this.#jobs.delete(result.job);
    const { pending, part } = found;
    const { file, node } = pending;
    pending.missing--;
    if (result.ok) {
      const { tally } = this.#settings;
      tally.hashedFiles++;
      tally.hashedBytes += result.sizeBytes;
      tally.newBytes += result.newBytes;
      pending.parts[part] = { pieces: result.pieces, sizeBytes: result.sizeBytes };
      if (
        pending.missing === 0 &&
        (result.after.mtimeNs !== file.stat.mtimeNs ||
          result.after.sizeBytes !== file.stat.sizeBytes)
      ) {
        tally.tell({ kind: "warning", path: file.path, message: "it changed while it was read" });
      }
    } else if (!pending.failed) {
      pending.failed = true;
      if (node === undefined) this.#rootFailure = result.message;
      else
        this.#fail(
          node,
          file.path,
          result.message,
          node.policy.policy.errorHandling.ignoreFileErrors ?? false,
        );
    }
    if (pending.missing === 0 && node !== undefined) this.#fileComplete(node, pending);
  }

  #fileComplete(node: DirectoryNode, pending: PendingFile): void {
    if (pending.failed) {
      this.#childDone(node);
      return;
    }
    const { file } = pending;
    const { pieces, sizeBytes } = joined(pending);
    const add = (object: ObjectId): void => {
      node.add(readEntry(file.name, "f", file.stat, sizeBytes, object));
      this.#childDone(node);
    };
    const only = pieces.length === 1 ? pieces[0] : undefined;
    if (only !== undefined)
      add(`${only.objectCompressed === true ? "Z" : ""}${only.ref}` as ObjectId);
    else
      this.#tasks.start(async () =>
        add(await this.#objectOf(pieces, node.policy.child(file.name).policy)),
      );
  }

  #objectOf(pieces: readonly ContentPiece[], policy: Policy): Promise<ObjectId> {
    const { contents, format } = this.#settings;
    return objectFromPieces(contents, pieces, {
      format,
      prefix: "",
      metadataCompressor: metadataCompressor(policy),
    });
  }

  async #storeSymlink(
    node: DirectoryNode,
    { local, name, path, stat }: SymlinkToRead,
  ): Promise<void> {
    let target: Uint8Array;
    try {
      const read = readLink(joinLocal(node.local, local));
      target = typeof read === "string" ? utf8ToBytes(read) : read;
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      this.#fail(
        node,
        path,
        error.message,
        node.policy.policy.errorHandling.ignoreFileErrors ?? false,
      );
      this.#childDone(node);
      return;
    }
    const { contents, format } = this.#settings;
    const { id } = await writeObject(contents, target, { format, prefix: "" });
    node.add(readEntry(name, "s", stat, target.length, id));
    this.#childDone(node);
  }

  #childDone(node: DirectoryNode): void {
    if (--node.open === 0) this.#tasks.start(() => this.#finish(node));
  }

  /** Writes a directory whose children are all done, or as far as they are, and tells the one above. */
  async #finish(node: DirectoryNode): Promise<void> {
    await node.actions?.leave();
    const summary = node.summary(this.#reason);
    const object =
      node.unchangedObject(summary) ??
      (await this.#writeDirectory({ entries: sortEntries(node.entries), summary }, node));
    const entry = node.entry(object, summary);
    node.done = entry;
    node.entries = [];
    const { parent } = node;
    if (parent === undefined) {
      this.#rootEntry = entry;
      return;
    }
    parent.active.delete(node);
    parent.add(entry);
    this.#childDone(parent);
  }

  async #writeDirectory(directory: Directory, node: DirectoryNode): Promise<ObjectId> {
    const { contents, format } = this.#settings;
    const compressor = metadataCompressor(node.policy.policy);
    const source =
      directory.entries.length <= SMALL_DIRECTORY_ENTRIES
        ? encodeDirectory(directory)
        : directoryChunks(directory);
    const { id } = await writeObject(contents, source, {
      format,
      prefix: "k",
      compressor,
      metadataCompressor: compressor,
    });
    return id;
  }

  /** After a stop: every directory that was entered is written with what it has, from the leaves up. */
  async #finishEarly(node: DirectoryNode): Promise<void> {
    if (this.#root === undefined)
      throw new SejfError("SEJF_CANCELLED", "stopped before anything was read");
    for (const child of node.active) await this.#finishEarly(child);
    // Children that were never entered, and files that were not read, are simply absent.
    node.open = Number.POSITIVE_INFINITY;
    if (node.parent !== undefined) node.parent.open = Number.POSITIVE_INFINITY;
    await this.#finish(node);
  }

  async #checkpoint(): Promise<void> {
    const root = this.#root;
    const entry =
      this.#rootEntry ?? (root === undefined ? undefined : await this.#checkpointOf(root));
    if (entry !== undefined) await this.#settings.checkpoint(entry);
  }

  /** What there is of a directory so far, and of its children, as an incomplete directory of its own. */
  async #checkpointOf(node: DirectoryNode): Promise<DirEntry> {
    const children: DirEntry[] = [];
    for (const child of Array.from(node.active)) children.push(await this.#checkpointOf(child));
    // It may have been finished meanwhile.
    if (node.done !== undefined) return node.done;
    const present = new Set(node.entries.map((entry) => entry.name));
    const added = children.filter((child) => !present.has(child.name));
    const summary = node.summaryWith(added, "checkpoint");
    const object = await this.#writeDirectory(
      { entries: sortEntries([...node.entries, ...added]), summary },
      node,
    );
    return node.entry(object, summary);
  }
}
