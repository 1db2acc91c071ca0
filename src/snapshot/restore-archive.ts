/**
 * Restoring to an archive: one entry after the other in the order of the directories, each directory before what is in
 * it, so that the same snapshot always gives the same archive. Bounded memory: small files are read ahead, big ones
 * pass through. SECURITY: names must be plain, so that no entry leads out of where the archive will be unpacked.
 */
import { mapConcurrent } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import { isPlainName, nameBytes } from "../node/index.ts";
import { type ObjectReader, openObject, readObject } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { writeArchive } from "./archive-output.ts";
import type { ArchiveFormat, ArchiveWriter } from "./archive-types.ts";
import { ListingAhead } from "./listing-ahead.ts";
import { joinPath } from "./names.ts";
import { readLinkTarget } from "./restore-links.ts";
import { RestoreTally } from "./restore-tally.ts";
import type { RestoreCallOptions, RestoreSummary } from "./restore-types.ts";
import { assertDepth } from "./tree.ts";
import type { DirEntry } from "./types.ts";

/** Files up to this size are held whole, so many at a time. */
const SMALL_BYTES = 1 << 20;
const FILES_AHEAD = 16;
const PROGRESS_FILES = 256;

export interface RestoreArchiveOptions extends RestoreCallOptions {
  readonly format: ArchiveFormat;
}

/**
 * Everything below a directory, or one file or symlink, to an archive at `target`. Left out attributes become 0644 and
 * 0755, user and group 0, and the epoch. A big file that turns out to be damaged while it is written ends the restore,
 * also where errors are to be ignored: it has its place in the archive by then.
 * @throws SEJF_ALREADY_EXISTS, SEJF_PERMISSION, SEJF_NO_SPACE, SEJF_IO, SEJF_CORRUPT, SEJF_CONTENT_NOT_FOUND,
 * SEJF_UNSUPPORTED; the signal's reason.
 */
export async function restoreToArchive(
  repository: Repository,
  entry: DirEntry,
  target: string,
  options: RestoreArchiveOptions,
): Promise<RestoreSummary> {
  options.signal?.throwIfAborted();
  const writer = await createWriter(options.format);
  return await new ArchiveRestore(repository, writer, options).run(entry, target);
}

/** What makes archives is loaded only by who wants one. */
async function createWriter(format: ArchiveFormat): Promise<ArchiveWriter> {
  if (format === "tar" || format === "tgz") {
    const { createTarWriter } = await import("./archive-tar.ts");
    return createTarWriter();
  }
  const { createZipWriter } = await import("./archive-zip.ts");
  return createZipWriter({ compress: format === "zip" });
}

/** A file with its bytes, or with how to get them. */
interface LoadedFile {
  readonly path: string;
  readonly entry: DirEntry;
  readonly data: Uint8Array | AsyncIterable<Uint8Array>;
}

class ArchiveRestore {
  readonly #repository: Repository;
  readonly #writer: ArchiveWriter;
  readonly #options: RestoreArchiveOptions;
  readonly #stop: AbortController = new AbortController();
  readonly #tally: RestoreTally;
  readonly #listings: ListingAhead;

  constructor(repository: Repository, writer: ArchiveWriter, options: RestoreArchiveOptions) {
    this.#repository = repository;
    this.#writer = writer;
    this.#options = options;
    this.#tally = new RestoreTally(options, this.#stop.signal);
    this.#listings = new ListingAhead(repository, { signal: this.#stop.signal });
  }

  async run(entry: DirEntry, target: string): Promise<RestoreSummary> {
    const { signal: caller, format, overwriteFiles = true, flushFiles = false } = this.#options;
    const cancel = (): void => this.#stop.abort(caller?.reason);
    caller?.addEventListener("abort", cancel, { once: true });
    try {
      const output = writeArchive(this.#writer.bytes, target, {
        gzip: format === "tgz",
        overwrite: overwriteFiles,
        fsync: flushFiles,
        signal: this.#stop.signal,
      });
      // Whichever fails first ends the other.
      output.catch((error) => this.#end(error));
      try {
        if (entry.type === "d") await this.#directory(entry, "", []);
        else if (this.#isUsable(entry, "", new Set())) await this.#leaves([entry], "");
        await this.#writer.finish();
      } catch (error) {
        this.#end(error);
      }
      await output;
      this.#stop.signal.throwIfAborted();
    } catch (error) {
      throw error instanceof BrokenArchive ? error.cause : error;
    } finally {
      caller?.removeEventListener("abort", cancel);
    }
    this.#tally.tellProgress();
    return this.#tally.summary();
  }

  /** The first reason is the one that is thrown. */
  #end(error: unknown): void {
    this.#stop.abort(error);
    this.#writer.abort(error);
  }

