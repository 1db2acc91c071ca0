/** Files of a restore as jobs for the content layer, and what comes of them. */
import { type CallOptions, mapConcurrent } from "../bytes/index.ts";
import { type ErrorCode, SejfError } from "../errors/index.ts";
import type { RestoreFileOptions, RestoreJob, RestoreResult } from "../format/index.ts";
import { objectPieces, parseObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { joinPath } from "./names.ts";
import type { RestoreNode } from "./restore-node.ts";
import { attributesOf } from "./restore-rules.ts";
import type { RestoreTally } from "./restore-tally.ts";
import type { RestoreOptions } from "./restore-types.ts";
import type { DirEntry } from "./types.ts";

const TABLES_AT_ONCE = 8;
const DAMAGED: ReadonlySet<ErrorCode> = new Set([
  "SEJF_BLOB_NOT_FOUND",
  "SEJF_CONTENT_NOT_FOUND",
  "SEJF_CORRUPT",
  "SEJF_RANGE",
]);

/** One file under way. */
interface PendingFile {
  /** `undefined` where a single file is restored. */
  readonly node: RestoreNode | undefined;
  readonly name: string;
  readonly path: string;
}

export interface FinishedFile extends PendingFile {
  readonly ok: boolean;
}

export class RestoreJobs {
  readonly #repository: Repository;
  readonly #options: RestoreOptions;
  readonly #tally: RestoreTally;
  readonly #pending: Map<number, PendingFile> = new Map();
  #next = 0;

  constructor(repository: Repository, options: RestoreOptions, tally: RestoreTally) {
    this.#repository = repository;
    this.#options = options;
    this.#tally = tally;
  }

  /** Jobs for these files of a directory; those whose seek tables cannot be read have failed. */
  async forFiles(
    node: RestoreNode,
    files: readonly DirEntry[],
    options: CallOptions,
  ): Promise<readonly RestoreJob[]> {
    const jobs: RestoreJob[] = [];
    const indirect: DirEntry[] = [];
    for (const entry of files) {
      const { content, compressed, indirection } = parseObjectId(entry.object);
      if (indirection > 0) {
        indirect.push(entry);
        continue;
      }
      const piece = { ref: content, lengthBytes: entry.sizeBytes };
      jobs.push(
        this.#job(node, entry, [compressed ? { ...piece, objectCompressed: true } : piece]),
      );
    }
    const load = async (entry: DirEntry, signal: AbortSignal): Promise<RestoreJob | undefined> => {
      try {
        return this.#job(node, entry, await this.#pieces(entry, { signal }));
      } catch (error) {
        if (!(error instanceof SejfError)) throw error;
        this.#tally.fail(joinPath(node.path, entry.name), error);
        return undefined;
      }
    };
    for await (const job of mapConcurrent(indirect, TABLES_AT_ONCE, load, options.signal))
      if (job !== undefined) jobs.push(job);
    return jobs;
  }

  /** The job of the only file that is restored. `path` is for messages. */
  async forSingle(entry: DirEntry, path: string, options: CallOptions): Promise<RestoreJob> {
    return this.#newJob(
      { node: undefined, name: entry.name, path },
      entry,
      await this.#pieces(entry, options),
      true,
    );
  }

  /** Counts a result. @throws when the file failed and failures are not to be ignored. */
  finish(result: RestoreResult): FinishedFile {
    const pending = this.#pending.get(result.job);
    if (pending === undefined)
      throw new SejfError("SEJF_WORKER", `a result for the unknown job ${result.job}`);
    this.#pending.delete(result.job);
    if (result.ok) this.#tally.file(result.sizeBytes);
    else {
      this.#tally.fail(pending.path, failureOf(result, pending.path), pending.node?.handle);
    }
    return { ...pending, ok: result.ok };
  }

  async #pieces(entry: DirEntry, options: CallOptions): Promise<RestoreJob["pieces"]> {
    const { contents } = this.#repository;
    return (await objectPieces(contents, entry.object, entry.sizeBytes, options)).pieces;
  }

  #job(node: RestoreNode, entry: DirEntry, pieces: RestoreJob["pieces"]): RestoreJob {
    node.open++;
    const path = joinPath(node.path, entry.name);
    return this.#newJob({ node, name: entry.name, path }, entry, pieces, node.existed);
  }

  #newJob(
    pending: PendingFile,
    entry: DirEntry,
    pieces: RestoreJob["pieces"],
    existed: boolean,
  ): RestoreJob {
    const job = this.#next++;
    this.#pending.set(job, pending);
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
}

/** With the file that it is about, and what can be done where the repository is damaged. */
function failureOf(
  { code, message }: { readonly code: ErrorCode; readonly message: string },
  path: string,
): SejfError {
  const text = message.startsWith("restoring ") ? message : `restoring ${path}: ${message}`;
  if (!DAMAGED.has(code)) return new SejfError(code, text);
  // A pack that ends too early is damaged, however it is read.
  return new SejfError(code === "SEJF_RANGE" ? "SEJF_CORRUPT" : code, text, {
    hint: "`snapshot verify` shows all that is damaged; with --ignore-errors everything else is restored",
  });
}
