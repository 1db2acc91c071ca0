/**
 * One tree from one repository to another: every file is read there, split and stored here as an upload would, and
 * directories are written from the leaves up. What is the same object as in a snapshot migrated before is not read: the
 * pair of that snapshot and its copy says what it became.
 */
import { bytesToUtf8, type CallOptions, mapConcurrent, type OwnedBytes } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { ContentRef, ContentRequest } from "../format/index.ts";
import { createFastSplitter } from "../node/index.ts";
import { type ObjectId, openObject, readObject, writeObject } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { SPLITTERS } from "../splitter/index.ts";
import { compressorOfFile, metadataCompressor } from "./compression-choice.ts";
import { directoryChunks, sortEntries } from "./directory.ts";
import {
  CACHE_DIRECTORY_SIGNATURE,
  CACHE_DIRECTORY_TAG,
  dotFilesOf,
  enterDirectory,
  type IgnoreContext,
  isIgnored,
  NO_RULES,
} from "./ignore.ts";
import type { MigrateEvent } from "./migrate-types.ts";
import { joinPath } from "./names.ts";
import { withOwnFailures } from "./own-failures.ts";
import type { PolicyTree } from "./policies.ts";
import { SummaryBuilder } from "./summary-builder.ts";
import { assertDepth, listDirectory } from "./tree.ts";
import type { Directory, DirEntry } from "./types.ts";

const FILES_AT_ONCE = 16;
/** Files up to this size are read as one. */
const SMALL_BYTES: number = 1024 * 1024;
const MAX_RULE_FILE_BYTES: number = 16 * 1024 * 1024;

export interface TreeCopyTally {
  copiedFiles: number;
  copiedBytes: number;
  knownFiles: number;
  knownDirectories: number;
  directories: number;
  excluded: number;
  errors: number;
}

export interface TreeCopyOptions extends CallOptions {
  readonly applyIgnoreRules: boolean;
  readonly tally: TreeCopyTally;
  readonly onEvent: ((event: MigrateEvent) => void) | undefined;
}

/** A directory migrated before: as it was, and what it became. */
export interface EarlierPair {
  readonly from: DirEntry;
  readonly to: DirEntry;
}

/** The entries of an earlier pair by name. */
interface EarlierEntries {
  readonly from: ReadonlyMap<string, DirEntry>;
  readonly to: ReadonlyMap<string, DirEntry>;
}

const NOTHING_EARLIER: EarlierEntries = { from: new Map(), to: new Map() };

/** The directories above one, to find a tree that lies inside itself. */
interface Above {
  readonly object: ObjectId;
  readonly above: Above | undefined;
}

interface At {
  /** Below the root, empty for the root. */
  readonly path: string;
  readonly depth: number;
  /** The directory itself, and those above it. */
  readonly chain: Above;
  readonly policy: PolicyTree;
  readonly ignore: IgnoreContext;
  readonly earlier: EarlierPair | undefined;
}

export class TreeCopy {
  readonly #from: Repository;
  readonly #to: Repository;
  readonly #options: TreeCopyOptions;
  readonly #call: CallOptions;

  constructor(from: Repository, to: Repository, options: TreeCopyOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.#call = { signal: options.signal };
  }

