/**
 * Entering a directory: which entries are stored, which have not changed, which must be read. Synchronous: one call a
 * directory, no promise an entry. Spec: kopia-snapshots 4.3, 4.4, 4.8, 4.9.
 */
import type { CompressorId } from "../compress/index.ts";
import { SejfError } from "../errors/index.ts";
import type { LocalName } from "../format/index.ts";
import { type DirectoryEntry, type EntryStat, joinLocal, readDirectory } from "../node/index.ts";
import { SPLITTERS } from "../splitter/index.ts";
import { compressorOfFile } from "./compression-choice.ts";
import { dotFilesOf, enterDirectory, type IgnoreContext, isIgnored } from "./ignore.ts";
import { displayName, isBrokenName, joinPath, nameOf } from "./names.ts";
import type { Policy } from "./policy.ts";
import { findUnchanged, type PreviousDirectory, previousChildren } from "./previous.ts";
import { isCacheDirectory, readRuleFiles } from "./rule-files.ts";
import type { DirEntry } from "./types.ts";
import { DirectoryNode } from "./upload-node.ts";
import type { UploadTally } from "./upload-tally.ts";

/** A file that must be read. */
export interface FileToRead {
  readonly local: LocalName;
  readonly name: string;
  readonly path: string;
  readonly stat: EntryStat;
  readonly compressor: CompressorId | undefined;
  readonly splitter: string | undefined;
  /** Bytes of a part, where it is read in parts. */
  readonly partBytes: number | undefined;
}

export interface SymlinkToRead {
  readonly local: LocalName;
  readonly name: string;
  readonly path: string;
  readonly stat: EntryStat;
}

/** What is left to do of a directory after its listing; unchanged entries are in the node already. */
export interface EnteredDirectory {
  readonly files: readonly FileToRead[];
  readonly symlinks: readonly SymlinkToRead[];
  readonly directories: readonly DirectoryNode[];
}

export interface WalkSettings {
  readonly tally: UploadTally;
  /** Whether an unchanged file is read all the same. */
  readonly ignoreCache: () => boolean;
  /** A failure of one entry, counted and told. */
  readonly fail: (node: DirectoryNode, path: string, error: SejfError, ignored: boolean) => void;
}

/** @throws SEJF_PERMISSION, SEJF_IO, SEJF_SOURCE, SEJF_INVALID_ARGUMENT: the directory as a whole cannot be stored. */
export function enterNode(
  node: DirectoryNode,
  previous: readonly PreviousDirectory[],
  settings: WalkSettings,
): EnteredDirectory {
  return new DirectoryVisit(node, previous, settings).run();
}

class DirectoryVisit {
  readonly #node: DirectoryNode;
  readonly #previous: readonly PreviousDirectory[];
  readonly #settings: WalkSettings;
  readonly #files: FileToRead[] = [];
  readonly #symlinks: SymlinkToRead[] = [];
  readonly #directories: DirectoryNode[] = [];

  constructor(node: DirectoryNode, previous: readonly PreviousDirectory[], settings: WalkSettings) {
    this.#node = node;
    this.#previous = previous;
    this.#settings = settings;
  }

