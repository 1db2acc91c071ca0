/** What a snapshot of a local tree would hold, without reading any file: the walk of an upload, counted. Spec: kopia-snapshots 4.11. */
import type { CallOptions } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import { type DirectoryEntry, joinLocal, readDirectory, statExact } from "../node/index.ts";
import type { LocalName } from "../format/index.ts";
import { dotFilesOf, enterDirectory, type IgnoreContext, isIgnored, NO_RULES } from "./ignore.ts";
import { joinPath, nameOf, sortByName } from "./names.ts";
import type { PolicyTree } from "./policies.ts";
import { isCacheDirectory, readRuleFiles } from "./rule-files.ts";

/** Files of at least this size, up to the next bucket's. */
export interface SizeBucket {
  readonly minBytes: number;
  count: number;
  totalBytes: number;
  readonly examples: { readonly path: string; readonly sizeBytes: number }[];
}

export interface Estimate {
  readonly files: number;
  readonly bytes: number;
  readonly excludedFiles: number;
  readonly excludedBytes: number;
  readonly excludedDirectories: number;
  readonly errors: number;
  readonly ignoredErrors: number;
  /** Biggest first. */
  readonly included: readonly SizeBucket[];
  readonly excluded: readonly SizeBucket[];
  readonly excludedDirectoryExamples: readonly string[];
}

export interface EstimateOptions extends CallOptions {
  /** Of each bucket, and of the excluded directories. */
  readonly maxExamples: number;
  /** A directory is being looked at; `.` is the root. */
  readonly onDirectory?: ((path: string) => void) | undefined;
  readonly onError?: ((path: string, message: string, ignored: boolean) => void) | undefined;
}

interface Directory {
  readonly local: LocalName;
  /** Below the root, empty for the root. */
  readonly path: string;
  readonly device: number;
  readonly policy: PolicyTree;
  readonly ignore: IgnoreContext;
}

/** @throws SEJF_SOURCE when the root is no directory; SEJF_INVALID_ARGUMENT for an ignore rule that cannot be read. */
export function estimateTree(
  root: LocalName,
  policies: PolicyTree,
  options: EstimateOptions,
): Estimate {
  const stat = statExact(root);
  if (stat?.kind !== "directory") throw new SejfError("SEJF_SOURCE", "it is not a directory");
  const estimation = new Estimation(options);
  const { device } = stat;
  estimation.walk({ local: root, path: "", device, policy: policies, ignore: NO_RULES });
  return estimation;
}

/** As `estimateTree`, in steps: whoever takes them does something else in between. */
export function* estimateInSteps(
  root: LocalName,
  policies: PolicyTree,
  options: EstimateOptions,
): Generator<undefined, Estimate, void> {
  const stat = statExact(root);
  if (stat?.kind !== "directory") throw new SejfError("SEJF_SOURCE", "it is not a directory");
  const estimation = new Estimation(options);
  const { device } = stat;
  yield* estimation.steps({ local: root, path: "", device, policy: policies, ignore: NO_RULES });
  return estimation;
}

class Estimation implements Estimate {
  files = 0;
  bytes = 0;
  excludedFiles = 0;
  excludedBytes = 0;
  excludedDirectories = 0;
  errors = 0;
  ignoredErrors = 0;
  readonly included: readonly SizeBucket[] = buckets();
  readonly excluded: readonly SizeBucket[] = buckets();
  readonly excludedDirectoryExamples: string[] = [];
  readonly #options: EstimateOptions;

  constructor(options: EstimateOptions) {
    this.#options = options;
  }

  walk(root: Directory): void {
    for (const _ of this.steps(root)) this.#options.signal?.throwIfAborted();
  }

  /** As `walk`, a directory at a time. */
  *steps(root: Directory): Generator<undefined, void, void> {
    const stack = [root];
    for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
      yield;
      for (const below of this.#enter(directory).reverse()) stack.push(below);
    }
  }

  /** The directories below, in the order of their names. */
  #enter(directory: Directory): Directory[] {
    const { local, path, policy, ignore } = directory;
    this.#options.onDirectory?.(path === "" ? "." : path);
    try {
      const entries = readDirectory(local);
      const names = entries.map(({ name }) => name);
      if (policy.policy.files.ignoreCacheDirs !== false && isCacheDirectory(local, names)) {
        this.#excludeDirectory(path === "" ? "." : path);
        return [];
      }
      const files = policy.own?.files;
      const texts = readRuleFiles(local, names, dotFilesOf(ignore, files));
      const context = enterDirectory(ignore, path === "" ? "" : `/${path}`, files, texts);
      return this.#visit(directory, entries, context);
    } catch (error) {
      if (path === "") throw error;
      const ignored = policy.policy.errorHandling.ignoreDirectoryErrors ?? false;
      this.#fail(path, errorFromUnknown(error, "listing").message, ignored);
      return [];
    }
  }

  #visit(
    directory: Directory,
    entries: readonly DirectoryEntry[],
    context: IgnoreContext,
  ): Directory[] {
    const below: Directory[] = [];
    const named = entries.map((entry) => ({ name: nameOf(entry.name), entry }));
    for (const { name, entry } of sortByName(named)) {
      const { stat } = entry;
      const path = joinPath(directory.path, name);
      const policy = directory.policy.child(name);
      const isDirectory = stat?.kind === "directory";
      if (isIgnored(context, `/${path}`, isDirectory)) {
        if (isDirectory) this.#excludeDirectory(path);
        else this.#excludeFile(path, stat?.sizeBytes ?? 0);
      } else if (stat === undefined) {
        const ignored = policy.policy.errorHandling.ignoreFileErrors ?? false;
        this.#fail(path, entry.error.message, ignored);
      } else if (context.oneFileSystem && stat.device !== directory.device) {
        continue;
      } else if (isDirectory) {
        const local = joinLocal(directory.local, entry.name);
        below.push({ local, path, device: stat.device, policy, ignore: context });
      } else if (context.maxFileSize > 0 && stat.sizeBytes > context.maxFileSize) {
        continue;
      } else if (stat.kind === "file") {
        this.files++;
        this.bytes += stat.sizeBytes;
        this.#sample(this.included, path, stat.sizeBytes);
      }
    }
    return below;
  }

  #excludeDirectory(path: string): void {
    this.excludedDirectories++;
    if (this.excludedDirectoryExamples.length < this.#options.maxExamples)
      this.excludedDirectoryExamples.push(path);
  }

  #excludeFile(path: string, sizeBytes: number): void {
    this.excludedFiles++;
    this.excludedBytes += sizeBytes;
    this.#sample(this.excluded, path, sizeBytes);
  }

  #sample(all: readonly SizeBucket[], path: string, sizeBytes: number): void {
    const bucket = all.find(({ minBytes }) => sizeBytes >= minBytes);
    if (bucket === undefined) return;
    bucket.count++;
    bucket.totalBytes += sizeBytes;
    if (bucket.examples.length < this.#options.maxExamples)
      bucket.examples.push({ path, sizeBytes });
  }

  #fail(path: string, message: string, ignored: boolean): void {
    if (ignored) this.ignoredErrors++;
    else this.errors++;
    this.#options.onError?.(path, message, ignored);
  }
}

/** From 10^15 down to 10^3, and the rest. */
function buckets(): readonly SizeBucket[] {
  const limits = Array.from({ length: 13 }, (_, at) => 10 ** (15 - at));
  return [...limits, 0].map((minBytes) => ({ minBytes, count: 0, totalBytes: 0, examples: [] }));
}
