/** Rewriting snapshots without what is broken or not wanted. Spec: kopia-snapshots 6.3. */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import type { ObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { metadataCompressor } from "./compression-choice.ts";
import { compileGlob } from "./fix-glob.ts";
import { writeStub } from "./fix-stub.ts";
import { editSnapshot } from "./manifest-edit.ts";
import { effectivePolicy } from "./policies.ts";
import { type RewriteRules, TreeRewriter } from "./rewrite-tree.ts";
import type { DirEntry, SnapshotManifest } from "./types.ts";

/** `stub`: a file that tells what happened; `keep`: as it is; `remove`: nothing; `fail`: gives up. */
export type InvalidHandling = "stub" | "keep" | "remove" | "fail";

/** Which entries are taken out of the tree, and what stands there instead. */
export interface FixRules {
  /** Why an entry is taken out; `undefined` when it stays. */
  readonly reasonToRemove: (entry: DirEntry) => string | undefined;
  readonly onRemove: InvalidHandling;
  readonly onUnreadableDirectory: Exclude<InvalidHandling, "remove">;
  /** An entry is taken out. In a directory that several snapshots share it is told once. */
  readonly onRemoved?: ((path: string, reason: string) => void) | undefined;
  /** A directory cannot be read. */
  readonly onUnreadable?: ((path: string, reason: string) => void) | undefined;
}

/** Entries by object ID or by the pattern of their name. @throws SEJF_INVALID_ARGUMENT. */
export function removalOf(
  objects: readonly string[],
  patterns: readonly string[],
): FixRules["reasonToRemove"] {
  const wanted = new Set(objects);
  const globs = patterns.map(compileGlob);
  return ({ name, object }) =>
    wanted.has(object) || globs.some((glob) => glob.test(name)) ? "it was asked for" : undefined;
}

/** Files and symlinks that a verification found broken. */
export function brokenEntries(
  isBroken: (object: ObjectId) => boolean,
  reasons: ReadonlyMap<ObjectId, string>,
): FixRules["reasonToRemove"] {
  return ({ type, object }) =>
    type !== "d" && isBroken(object)
      ? (reasons.get(object) ?? "its contents cannot be read")
      : undefined;
}

export interface FixedSnapshot {
  readonly snapshot: SnapshotManifest;
  /** The same as the snapshot's where nothing changed. */
  readonly rootEntry: DirEntry | undefined;
  readonly changed: boolean;
  /** A new one where a changed snapshot was saved. */
  readonly id: ManifestId;
}

/**
 * Rewrites the trees one after another. With `commit` the manifest of a changed one is saved anew and the old one
 * deleted, pending until the repository is flushed; without, only the new directories are written.
 * @throws SEJF_CORRUPT and others where the handling is `fail`.
 */
export async function* fixSnapshots(
  repository: Repository,
  snapshots: readonly SnapshotManifest[],
  rules: FixRules,
  options: CallOptions & {
    readonly commit: boolean;
    /** It is that snapshot's turn. */
    readonly onSnapshot?: ((snapshot: SnapshotManifest) => void) | undefined;
  },
): AsyncGenerator<FixedSnapshot, void, void> {
  const { signal, commit } = options;
  const rewriters = new Map<number | undefined, TreeRewriter>();
  for (const snapshot of snapshots) {
    const { id, rootEntry, source } = snapshot;
    options.onSnapshot?.(snapshot);
    if (rootEntry === undefined) {
      yield { snapshot, rootEntry, changed: false, id };
      continue;
    }
    const policy = await effectivePolicy(repository.manifests, source, { signal });
    const compressor = metadataCompressor(policy);
    const rewriter =
      rewriters.get(compressor) ??
      new TreeRewriter(repository, treeRules(repository, rules, compressor, { signal }), {
        signal,
      });
    rewriters.set(compressor, rewriter);
    const root = await rewriter.rewriteRoot(rootEntry);
    const changed = root !== rootEntry;
    const save = changed && commit;
    const newId = save ? await editSnapshot(repository, id, { rootEntry: root }, { signal }) : id;
    yield { snapshot, rootEntry: root, changed, id: newId };
  }
}

function treeRules(
  repository: Repository,
  rules: FixRules,
  compressor: RewriteRules["metadataCompressor"],
  options: CallOptions,
): RewriteRules {
  return {
    metadataCompressor: compressor,
    async rewrite(path, entry): Promise<DirEntry | undefined> {
      const reason = rules.reasonToRemove(entry);
      if (reason === undefined) return entry;
      rules.onRemoved?.(path, reason);
      switch (rules.onRemove) {
        case "stub":
          return await writeStub(repository, entry, reason, options);
        case "keep":
          return entry;
        case "remove":
          return undefined;
        case "fail":
          throw new SejfError("SEJF_CORRUPT", `${path}: ${reason}`);
      }
    },
    async onUnreadable(path, entry, error): Promise<DirEntry> {
      rules.onUnreadable?.(path, error.message);
      switch (rules.onUnreadableDirectory) {
        case "stub":
          return await writeStub(repository, entry, error.message, options);
        case "keep":
          return entry;
        case "fail":
          throw error;
      }
    },
  };
}