  async #directory(entry: DirEntry, path: string, above: readonly DirEntry[]): Promise<void> {
    const entries = await this.#enter(entry, path, above);
    if (entries === undefined) return;
    if (path !== "") await this.#writer.directory(path, this.#shown(entry));
    this.#tally.counters.directories++;
    const directories = entries.filter(({ type }) => type === "d");
    for (const [index, child] of directories.entries()) {
      this.#listings.ahead(directories.slice(index, index + this.#listings.limit));
      await this.#directory(child, joinPath(path, child.name), [...above, entry]);
    }
    await this.#leaves(
      entries.filter(({ type }) => type !== "d"),
      path,
    );
  }

  /** The entries of a directory that can be restored; `undefined` when it cannot be read. */
  async #enter(
    entry: DirEntry,
    path: string,
    above: readonly DirEntry[],
  ): Promise<readonly DirEntry[] | undefined> {
    try {
      assertDepth(path, above.length);
      if (above.some(({ object }) => object === entry.object))
        throw new SejfError("SEJF_CORRUPT", `the directory ${path} lies inside itself`);
      const { entries } = await this.#listings.get(entry.object);
      const seen = new Set<string>();
      return entries.filter((child) => this.#isUsable(child, path, seen));
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      this.#tally.fail(path, error);
      return undefined;
    }
  }

  #isUsable({ name, type }: DirEntry, path: string, seen: Set<string>): boolean {
    const problem = seen.has(name)
      ? "its directory holds a second entry of this name"
      : !isPlainName(name)
        ? "its name is not possible on this system"
        : type !== "d" && type !== "f" && type !== "s"
          ? `it has the unknown type ${JSON.stringify(type.slice(0, 20))}`
          : undefined;
    seen.add(name);
    if (problem !== undefined) this.#tally.corrupt(joinPath(path, name), problem);
    return problem === undefined;
  }

  /** Files and symlinks of a directory, in their order. */
  async #leaves(entries: readonly DirEntry[], directory: string): Promise<void> {
    const load = async (
      entry: DirEntry,
      signal: AbortSignal,
    ): Promise<(() => Promise<void>) | undefined> => {
      const path = joinPath(directory, entry.name);
      try {
        if (entry.type !== "s") {
          const file = await this.#load(entry, path, signal);
          return async () => await this.#file(file);
        }
        const target = await readLinkTarget(this.#repository, entry.object, { signal });
        return async () => {
          await this.#writer.symlink(path, this.#shown(entry), nameBytes(target));
          this.#tally.counters.symlinks++;
        };
      } catch (error) {
        if (!(error instanceof SejfError)) throw error;
        return () => Promise.reject(error);
      }
    };
    let index = 0;
    for await (const write of mapConcurrent(entries, FILES_AHEAD, load, this.#stop.signal)) {
      const entry = entries[index++];
      try {
        await write?.();
      } catch (error) {
        if (!(error instanceof SejfError) || entry === undefined) throw error;
        this.#tally.fail(joinPath(directory, entry.name), error);
      }
      if (index % PROGRESS_FILES === 0) this.#tally.tellProgress();
    }
    this.#tally.tellProgress();
  }

  async #load(entry: DirEntry, path: string, signal: AbortSignal): Promise<LoadedFile> {
    const { contents } = this.#repository;
    const { object, sizeBytes } = entry;
    if (sizeBytes <= SMALL_BYTES) {
      const data = await readObject(contents, object, SMALL_BYTES, { signal });
      if (data.length !== sizeBytes) throw wrongSize(path, data.length, sizeBytes);
      return { path, entry, data };
    }
    const reader = await openObject(contents, object, { signal });
    if (reader.sizeBytes !== sizeBytes) throw wrongSize(path, reader.sizeBytes, sizeBytes);
    return { path, entry, data: this.#stream(reader, path) };
  }

  /** A failure in here is no SejfError any more for those who would ignore one. */
  async *#stream(reader: ObjectReader, path: string): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* reader.stream({ signal: this.#stop.signal });
    } catch (error) {
      throw new BrokenArchive(errorFromUnknown(error, `restoring ${path}`));
    }
  }

  async #file({ path, entry, data }: LoadedFile): Promise<void> {
    await this.#writer.file(path, this.#shown(entry), data);
    this.#tally.file(entry.sizeBytes);
  }

  /** The entry with the attributes that are wanted. */
  #shown(entry: DirEntry): DirEntry {
    const { skipOwners, skipPermissions, skipTimes } = this.#options;
    return {
      ...entry,
      ...(skipOwners === true ? { uid: 0, gid: 0 } : {}),
      ...(skipPermissions === true ? { mode: entry.type === "d" ? 0o755 : 0o644 } : {}),
      ...(skipTimes === true ? { mtimeNs: 0n } : {}),
    };
  }
}

/** Part of a file is in the archive already. */
class BrokenArchive extends Error {
  constructor(cause: SejfError) {
    super(cause.message, { cause });
  }
}

function wrongSize(path: string, found: number, expected: number): SejfError {
  return new SejfError("SEJF_CORRUPT", `${path} is ${found} bytes, its directory says ${expected}`);
}