  /** @throws what reading the root gives; the destination's errors. All else that cannot be read is left out and told. */
  async copyRoot(
    root: DirEntry,
    policy: PolicyTree,
    earlier: EarlierPair | undefined,
  ): Promise<DirEntry> {
    const chain = { object: root.object, above: undefined };
    const at = { path: "", depth: 0, chain, policy, ignore: NO_RULES, earlier };
    try {
      if (root.type === "d") {
        const listing = await listDirectory(this.#from, root.object, this.#call);
        return await this.#directory(root, listing, at);
      }
      const isKnown = earlier?.from.object === root.object && earlier.to.type === root.type;
      return isKnown ? { ...root, object: earlier.to.object } : await this.#file(root, policy);
    } catch (error) {
      throw error instanceof UnreadableError ? error.cause : error;
    }
  }

  async #directory(entry: DirEntry, listing: Directory, at: At): Promise<DirEntry> {
    this.#call.signal?.throwIfAborted();
    const { tally } = this.#options;
    tally.directories++;
    const builder = new SummaryBuilder();
    const entries: DirEntry[] = [];
    const keep = (child: DirEntry): void => {
      entries.push(child);
      builder.add(child);
    };
    const fail = (child: DirEntry, error: unknown): void => {
      this.#call.signal?.throwIfAborted();
      const path = joinPath(at.path, child.name);
      const { message } = errorFromUnknown(error, "reading");
      tally.errors++;
      builder.addFailure(path, message, false);
      this.#options.onEvent?.({ kind: "error", path, message });
    };
    const { context, empty } = await this.#enter(listing, at);
    if (!empty) {
      const wanted = listing.entries.filter((child) => !this.#isExcluded(child, at, context));
      const earlier = await this.#earlierOf(at.earlier);
      await this.#files(wanted, at, earlier, keep, fail);
      for (const child of wanted) {
        if (child.type !== "d") continue;
        const copied = await this.#child(child, at, context, earlier, fail);
        if (copied !== undefined) keep(copied);
      }
    }
    this.#options.onEvent?.({ kind: "progress", counters: tally });
    const built = builder.build(entry.mtimeNs, listing.summary?.incomplete);
    const summary = withOwnFailures(built, listing);
    const compressor = metadataCompressor(at.policy.policy);
    const chunks = directoryChunks({ ...listing, entries: sortEntries(entries), summary });
    const { id } = await writeObject(this.#to.contents, chunks, {
      format: this.#to.parameters,
      prefix: "k",
      compressor,
      metadataCompressor: compressor,
      signal: this.#call.signal,
    });
    return { ...entry, object: id, summary };
  }

