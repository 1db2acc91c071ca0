/** A directory that is being restored: counted down until its children are there and its attributes can be set. */
import type { LocalName } from "../format/index.ts";
import type { Directory, DirEntry } from "./types.ts";

export class RestoreNode {
  readonly parent: RestoreNode | undefined;
  readonly entry: DirEntry;
  readonly local: LocalName;
  /** Below the restored root, empty for itself. */
  readonly path: string;
  readonly depth: number;
  /** Being fetched before its turn. */
  listing: Promise<Directory> | undefined;
  /** Children under way, and 1 while it is being listed. */
  open = 1;

  constructor(parent: RestoreNode | undefined, entry: DirEntry, local: LocalName, path: string) {
    this.parent = parent;
    this.entry = entry;
    this.local = local;
    this.path = path;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
  }
}
