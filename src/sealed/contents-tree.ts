/**
 * `contents/`: a tree of plain Kopia directories that names every content a sealed snapshot reaches, so that servers
 * and other programs keep them without a key. Cuts follow the IDs, so unchanged regions give the same leaves. Spec: sealed 5.
 */
import { goJson, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import type { ContentId } from "../format/index.ts";

const MIN_LEAF = 16;
const MAX_LEAF = 1024;
const EPOCH = "1970-01-01T00:00:00Z";

/** One content, by first occurrence. */
export interface ListedContent {
  readonly id: ContentId;
  /** Bytes of ciphertext. */
  readonly sizeBytes: number;
}

/** Kopia's summary of a directory. */
export interface TreeSummary {
  readonly size: number;
  readonly files: number;
  readonly symlinks: 0;
  readonly dirs: number;
  readonly maxTime: string;
  readonly numFailed: 0;
}

/** A directory that was stored. */
export interface StoredDirectory {
  readonly id: ContentId;
  readonly summary: TreeSummary;
}

/** Stores a directory's bytes under the prefix `k`, and gives its content ID. */
export type StoreDirectory = (bytes: OwnedBytes) => Promise<ContentId>;

interface Entry {
  readonly size: number;
  /** IDs need no escape. */
  readonly json: string;
}

/**
 * Stores leaves while contents come in; `finish` stores the levels above and gives the one that is left. Of the
 * contents it keeps the IDs only, to list each once.
 */
export class ContentsTreeBuilder {
  readonly #store: StoreDirectory;
  readonly #seen = new Set<string>();
  #leaf: ListedContent[] = [];
  readonly #leaves: StoredDirectory[] = [];

  constructor(store: StoreDirectory) {
    this.#store = store;
  }

  /** Contents so far. */
  get count(): number {
    return this.#seen.size;
  }

  /** In the order of the walk; what was added before is left out. A promise only where there is something to wait for. */
  add(content: ListedContent): Promise<void> | undefined {
    if (this.#seen.has(content.id)) return undefined;
    this.#seen.add(content.id);
    this.#leaf.push(content);
    return isCutAfter(content.id, this.#leaf.length) ? this.#closeLeaf() : undefined;
  }

  async finish(): Promise<StoredDirectory> {
    if (this.#leaf.length > 0 || this.#leaves.length === 0) await this.#closeLeaf();
    let level: readonly StoredDirectory[] = this.#leaves;
    while (level.length > 1) level = await this.#levelAbove(level);
    return level[0] as StoredDirectory;
  }

  async #closeLeaf(): Promise<void> {
    const leaf = this.#leaf.toSorted((a, b) => compare(a.id, b.id));
    this.#leaf = [];
    const entries = leaf.map(({ id, sizeBytes }) => ({
      size: sizeBytes,
      json: `{"name":"${id}","type":"f","mode":"0600","size":${sizeBytes},"obj":"${id}"}`,
    }));
    this.#leaves.push(await this.#directory(entries, 0, entries.length));
  }

  async #levelAbove(level: readonly StoredDirectory[]): Promise<readonly StoredDirectory[]> {
    const above: StoredDirectory[] = [];
    let group: StoredDirectory[] = [];
    const close = async (): Promise<void> => {
      const children = group.toSorted((a, b) => compare(a.id, b.id));
      group = [];
      let dirs = 0;
      let files = 0;
      const entries = children.map(({ id, summary }) => {
        dirs += summary.dirs;
        files += summary.files;
        const json = goJson({ name: id, type: "d", mode: "0700", obj: id, summ: summary });
        return { size: summary.size, json };
      });
      above.push(await this.#directory(entries, dirs, files));
    };
    // The same leaf twice in one level would be two entries of one name: contents are unique, so leaves are too.
    for (const child of level) {
      group.push(child);
      if (isCutAfter(child.id, group.length)) await close();
    }
    if (group.length > 0) await close();
    return above;
  }

  async #directory(
    entries: readonly Entry[],
    dirsBelow: number,
    files: number,
  ): Promise<StoredDirectory> {
    const size = entries.reduce((sum, entry) => sum + entry.size, 0);
    const summary: TreeSummary = {
      size,
      files,
      symlinks: 0,
      dirs: dirsBelow + 1,
      maxTime: EPOCH,
      numFailed: 0,
    };
    const list = entries.map(({ json }) => json).join(",");
    const listing = `{"stream":"kopia:directory","entries":[${list}],"summary":${goJson(summary)}}`;
    const id = await this.#store(utf8ToBytes(`${listing}\n`));
    return { id, summary };
  }
}

/** After an ID whose hash begins with a zero byte, once there are enough; at the maximum in any case. */
function isCutAfter(id: ContentId, count: number): boolean {
  // Behind the prefix, which makes the length odd.
  return count >= MAX_LEAF || (count >= MIN_LEAF && id.startsWith("00", id.length % 2));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