  /** A subdirectory; `undefined` when it cannot be read. */
  async #child(
    child: DirEntry,
    at: At,
    ignore: IgnoreContext,
    earlier: EarlierEntries,
    fail: (child: DirEntry, error: unknown) => void,
  ): Promise<DirEntry | undefined> {
    const [from, to] = [earlier.from.get(child.name), earlier.to.get(child.name)];
    const isPair = from?.type === "d" && to?.type === "d";
    // Today's rules may exclude what an earlier copy holds.
    if (isPair && from.object === child.object && !this.#options.applyIgnoreRules) {
      this.#options.tally.knownDirectories++;
      return { ...child, object: to.object, summary: to.summary };
    }
    const path = joinPath(at.path, child.name);
    const depth = at.depth + 1;
    const policy = at.policy.child(child.name);
    const pair = isPair ? { from, to } : undefined;
    try {
      const chain = { object: child.object, above: at.chain };
      const listing = await this.#listing(chain, path, depth);
      const below = { path, depth, chain, policy, ignore, earlier: pair };
      return await this.#directory(child, listing, below);
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      fail(child, error.cause);
      return undefined;
    }
  }

  async #listing(chain: Above, path: string, depth: number): Promise<Directory> {
    try {
      assertDepth(path, depth);
      for (let up = chain.above; up !== undefined; up = up.above)
        if (up.object === chain.object)
          throw new SejfError("SEJF_CORRUPT", `the directory ${path} lies inside itself`);
      return await listDirectory(this.#from, chain.object, this.#call);
    } catch (error) {
      throw new UnreadableError("reading the source", { cause: error });
    }
  }

  /** Files and symlinks of a directory: small ones are fetched together, of others several at once are copied. */
  async #files(
    wanted: readonly DirEntry[],
    at: At,
    earlier: EarlierEntries,
    keep: (child: DirEntry) => void,
    fail: (child: DirEntry, error: unknown) => void,
  ): Promise<void> {
    const small: DirEntry[] = [];
    const others: DirEntry[] = [];
    for (const child of wanted) {
      if (child.type === "d") continue;
      const known = knownObject(child, earlier);
      if (known !== undefined) {
        this.#options.tally.knownFiles++;
        keep({ ...child, object: known });
      } else (isSmall(child) ? small : others).push(child);
    }
    const copy = async (child: DirEntry, fetched?: OwnedBytes): Promise<void> => {
      let copied: DirEntry;
      try {
        copied = await this.#file(child, at.policy.child(child.name), fetched);
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error;
        fail(child, error.cause);
        return;
      }
      keep(copied);
    };
    for await (const page of this.#from.contents.readMany(requestsFor(small), this.#call)) {
      const pairs = page.map((result) => ({ result, child: small[result.job] as DirEntry }));
      for (const { result, child } of pairs)
        if (!result.ok) fail(child, new SejfError(result.code, result.message));
      const write = ({ result, child }: (typeof pairs)[number]): Promise<void> =>
        result.ok ? copy(child, result.data) : Promise.resolve();
      await settleAll(pairs, write, this.#call);
    }
    await settleAll(others, copy, this.#call);
  }

  /** `fetched`: all bytes of the file, where they are at hand. */
  async #file(entry: DirEntry, { policy }: PolicyTree, fetched?: OwnedBytes): Promise<DirEntry> {
    const { object, type, name, sizeBytes } = entry;
    if (type !== "f" && type !== "s")
      throw unreadable(`it is of the unknown type ${JSON.stringify(type)}`);
    const compressor = type === "f" ? compressorOfFile(policy, name, sizeBytes) : undefined;
    const source = fetched ?? (await this.#source(object, sizeBytes));
    const written = await writeObject(this.#to.contents, source, {
      format: this.#to.parameters,
      prefix: "",
      compressor,
      metadataCompressor: metadataCompressor(policy),
      splitter: type === "f" ? knownSplitter(policy.splitter.algorithm) : undefined,
      makeSplitter: createFastSplitter,
      signal: this.#call.signal,
    });
    this.#options.tally.copiedFiles++;
    this.#options.tally.copiedBytes += written.sizeBytes;
    if (type === "f" && written.sizeBytes !== sizeBytes)
      throw unreadable(
        `object ${object} is ${written.sizeBytes} bytes, its entry says ${sizeBytes}`,
      );
    return { ...entry, object: written.id };
  }

  /** The bytes of an object; a failure of the source repository is told apart from one of the destination. */
  async #source(
    object: ObjectId,
    sizeBytes: number,
  ): Promise<Uint8Array | AsyncIterable<OwnedBytes>> {
    try {
      if (sizeBytes <= SMALL_BYTES)
        return await readObject(this.#from.contents, object, SMALL_BYTES, this.#call);
      const reader = await openObject(this.#from.contents, object, this.#call);
      return readable(reader.stream(this.#call));
    } catch (error) {
      throw new UnreadableError("reading the source", { cause: error });
    }
  }

  async #earlierOf(pair: EarlierPair | undefined): Promise<EarlierEntries> {
    if (pair === undefined) return NOTHING_EARLIER;
    try {
      const from = await listDirectory(this.#from, pair.from.object, this.#call);
      const to = await listDirectory(this.#to, pair.to.object, this.#call);
      return { from: byName(from), to: byName(to) };
    } catch (error) {
      // Only a short cut: without it everything is copied.
      if (!(error instanceof SejfError) || this.#call.signal?.aborted === true) throw error;
      return NOTHING_EARLIER;
    }
  }

  /** The rules in force in a directory, by its policy and its rule files; `empty` for a cache directory. */
  async #enter(
    listing: Directory,
    at: At,
  ): Promise<{ readonly context: IgnoreContext; readonly empty: boolean }> {
    if (!this.#options.applyIgnoreRules) return { context: NO_RULES, empty: false };
    try {
      return await this.#rulesOf(listing, at);
    } catch (error) {
      throw new UnreadableError("reading the source", { cause: error });
    }
  }

  async #rulesOf(
    listing: Directory,
    at: At,
  ): Promise<{ readonly context: IgnoreContext; readonly empty: boolean }> {
    const { policy, own } = at.policy;
    if (policy.files.ignoreCacheDirs !== false && (await this.#isCacheDirectory(listing))) {
      this.#options.tally.excluded++;
      return { context: at.ignore, empty: true };
    }
    const texts: string[] = [];
    for (const name of dotFilesOf(at.ignore, own?.files)) {
      const file = listing.entries.find((entry) => entry.name === name && entry.type === "f");
      if (file === undefined) continue;
      const { contents } = this.#from;
      texts.push(
        bytesToUtf8(await readObject(contents, file.object, MAX_RULE_FILE_BYTES, this.#call)),
      );
    }
    const path = at.path === "" ? "" : `/${at.path}`;
    return { context: enterDirectory(at.ignore, path, own?.files, texts), empty: false };
  }

  async #isCacheDirectory(listing: Directory): Promise<boolean> {
    const tag = listing.entries.find(({ name }) => name === CACHE_DIRECTORY_TAG);
    const length = CACHE_DIRECTORY_SIGNATURE.length;
    if (tag?.type !== "f" || tag.sizeBytes < length) return false;
    const reader = await openObject(this.#from.contents, tag.object, this.#call);
    if (reader.sizeBytes < length) return false;
    const bytes = await reader.readRange(0, length, this.#call);
    return Buffer.from(bytes).toString("latin1") === CACHE_DIRECTORY_SIGNATURE;
  }

  #isExcluded(child: DirEntry, at: At, context: IgnoreContext): boolean {
    if (!this.#options.applyIgnoreRules) return false;
    const path = `/${joinPath(at.path, child.name)}`;
    const isDirectory = child.type === "d";
    const excluded =
      isIgnored(context, path, isDirectory) ||
      (context.maxFileSize > 0 && !isDirectory && child.sizeBytes > context.maxFileSize);
    if (excluded) this.#options.tally.excluded++;
    return excluded;
  }
}

/** Whether it is one content, plain and short, as an object is that has no marks. */
function isSmall({ object, sizeBytes, type }: DirEntry): boolean {
  return (type === "f" || type === "s") && sizeBytes <= SMALL_BYTES && /^[0-9a-f]/.test(object);
}

async function* requestsFor(
  files: readonly DirEntry[],
): AsyncGenerator<readonly ContentRequest[], void, void> {
  if (files.length === 0) return;
  yield files.map(({ object }, job) => ({ job, ref: object as string as ContentRef }));
}

async function settleAll<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  { signal }: CallOptions,
): Promise<void> {
  for await (const _ of mapConcurrent(items, FILES_AT_ONCE, (item) => work(item), signal)) {
    // Each call has kept its file or told why not.
  }
}

/** The source repository's failure, in `cause`. */
class UnreadableError extends Error {}

function unreadable(message: string): UnreadableError {
  return new UnreadableError(message, { cause: new SejfError("SEJF_CORRUPT", message) });
}

async function* readable(
  stream: AsyncIterable<OwnedBytes>,
): AsyncGenerator<OwnedBytes, void, void> {
  try {
    yield* stream;
  } catch (error) {
    throw new UnreadableError("reading the source", { cause: error });
  }
}

/** What a file became in an earlier copy, where it is the same object there. */
function knownObject(child: DirEntry, { from, to }: EarlierEntries): ObjectId | undefined {
  const [before, copy] = [from.get(child.name), to.get(child.name)];
  const same =
    before?.object === child.object &&
    copy?.type === child.type &&
    copy.sizeBytes === child.sizeBytes;
  return same ? copy.object : undefined;
}

function byName({ entries }: Directory): ReadonlyMap<string, DirEntry> {
  return new Map(entries.map((entry) => [entry.name, entry]));
}

/** Unknown names count as none, as in an upload. */
function knownSplitter(algorithm: string | undefined): string | undefined {
  return SPLITTERS.find(({ name }) => name === algorithm)?.name;
}
