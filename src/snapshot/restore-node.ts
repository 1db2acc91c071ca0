/** A directory that is being restored: counted down until its children are there and its attributes can be set. */
import { assert } from "../errors/index.ts";
import type { LocalName } from "../format/index.ts";
import { type DirectoryHandle, joinLocal } from "../node/index.ts";
import { joinPath } from "./names.ts";
import type { Directory, DirEntry } from "./types.ts";

export class RestoreNode {
  readonly parent: RestoreNode | undefined;
  readonly entry: DirEntry;
  /** For messages; calls go by the handle. */
  readonly shown: LocalName;
  /** Below the restored root, empty for itself. */
  readonly path: string;
  readonly depth: number;
  /** It was there before. */
  readonly existed: boolean;
  /** Names in it that have a placeholder, which goes when they are restored. */
  placeholders: ReadonlySet<string> = new Set();
  /** Being fetched before its turn. */
  listing: Promise<Directory> | undefined;
  /** Children under way, and 1 while it is being listed. */
  open = 1;
  #handle: DirectoryHandle | undefined;

  constructor(place: {
    readonly parent?: RestoreNode;
    readonly entry: DirEntry;
    readonly shown: LocalName;
    readonly path: string;
    readonly existed: boolean;
  }) {
    this.parent = place.parent;
    this.entry = place.entry;
    this.shown = place.shown;
    this.path = place.path;
    this.existed = place.existed;
    this.depth = place.parent === undefined ? 0 : place.parent.depth + 1;
  }

  static below(parent: RestoreNode, entry: DirEntry, existed: boolean): RestoreNode {
    const shown = joinLocal(parent.shown, entry.name);
    return new RestoreNode({
      parent,
      entry,
      shown,
      path: joinPath(parent.path, entry.name),
      existed,
    });
  }

  /** Set while the directory is being filled. */
  get handle(): DirectoryHandle {
    assert(this.#handle !== undefined, "a directory is filled before it is opened");
    return this.#handle;
  }

  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  opened(handle: DirectoryHandle): void {
    this.#handle = handle;
  }

  close(): void {
    this.#handle?.close();
    this.#handle = undefined;
  }

  /** Whether the directory lies inside itself, which only a hostile repository can say. */
  isCycle(): boolean {
    for (let above = this.parent; above !== undefined; above = above.parent)
      if (above.entry.object === this.entry.object) return true;
    return false;
  }
}
