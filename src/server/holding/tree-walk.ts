/**
 * The walk of a snapshot that wants to be taken in, or of one that was: each object once, whatever is known whole left
 * out. A tree comes from whoever wrote it: all that is held at a time is bounded (bytes of listings, directories that
 * wait, rows of seek tables), as are the depth and what is read twice, and others get their turn in between.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type CallOptions, single } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import {
  type ContentReader,
  type ContentRef,
  type ContentRequest,
  IdSet,
} from "../../format/index.ts";
import {
  decodeSeekTable,
  MAX_INDIRECTION,
  type ObjectId,
  objectPrefix,
  parseObjectId,
  readObject,
  type SeekTableRow,
  tableOf,
  streamDocuments,
} from "../../object/index.ts";
import { decodeChildren, type DirectoryChild } from "../../snapshot/index.ts";

/** Deeper than any file system goes, as for readers. */
const MAX_DEPTH = 4096;
/** Found and not listed yet: about 100 MB. */
const MAX_WAITING = 1_000_000;
/** Listings that are fetched together. */
const BATCH_DIRECTORIES = 256;
const BATCH_BYTES = 8 << 20;
/** A longer listing is taken in parts. */
const SMALL_BYTES = 1 << 20;
/** Of a directory that was compressed before it was named, or one object's text by its tables. */
const MAX_COMPRESSED_BYTES = 64 << 20;
const MAX_TEXT_BYTES: number = 2 ** 29;
/** Pieces of tables and long listings that several objects share; a tree of tables could read one a million times. */
const MAX_REPEATED_BYTES: number = 2 ** 30;
/** Entries and rows between two turns of others. */
const STEPS_PER_TURN = 4096;
/** Contents that are looked up together, in the order of the index: neighbours are found with one read. */
const LOOKUPS_TOGETHER = 16_384;

/** What is known of one account. */
export interface KnownContents {
  /** There and held. */
  readonly held: IdSet;
  /** Directories and objects behind tables whose whole subtree is. */
  readonly complete: IdSet;
}

export interface WalkRules {
  /** Makes held what is there and may be held; gives the others. */
  readonly take: (refs: readonly ContentRef[]) => Promise<ReadonlySet<ContentRef>>;
  /** Asked first, of each alone that is not held: makes held what is there without a look; gives its bytes. */
  readonly takeAtOnce?: ((ref: ContentRef) => number | undefined) | undefined;
  /**
   * With it, what is missing or damaged is reported and left out; without it that is thrown. Failures of the storage are
   * thrown in any case.
   */
  readonly onBroken?: ((error: SejfError) => void) | undefined;
}

interface Waiting {
  readonly object: ObjectId;
  readonly depth: number;
}

export class TreeWalk {
  /** Directories and objects behind tables that this walk came to; complete when it ends without complaint. */
  readonly visited: IdSet = new IdSet();
  readonly #contents: ContentReader;
  readonly #known: KnownContents;
  readonly #rules: WalkRules;
  readonly #call: CallOptions;
  readonly #directories: Waiting[] = [];
  readonly #tables: Waiting[] = [];
  readonly #parts = new IdSet();
  /** Of files, links and rows; not known as held when they were met. */
  #unchecked: ContentRef[] = [];
  #repeatedBytes = 0;
  #steps = 0;

  constructor(
    contents: ContentReader,
    known: KnownContents,
    rules: WalkRules,
    options: CallOptions = {},
  ) {
    this.#contents = contents;
    this.#known = known;
    this.#rules = rules;
    this.#call = { signal: options.signal };
  }