  run(): EnteredDirectory {
    const node = this.#node;
    const { policy, own } = node.policy;
    const entries = readDirectory(node.local);
    node.compareWith(this.#previous[0]);
    if (policy.files.ignoreCacheDirs !== false && isCacheDirectory(node.local, entries)) {
      this.#settings.tally.exclude(true, 0);
    } else {
      const texts = readRuleFiles(node.local, entries, dotFilesOf(node.ignore, own?.files));
      const context = enterDirectory(
        node.ignore,
        node.path === "" ? "" : `/${node.path}`,
        own?.files,
        texts,
      );
      for (const entry of entries) this.#visit(entry, context);
    }
    return { files: this.#files, symlinks: this.#symlinks, directories: this.#directories };
  }

  #visit({ name: local, stat, error }: DirectoryEntry, context: IgnoreContext): void {
    const node = this.#node;
    const { tally, fail } = this.#settings;
    const name = nameOf(local);
    const path = joinPath(node.path, name);
    if (context.rules.length > 0 && isIgnored(context, `/${path}`, stat?.kind === "directory")) {
      tally.exclude(stat?.kind === "directory", stat?.sizeBytes ?? 0);
      return;
    }
    if (stat === undefined) {
      fail(
        node,
        path,
        error,
        node.policy.child(name).policy.errorHandling.ignoreFileErrors ?? false,
      );
      return;
    }
    if (
      context.maxFileSize > 0 &&
      stat.kind !== "directory" &&
      stat.sizeBytes > context.maxFileSize
    )
      return;
    if (context.oneFileSystem && stat.device !== node.stat.device) return;
    if (isBrokenName(name)) {
      tally.tell({
        kind: "warning",
        path,
        message: `the name is not UTF-8; it is stored as ${JSON.stringify(displayName(name))}`,
      });
    }
    if (stat.kind === "directory") this.#visitDirectory(local, name, path, stat, context);
    else if (stat.kind === "other") this.#visitUnknown(name, path);
    else if (!this.#reuse(name, stat)) this.#mustRead(local, name, path, stat);
  }

  #visitDirectory(
    local: LocalName,
    name: string,
    path: string,
    stat: EntryStat,
    ignore: IgnoreContext,
  ): void {
    const node = this.#node;
    const child = new DirectoryNode({
      parent: node,
      name,
      local: joinLocal(node.local, local),
      path,
      stat,
      policy: node.policy.child(name),
      ignore,
      previousObjects: previousChildren(this.#previous, name),
    });
    this.#directories.push(child);
  }

  #visitUnknown(name: string, path: string): void {
    const { policy } = this.#node.policy.child(name);
    if (policy.errorHandling.ignoreUnknownTypes !== false) return;
    this.#settings.fail(this.#node, path, unknownType(), false);
  }

  #reuse(name: string, stat: EntryStat): boolean {
    const type = stat.kind === "symlink" ? "s" : "f";
    const entry = findUnchanged(this.#previous, name, type, stat);
    const { tally, ignoreCache } = this.#settings;
    if (entry === undefined || ignoreCache()) return false;
    this.#node.add(entry);
    tally.cachedFiles++;
    tally.cachedBytes += entry.sizeBytes;
    tally.step();
    return true;
  }

  #mustRead(local: LocalName, name: string, path: string, stat: EntryStat): void {
    if (stat.kind === "symlink") {
      this.#symlinks.push({ local, name, path, stat });
      return;
    }
    this.#settings.tally.attemptedFiles++;
    this.#files.push(fileToRead(local, name, path, stat, this.#node.policy.child(name).policy));
  }
}

/** How a file is read, by the policy in force for it. */
export function fileToRead(
  local: LocalName,
  name: string,
  path: string,
  stat: EntryStat,
  policy: Policy,
): FileToRead {
  const above = policy.upload.parallelUploadAboveSize ?? -1;
  const algorithm = policy.splitter.algorithm ?? "";
  return {
    local,
    name,
    path,
    stat,
    compressor: compressorOfFile(policy, name, stat.sizeBytes),
    splitter: SPLITTERS.some((one) => one.name === algorithm) ? algorithm : undefined,
    partBytes: above > 0 && stat.sizeBytes > above ? above : undefined,
  };
}

function unknownType(): SejfError {
  return new SejfError("SEJF_SOURCE", "unknown or unsupported entry type");
}

/** The entry of a file or symlink that was read, with the metadata seen at listing time. */
export function readEntry(
  name: string,
  type: "f" | "s",
  stat: EntryStat,
  sizeBytes: number,
  object: DirEntry["object"],
): DirEntry {
  const { mode, mtimeNs, uid, gid } = stat;
  return { name, type, mode: mode & 0o7777, sizeBytes, mtimeNs, uid, gid, object };
}
