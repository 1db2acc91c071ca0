/**
 * The walk of a verification: each object once, however many snapshots share it. Directories are fetched in bulk, the
 * last found first, so that little waits; of files only the index and the listing of packs are asked.
 */
import { type CallOptions, mapUnordered, single } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import { type ContentPiece, type ContentRef, type ContentRequest, IdSet } from "../format/index.ts";
import { type ObjectId, objectPieces, parseObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { decodeDirectory } from "./directory.ts";
import { joinPath } from "./names.ts";
import { assertDepth, listDirectory } from "./tree.ts";
import type { Directory, DirEntry } from "./types.ts";
import type { ContentFinding, Presence } from "./verify-presence.ts";
import type { VerifyTally } from "./verify-tally.ts";
import type { VerifyOptions, VerifyRoot } from "./verify-types.ts";

const DEFAULT_PARALLEL = 8;
/** Directories fetched together, for each unit of `parallel`. */
const DIRECTORIES_PER_UNIT = 32;
const DEFAULT_FILE_PARALLEL = 8;

/** A file or symlink whose contents are in the index and in packs that are there. */
export interface CheckedFile {
  readonly root: VerifyRoot;
  readonly path: string;
  readonly object: ObjectId;
  readonly sizeBytes: number;
  readonly pieces: readonly ContentPiece[];
  /** The contents must have the lengths of their pieces: sizes of other things than files are not relied on. */
  readonly isExact: boolean;
}

interface Waiting {
  readonly root: VerifyRoot;
  readonly path: string;
  readonly object: ObjectId;
  readonly depth: number;
}

interface FoundFile {
  readonly root: VerifyRoot;
  readonly path: string;
  readonly entry: DirEntry;
}

export class VerifyWalk {
  readonly #repository: Repository;
  readonly #presence: Presence;
  readonly #tally: VerifyTally;
  readonly #options: VerifyOptions;
  readonly #call: CallOptions;
  readonly #seen: IdSet;
  readonly #stack: Waiting[] = [];

  constructor(
    repository: Repository,
    presence: Presence,
    tally: VerifyTally,
    options: VerifyOptions,
  ) {
    this.#repository = repository;
    this.#presence = presence;
    this.#tally = tally;
    this.#options = options;
    this.#call = { signal: options.signal };
    this.#seen = new IdSet(tally.biggestRoot);
  }

  /** Walks all roots; gives the files that were chosen to be read in full. */
  async *run(roots: readonly VerifyRoot[]): AsyncGenerator<readonly CheckedFile[], void, void> {
    const files: FoundFile[] = [];
    for (const root of roots) this.#meet(root, root.label, root.entry, 0, files);
    this.#stack.reverse();
    yield await this.#checkFiles(files);
    const { parallel = DEFAULT_PARALLEL } = this.#options;
    while (this.#stack.length > 0 && !this.#tally.stopped) {
      this.#call.signal?.throwIfAborted();
      yield* this.#visit(this.#stack.splice(-DIRECTORIES_PER_UNIT * parallel));
      this.#tally.progress();
    }
  }

  /** An entry seen for the first time goes to where its kind is looked at. */
  #meet(root: VerifyRoot, path: string, entry: DirEntry, depth: number, files: FoundFile[]): void {
    if (!this.#seen.add(entry.object)) return;
    this.#tally.processedObjects++;
    if (entry.type === "d") this.#stack.push({ root, path, object: entry.object, depth });
    else {
      this.#tally.processedBytes += entry.sizeBytes;
      files.push({ root, path, entry });
    }
  }

  async *#visit(batch: readonly Waiting[]): AsyncGenerator<readonly CheckedFile[], void, void> {
    for await (const [waiting, directory] of this.#listings(batch)) {
      if (this.#tally.stopped) return;
      const files: FoundFile[] = [];
      const { root, path, depth } = waiting;
      if (directory instanceof SejfError) await this.#reportDirectory(waiting, directory);
      else
        for (const entry of directory.entries)
          this.#meet(root, joinPath(path, entry.name), entry, depth + 1, files);
      const chosen = await this.#checkFiles(files);
      if (chosen.length > 0) yield chosen;
    }
  }

  /** Listings as they come: those of one content in bulk, the others one by one. */
  async *#listings(
    batch: readonly Waiting[],
  ): AsyncGenerator<readonly [Waiting, Directory | SejfError], void, void> {
    const requests: ContentRequest[] = [];
    const others: Waiting[] = [];
    batch.forEach((waiting, job) => {
      const { indirection, compressed, content } = parseObjectId(waiting.object);
      if (indirection === 0 && !compressed) requests.push({ job, ref: content });
      else others.push(waiting);
    });
    if (requests.length > 0) {
      const { contents } = this.#repository;
      for await (const page of contents.readMany(single(requests), this.#call)) {
        for (const result of page) {
          const waiting = batch[result.job] as Waiting;
          const listing = result.ok
            ? attempt(() => checkedDirectory(waiting, result.data))
            : new SejfError(result.code, result.message);
          yield [waiting, listing];
        }
      }
    }
    const list = async (waiting: Waiting): Promise<readonly [Waiting, Directory | SejfError]> => {
      try {
        assertDepth(waiting.path, waiting.depth);
        return [waiting, await listDirectory(this.#repository, waiting.object, this.#call)];
      } catch (error) {
        this.#call.signal?.throwIfAborted();
        return [waiting, errorFromUnknown(error, "listing")];
      }
    };
    const { parallel = DEFAULT_PARALLEL } = this.#options;
    yield* mapUnordered(others, parallel, list, this.#call.signal);
  }

  async #reportDirectory(waiting: Waiting, error: SejfError): Promise<void> {
    const { root, path, object } = waiting;
    const { content } = parseObjectId(object);
    const blob = await this.#presence.packOf(content, this.#call);
    const message = `directory ${object} cannot be read: ${error.message}`;
    this.#tally.report(root, { path, object, content, blob, code: error.code, message });
  }

  async #checkFiles(files: readonly FoundFile[]): Promise<readonly CheckedFile[]> {
    const chosen: CheckedFile[] = [];
    const long: FoundFile[] = [];
    for (const file of files) {
      const { entry } = file;
      const kind = entry.object[0];
      if (kind === "I") {
        long.push(file);
        continue;
      }
      const compressed = kind === "Z";
      const content = compressed ? parseObjectId(entry.object).content : plainContent(entry.object);
      const found = await this.#presence.check(content, this.#call);
      const problem = typeof found === "number" ? wrongSize(entry, found, compressed) : found;
      if (problem !== undefined) this.#reportFile(file, problem);
      else if (this.#isChosen()) {
        const piece = { ref: content, lengthBytes: entry.sizeBytes };
        chosen.push(checked(file, [compressed ? { ...piece, objectCompressed: true } : piece]));
      }
      if (this.#tally.stopped) return chosen;
    }
    const { fileParallel = DEFAULT_FILE_PARALLEL } = this.#options;
    const check = (file: FoundFile): Promise<CheckedFile | undefined> => this.#checkLong(file);
    for await (const file of mapUnordered(long, fileParallel, check, this.#call.signal))
      if (file !== undefined && this.#isChosen()) chosen.push(file);
    return chosen;
  }

  /** A file of several contents: its table is read, its contents are looked up. */
  async #checkLong(file: FoundFile): Promise<CheckedFile | undefined> {
    const { entry } = file;
    let pieces: readonly ContentPiece[];
    try {
      const sizeBytes = entry.type === "f" ? entry.sizeBytes : undefined;
      ({ pieces } = await objectPieces(
        this.#repository.contents,
        entry.object,
        sizeBytes,
        this.#call,
      ));
    } catch (error) {
      this.#call.signal?.throwIfAborted();
      const { content } = parseObjectId(entry.object);
      const blob = await this.#presence.packOf(content, this.#call);
      const { code, message } = errorFromUnknown(error, "reading the seek table");
      this.#reportFile(file, { content, blob, code, message });
      return undefined;
    }
    for (const piece of pieces) {
      const found = await this.#presence.check(piece.ref, this.#call);
      const problem = typeof found === "number" ? wrongLength(piece, found) : found;
      if (problem === undefined) continue;
      this.#reportFile(file, problem);
      return undefined;
    }
    return checked(file, pieces);
  }

  #reportFile({ root, path, entry }: FoundFile, finding: ContentFinding): void {
    const { content, blob, code, message } = finding;
    const { object } = entry;
    this.#tally.report(root, {
      path,
      object,
      content,
      blob,
      code,
      message: `object ${object} is incomplete: ${message}`,
    });
  }

  #isChosen(): boolean {
    const { filesPercent = 0, random } = this.#options;
    return filesPercent >= 100 || (filesPercent > 0 && (random?.() ?? 0) * 100 < filesPercent);
  }
}

/** Of an object without marks, which was checked when its directory was decoded, the content has the same text. */
function plainContent(object: ObjectId): ContentRef {
  return object[0] === "D" ? parseObjectId(object).content : (object as string as ContentRef);
}

function checked({ root, path, entry }: FoundFile, pieces: readonly ContentPiece[]): CheckedFile {
  const { object, sizeBytes, type } = entry;
  return { root, path, object, sizeBytes, pieces, isExact: type === "f" };
}

/** Of a file in one content; of a compressed one the length is known only when it is read. */
function wrongSize(
  { type, sizeBytes, object }: DirEntry,
  found: number,
  compressed: boolean,
): ContentFinding | undefined {
  if (compressed || type !== "f" || found === sizeBytes) return undefined;
  const content = object as string as ContentRef;
  const message = `its content is ${found} bytes, its directory entry says ${sizeBytes}`;
  return { content, code: "SEJF_CORRUPT", message };
}

function wrongLength(
  { ref, lengthBytes, objectCompressed }: ContentPiece,
  found: number,
): ContentFinding | undefined {
  if (objectCompressed === true || found === lengthBytes) return undefined;
  const message = `content ${ref} is ${found} bytes, its seek table says ${lengthBytes}`;
  return { content: ref, code: "SEJF_CORRUPT", message };
}

function checkedDirectory({ path, depth }: Waiting, data: Uint8Array): Directory {
  assertDepth(path, depth);
  return decodeDirectory(data);
}

function attempt<T>(work: () => T): T | SejfError {
  try {
    return work();
  } catch (error) {
    if (error instanceof SejfError) return error;
    throw error;
  }
}