  /** @throws SEJF_CONTENT_NOT_FOUND, SEJF_CORRUPT: see `onBroken`. */
  async run(root: DirectoryChild): Promise<void> {
    await this.#meet([root], 0);
    for (;;) {
      this.#call.signal?.throwIfAborted();
      const table = this.#tables.pop();
      if (table !== undefined) await this.#attempt(async () => await this.#visitTable(table));
      else if (this.#directories.length > 0) await this.#visitDirectories();
      else break;
    }
    await this.#checkContents();
  }

  async #meet(children: readonly DirectoryChild[], depth: number): Promise<void> {
    let from = this.#unchecked.length;
    for (const { type, object } of children) {
      if (type === "d") this.#attemptNow(() => this.#meetDirectory(object, depth));
      else this.#meetObject(object, 0);
      if (++this.#steps % STEPS_PER_TURN > 0) continue;
      this.#copyUnchecked(from);
      await this.#pause();
      from = this.#unchecked.length;
    }
    this.#copyUnchecked(from);
  }

  #meetDirectory(object: ObjectId, depth: number): void {
    if (objectPrefix(object) !== "k") throw corrupt(`directory ${object} is no directory object`);
    if (this.#known.complete.has(object) || !this.visited.add(object)) return;
    if (depth > MAX_DEPTH) throw corrupt(`a directory lies more than ${MAX_DEPTH} levels deep`);
    if (this.#directories.length >= MAX_WAITING)
      throw corrupt(`more than ${MAX_WAITING} directories lie next to one another`);
    this.#directories.push({ object: copiesOf([object])[0]!, depth });
  }

  /** A file, a link, or a row of a table. */
  #meetObject(object: ObjectId, depth: number): void {
    if (object[0] !== "I") {
      const ref = contentOf(object);
      if (!this.#known.held.has(ref) && this.#rules.takeAtOnce?.(ref) === undefined)
        this.#unchecked.push(ref);
      return;
    }
    if (this.#known.complete.has(object) || !this.visited.add(object)) return;
    if (depth > MAX_INDIRECTION)
      this.#attemptNow(() => {
        throw corrupt(`object ${object} lies below more than ${MAX_INDIRECTION} seek tables`);
      });
    else this.#tables.push({ object: copiesOf([object])[0]!, depth });
  }

  /** Those from one on. */
  #copyUnchecked(from: number): void {
    const refs = this.#unchecked;
    if (from === refs.length) return;
    for (const [i, copy] of copiesOf(refs.slice(from)).entries()) refs[from + i] = copy;
  }

  async #pause(): Promise<void> {
    if (this.#unchecked.length >= LOOKUPS_TOGETHER) await this.#checkContents();
    await this.#giveTurn();
  }

