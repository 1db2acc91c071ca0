/**
 * The upload of a tree. The walk goes ahead and gives batches of files to the content layer, a directory at a time;
 * results come back in any order, and a directory is written when all of its children are done, so that only what is
 * under way is held in memory. Spec: kopia-snapshots 4.
 */
import { utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { FileBatch, FileResult } from "../format/index.ts";
import { joinLocal, readLink, WalkAhead } from "../node/index.ts";
import { type ObjectId, pieceObject, writeObject } from "../object/index.ts";
import { sortEntries } from "./directory.ts";
import { loadPrevious, type PreviousDirectory } from "./previous.ts";
import { TaskSet } from "./task-set.ts";
import type { DirEntry } from "./types.ts";
import { asRoot } from "./summary-builder.ts";
import { enterFolder } from "./upload-actions.ts";
import { checkpointOf, storeUnfinished, type UnfinishedEntries } from "./upload-checkpoint.ts";
import { readPlaceholder, type Placeholder } from "./placeholder.ts";
import {
  batchesOf,
  FilesUnderWay,
  type FileToRead,
  type ReadPart,
  settledWithin,
  startingWith,
} from "./upload-files.ts";
import type { DirectoryNode } from "./upload-node.ts";
import { storeDirectory, storePieces } from "./upload-objects.ts";
import type { UploadSettings } from "./upload-settings.ts";
import {
  enterNode,
  readEntry,
  type EnteredPage,
  type SymlinkToRead,
  type WalkSettings,
} from "./upload-walk.ts";

/** Directories and symlinks being written at once. */
const TASKS_AT_ONCE = 32;
/** Earlier directories being read before the walk comes to them. */
const READ_AHEAD = 16;
/** Directories being listed before that. */
const LIST_AHEAD = 48;

export class Uploader {
  readonly #settings: UploadSettings;
  readonly #walk: WalkSettings;
  readonly #stop: AbortController = new AbortController();
  readonly #tasks: TaskSet;
  readonly #files: FilesUnderWay = new FilesUnderWay();
  #reason: string | undefined;
  /** The root directory, once entered. */
  #root: DirectoryNode | undefined;
  #rootEntry: DirEntry | undefined;
  /** Of a single-file snapshot: what was read of the file, or why it was not. */
  #onlyFile: ReadPart | undefined;
  #rootFailure: string | undefined;

  constructor(settings: UploadSettings) {
    this.#settings = settings;
    const { tally, log, ignoreCache } = settings;
    this.#walk = {
      tally,
      log,
      ignoreCache,
      ahead: WalkAhead.create(),
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
    if (this.#rootEntry === undefined) {
      if (this.#root === undefined)
        throw new SejfError("SEJF_CANCELLED", "stopped before anything was read");
      await this.#finishEarly(root, await storeUnfinished(this.#settings, this.#files));
    }
    return this.#rootEntry as unknown as DirEntry;
  }

  /**
   * An abort ends it early with what is stored by then.
   * @throws SEJF_CANCELLED when that is nothing; the file's own error.
   */
  async uploadFile(file: FileToRead, directory: FileBatch["directory"]): Promise<DirEntry> {
    this.#settings.tally.attemptedFiles++;
    await this.#run(batchesOf({ directory, files: this.#files.begin(file) }));
    if (this.#rootFailure !== undefined) throw new SejfError("SEJF_SOURCE", this.#rootFailure);
    if (this.#onlyFile === undefined) {
      const part = await this.#unfinishedRoot();
      if (part !== undefined) return part;
      throw new SejfError("SEJF_CANCELLED", `stopped while reading ${file.path}`);
    }
    const { pieces, sizeBytes } = this.#onlyFile;
    const object = await storePieces(this.#settings, pieces, file.policy);
    return asRoot(readEntry(file.entryName, "f", file.expected, sizeBytes, object));
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
    const { contents, tally, limitBytes, parallel } = this.#settings;
    const results = contents
      .writeFiles(batches, {
        signal: this.#stop.signal,
        parallel,
        onBytes: (job, bytes) => tally.readPartly(job, bytes),
        onReading: (job, soFar) => this.#files.reading(job, soFar),
      })
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
      this.#walk.ahead?.ask(stack.slice(-LIST_AHEAD));
      for (const ahead of stack.slice(-READ_AHEAD)) void this.#previousOf(ahead);
      const previous = await this.#previousOf(node);
      await this.#tasks.room();
      if (this.#reason !== undefined) return;
      if (await this.#beforeFolder(node)) yield* this.#enter(node, previous, stack);
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
    } finally {
      // An action may change any directory.
      if (node.policy.own?.actions !== undefined) this.#walk.ahead?.forget();
    }
  }

  /** Lists a directory page by page, begins what is to be done of it, and gives the files to read. */
  async *#enter(
    node: DirectoryNode,
    previous: readonly PreviousDirectory[],
    stack: DirectoryNode[],
  ): AsyncGenerator<FileBatch, void, void> {
    const { tally, log } = this.#settings;
    tally.directories++;
    tally.step();
    node.previous = undefined;
    node.begunMs = log.begunDirectory(node.policy.policy);
    const below: DirectoryNode[] = [];
    const pages = enterNode(node, previous, this.#walk);
    for (;;) {
      const page = this.#nextPage(node, pages);
      if (page === undefined) return;
      if (node.parent === undefined) this.#root = node;
      else node.parent.active.add(node);
      if (page.done === true) break;
      for (const child of page.value.directories) below.push(child);
      const files = this.#beginPage(node, page.value);
      if (files.length > 0) yield { directory: node.local, files };
      await this.#tasks.room();
      if (this.#reason !== undefined) return;
    }
    for (const child of below.toReversed()) stack.push(child);
    this.#childDone(node);
  }

  /** `undefined` when the directory has failed. */
  #nextPage(
    node: DirectoryNode,
    pages: Generator<EnteredPage, void, void>,
  ): IteratorResult<EnteredPage, void> | undefined {
    try {
      return pages.next();
    } catch (error) {
      this.#directoryFailed(node, error);
      return undefined;
    }
  }

  /** Counts what is open, starts the small jobs, and gives the big ones. */
  #beginPage(node: DirectoryNode, page: EnteredPage): FileBatch["files"] {
    const { files, symlinks, placeholders, directories } = page;
    node.open += files.length + symlinks.length + placeholders.length + directories.length;
    for (const symlink of symlinks) this.#tasks.start(() => this.#storeSymlink(node, symlink));
    for (const one of placeholders) this.#tasks.start(() => this.#takePlaceholder(node, one));
    const begunMs = this.#settings.log.begun(node.policy.policy);
    for (const file of files) file.begunMs = begunMs;
    this.#settings.tally.openFiles += files.length;
    return files.flatMap((file) => this.#files.begin(file));
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

  #fileDone(result: FileResult): void {
    const step = this.#files.take(result);
    if (step === undefined)
      throw new SejfError("SEJF_WORKER", `a result for the unknown job ${result.job}`);
    const { file, read, failedNow, done } = step;
    const { tally } = this.#settings;
    tally.readWholly(result.job);
    if (result.ok) {
      tally.hashedFiles++;
      tally.hashedBytes += result.sizeBytes;
      tally.newBytes += result.newBytes;
      const { after } = result;
      const { mtimeNs, sizeBytes } = file.expected;
      if (done && (after.mtimeNs !== mtimeNs || after.sizeBytes !== sizeBytes))
        tally.tell({ kind: "warning", path: file.path, message: "it changed while it was read" });
    } else if (failedNow) this.#fileFailed(file, result.message);
    if (done) this.#fileComplete(file, read);
  }

  #fileFailed({ node, path }: FileToRead, message: string): void {
    const ignored = node?.policy.policy.errorHandling.ignoreFileErrors ?? false;
    if (node === undefined) this.#rootFailure = message;
    else this.#fail(node, path, message, ignored);
  }

  #fileComplete(file: FileToRead, read: ReadPart | undefined): void {
    this.#settings.tally.openFiles--;
    const { node } = file;
    if (node === undefined) this.#onlyFile = read;
    else if (read === undefined) this.#childDone(node);
    else {
      const { pieces, sizeBytes } = read;
      const only = pieces.length === 1 ? pieces[0] : undefined;
      if (only !== undefined) this.#fileStored(node, file, sizeBytes, pieceObject(only));
      else
        this.#tasks.start(async () => {
          const object = await storePieces(this.#settings, pieces, file.policy);
          this.#fileStored(node, file, sizeBytes, object);
        });
    }
  }

  #fileStored(node: DirectoryNode, file: FileToRead, sizeBytes: number, object: ObjectId): void {
    const entry = readEntry(file.entryName, "f", file.expected, sizeBytes, object);
    node.add(entry);
    this.#settings.log.snapshotted("file", node.policy.policy, node.path, entry, file.begunMs);
    this.#childDone(node);
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
    const { contents, format, log } = this.#settings;
    const begunMs = log.begun(node.policy.policy);
    const { id } = await writeObject(contents, target, { format, prefix: "" });
    const entry = readEntry(name, "s", stat, target.length, id);
    node.add(entry);
    log.snapshotted("symlink", node.policy.policy, node.path, entry, begunMs);
    this.#childDone(node);
  }

  async #takePlaceholder(node: DirectoryNode, placeholder: Placeholder): Promise<void> {
    const { contents, log } = this.#settings;
    const { signal } = this.#stop;
    try {
      const entry = await readPlaceholder(contents, node.local, placeholder, { signal });
      node.add(entry);
      if (placeholder.ofDirectory) log.directory(node.policy.policy, placeholder.path, entry);
    } catch (error) {
      if (!(error instanceof SejfError) || signal.aborted) throw error;
      const { policy } = placeholder.ofDirectory
        ? node.policy.child(placeholder.name)
        : node.policy;
      const { ignoreDirectoryErrors, ignoreFileErrors } = policy.errorHandling;
      const ignored = placeholder.ofDirectory ? ignoreDirectoryErrors : ignoreFileErrors;
      this.#fail(node, placeholder.path, error.message, ignored ?? false);
    }
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
      (await storeDirectory(this.#settings, { entries: sortEntries(node.entries), summary }, node));
    const entry = node.entry(object, summary);
    node.done = entry;
    node.entries = [];
    this.#settings.log.directory(node.policy.policy, node.path, entry, node.begunMs);
    const { parent } = node;
    if (parent === undefined) {
      this.#rootEntry = entry;
      return;
    }
    parent.active.delete(node);
    parent.add(entry);
    this.#childDone(parent);
  }

  /** After a stop: every directory that was entered is written with what it has, from the leaves up. */
  async #finishEarly(node: DirectoryNode, unfinished: UnfinishedEntries): Promise<void> {
    for (const child of node.active) await this.#finishEarly(child, unfinished);
    for (const entry of unfinished.get(node) ?? []) node.add(entry);
    // Children that were never entered, and files of which nothing is stored, are simply absent.
    node.open = Number.POSITIVE_INFINITY;
    if (node.parent !== undefined) node.parent.open = Number.POSITIVE_INFINITY;
    await this.#finish(node);
  }

  async #checkpoint(): Promise<void> {
    await this.#settings.checkpoint(this.#rootEntry ?? (await this.#rootSoFar()));
  }

  /** `undefined` when nothing has been stored yet. */
  async #rootSoFar(): Promise<DirEntry | undefined> {
    const root = this.#root;
    if (root === undefined) return await this.#unfinishedRoot();
    const unfinished = await storeUnfinished(this.#settings, this.#files);
    return await checkpointOf(this.#settings, root, unfinished);
  }

  /** Of a single-file snapshot: what is stored of the file. */
  async #unfinishedRoot(): Promise<DirEntry | undefined> {
    const unfinished = await storeUnfinished(this.#settings, this.#files);
    const entry = unfinished.get(undefined)?.[0];
    return entry === undefined ? undefined : asRoot(entry);
  }
}