  async #checkContents(): Promise<void> {
    const refs = this.#unchecked.sort();
    this.#unchecked = [];
    for (let at = 0; at < refs.length; at += STEPS_PER_TURN) {
      await this.#takeAll(refs.slice(at, at + STEPS_PER_TURN));
      await this.#giveTurn();
    }
  }

  /** In the order of the index, each once. */
  async #takeAll(sorted: readonly ContentRef[]): Promise<void> {
    const refused = await this.#rules.take(sorted.filter((ref, i) => ref !== sorted[i - 1]));
    for (const ref of refused)
      this.#attemptNow(() => {
        throw missing(ref);
      });
  }

  async #visitDirectories(): Promise<void> {
    const requests: ContentRequest[] = [];
    const batch: Waiting[] = [];
    let bytes = 0;
    while (bytes < BATCH_BYTES && batch.length < BATCH_DIRECTORIES) {
      const waiting = this.#directories.pop();
      if (waiting === undefined) break;
      const lengthBytes = await this.#shortListing(waiting);
      if (lengthBytes === undefined) continue;
      bytes += lengthBytes;
      requests.push({ job: batch.length, ref: contentOf(waiting.object) });
      batch.push(waiting);
    }
    if (requests.length === 0) return;
    for await (const page of this.#contents.readMany(single(requests), this.#call)) {
      for (const result of page) {
        const { object, depth } = batch[result.job] as Waiting;
        await this.#attempt(async () => {
          if (!result.ok) throw new SejfError(result.code, result.message);
          await this.#meet(this.#childrenOf(object, result.data), depth + 1);
        });
      }
    }
    await this.#giveTurn();
  }

  /** Length of a listing that is short and in one content; any other is visited at once. */
  async #shortListing(waiting: Waiting): Promise<number | undefined> {
    const { object, depth } = waiting;
    return await this.#attempt(async () => {
      const { indirection, compressed, content } = parseObjectId(object);
      if (indirection === 0) {
        const lengthBytes = (await this.#take(content)) ?? (await this.#lengthOf(content));
        if (lengthBytes <= SMALL_BYTES && !compressed) return lengthBytes;
      }
      if (compressed) {
        const data = await readObject(this.#contents, object, MAX_COMPRESSED_BYTES, this.#call);
        await this.#meet(this.#childrenOf(object, data), depth + 1);
        return undefined;
      }
      for await (const document of streamDocuments("directory", this.#textOf(object)))
        await this.#meet(this.#childrenOf(object, document), depth + 1);
      return undefined;
    });
  }

  #childrenOf(object: ObjectId, bytes: Uint8Array): readonly DirectoryChild[] {
    try {
      return decodeChildren(bytes);
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      throw new SejfError(error.code, `directory ${object} cannot be read: ${error.message}`, {
        cause: error,
      });
    }
  }

  async #visitTable({ object, depth }: Waiting): Promise<void> {
    for await (const rows of this.#rowsOf(object)) {
      for (const row of rows) {
        this.#meetObject(row.object, depth + 1);
        if (++this.#steps % STEPS_PER_TURN === 0) await this.#pause();
      }
    }
  }

  /** The rows of the table of an object, in parts. */
  async *#rowsOf(object: ObjectId): AsyncGenerator<readonly SeekTableRow[], void, void> {
    let end: number | undefined;
    for await (const document of streamDocuments("indirect", this.#textOf(tableOf(object)))) {
      const rows = decodeSeekTable(document, end);
      const last = rows.at(-1) as SeekTableRow;
      end = last.startBytes + last.lengthBytes;
      yield rows;
    }
    if (end === undefined) throw corrupt(`the seek table of ${object} has no rows`);
  }

  /** The bytes of a listing or a table, content by content; each content is taken before it is read. */
  async *#textOf(object: ObjectId): AsyncGenerator<Uint8Array, void, void> {
    const { indirection, compressed, content } = parseObjectId(object);
    if (compressed) throw corrupt(`object ${object} is compressed, which tables are not`);
    if (indirection === 0) {
      yield await this.#readPart(content);
      return;
    }
    let bytes = 0;
    for await (const rows of this.#rowsOf(object)) {
      for (const row of rows) {
        const part = parseObjectId(row.object);
        if (part.indirection > 0 || part.compressed)
          throw corrupt(`a part of ${object} is itself behind a table: ${row.object}`);
        const data = await this.#readPart(part.content);
        if (data.length !== row.lengthBytes)
          throw corrupt(`content ${part.content} is ${data.length} bytes, not ${row.lengthBytes}`);
        bytes += data.length;
        if (bytes > MAX_TEXT_BYTES) throw corrupt(`${object} is longer than ${MAX_TEXT_BYTES}`);
        yield data;
      }
    }
  }

  async #readPart(ref: ContentRef): Promise<Uint8Array> {
    await this.#take(ref);
    const data = await this.#contents.read(ref, this.#call);
    if (!this.#parts.add(ref)) this.#repeatedBytes += data.length;
    if (this.#repeatedBytes > MAX_REPEATED_BYTES)
      throw corrupt(`the same parts of tables and listings come again and again, as ${ref} does`);
    await this.#giveTurn();
    return data;
  }

  /** Its bytes, where they are known. @throws SEJF_CONTENT_NOT_FOUND when it may not be taken. */
  async #take(ref: ContentRef): Promise<number | undefined> {
    if (this.#known.held.has(ref)) return undefined;
    const lengthBytes = this.#rules.takeAtOnce?.(ref);
    if (lengthBytes === undefined && (await this.#rules.take([ref])).size > 0) throw missing(ref);
    return lengthBytes;
  }

  async #lengthOf(ref: ContentRef): Promise<number> {
    return (await this.#contents.stat(ref, this.#call))?.originalLength ?? 0;
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  #attemptNow(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.#call.signal?.throwIfAborted();
    const { onBroken } = this.#rules;
    if (onBroken === undefined || !(error instanceof SejfError) || !isBroken(error)) throw error;
    onBroken(error);
  }

  /** Files answer without waiting for the disk, so that promises alone would keep everybody else out. */
  async #giveTurn(): Promise<void> {
    this.#call.signal?.throwIfAborted();
    await nextTurn();
  }
}

function isBroken({ code }: SejfError): boolean {
  return (
    code === "SEJF_CONTENT_NOT_FOUND" ||
    code === "SEJF_BLOB_NOT_FOUND" ||
    code === "SEJF_CORRUPT" ||
    code === "SEJF_INVALID_ID" ||
    code === "SEJF_RANGE"
  );
}

/** What waits must not keep the text of the listing that named it. Also, they are compared faster than parts of a text. */
function copiesOf<T extends string>(texts: readonly T[]): readonly T[] {
  return JSON.parse(JSON.stringify(texts)) as T[];
}

/** Of an object without marks, which was checked when its listing was decoded, the content has the same text. */
function contentOf(object: ObjectId): ContentRef {
  const mark = object[0];
  return mark === "I" || mark === "Z" || mark === "D"
    ? parseObjectId(object).content
    : (object as string as ContentRef);
}

function missing(ref: ContentRef): SejfError {
  return new SejfError(
    "SEJF_CONTENT_NOT_FOUND",
    `the snapshot needs the content ${ref}, which this account has not stored here`,
    { hint: "clear the client's cache and take the snapshot again: what is missing is uploaded" },
  );
}

function corrupt(message: string): SejfError {
  return new SejfError("SEJF_CORRUPT", message);
}
