/**
 * After problems were found: which of the roots they lie below. Objects were looked at once each, but many snapshots may
 * share them, so the trees are walked again, each directory once; what is known to be whole below is not entered.
 */
import type { CallOptions } from "../bytes/index.ts";
import { IdSet } from "../format/index.ts";
import { errorFromUnknown } from "../errors/index.ts";
import { type ObjectId, objectPieces, parseObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { ListingAhead } from "./listing-ahead.ts";
import { joinPath } from "./names.ts";
import { assertDepth } from "./tree.ts";
import type { DirEntry } from "./types.ts";
import type { VerifyTally } from "./verify-tally.ts";
import type { HurtRoot, VerifyRoot } from "./verify-types.ts";

export class HurtSearch {
  readonly #repository: Repository;
  readonly #tally: VerifyTally;
  readonly #call: CallOptions;
  readonly #listings: ListingAhead;
  /** Directories and files with nothing broken in them. */
  readonly #whole: IdSet = new IdSet();
  /** Broken objects in a directory and below. */
  readonly #damage: Map<ObjectId, number> = new Map();

  constructor(repository: Repository, tally: VerifyTally, options: CallOptions) {
    this.#repository = repository;
    this.#tally = tally;
    this.#call = { signal: options.signal };
    this.#listings = new ListingAhead(repository, this.#call);
  }

  /** Also reports files that share a content with one that could not be read. */
  async run(roots: readonly VerifyRoot[]): Promise<readonly HurtRoot[]> {
    const hurt: HurtRoot[] = [];
    for (const root of roots) {
      const damaged = await this.#inEntry(root, root.label, root.entry, 0);
      if (damaged > 0) hurt.push({ root, damaged });
    }
    return hurt;
  }

  async #inEntry(root: VerifyRoot, path: string, entry: DirEntry, depth: number): Promise<number> {
    if (this.#tally.isBroken(entry.object)) return 1;
    if (entry.type !== "d") return (await this.#isBrokenFile(root, path, entry)) ? 1 : 0;
    const known = this.#damage.get(entry.object);
    if (known !== undefined) return known;
    return this.#whole.has(entry.object) ? 0 : await this.#inDirectory(root, path, entry, depth);
  }

  async #inDirectory(
    root: VerifyRoot,
    path: string,
    { object }: DirEntry,
    depth: number,
  ): Promise<number> {
    this.#call.signal?.throwIfAborted();
    let damaged = 0;
    try {
      assertDepth(path, depth);
      const { entries } = await this.#listings.get(object);
      const below = entries.filter(({ type, object: child }) => type === "d" && this.#isNew(child));
      for (const [at, entry] of below.entries()) {
        this.#listings.ahead(below.slice(at, at + this.#listings.limit));
        damaged += await this.#inEntry(root, joinPath(path, entry.name), entry, depth + 1);
        this.#listings.forget(entry.object);
      }
      const counted = new Set(below);
      for (const entry of entries) {
        if (!counted.has(entry))
          damaged += await this.#inEntry(root, joinPath(path, entry.name), entry, depth + 1);
      }
    } catch (error) {
      this.#call.signal?.throwIfAborted();
      const { code, message } = errorFromUnknown(error, "listing");
      const text = `directory ${object} cannot be read: ${message}`;
      this.#tally.report(root, { path, object, code, message: text });
      return 1;
    }
    if (damaged > 0) this.#damage.set(object, damaged);
    else this.#whole.add(object);
    return damaged;
  }

  #isNew(object: ObjectId): boolean {
    return !(this.#damage.has(object) || this.#whole.has(object) || this.#tally.isBroken(object));
  }

  async #isBrokenFile(root: VerifyRoot, path: string, { object }: DirEntry): Promise<boolean> {
    if (this.#tally.brokenContents.size === 0) return false;
    const { indirection, content } = parseObjectId(object);
    if (indirection === 0) {
      if (!this.#tally.hasBrokenContent(content)) return false;
    } else {
      if (this.#whole.has(object)) return false;
      const { contents } = this.#repository;
      const { pieces } = await objectPieces(contents, object, undefined, this.#call);
      if (!pieces.some(({ ref }) => this.#tally.hasBrokenContent(ref))) {
        this.#whole.add(object);
        return false;
      }
    }
    const message = `object ${object} holds a content that cannot be read`;
    this.#tally.report(root, { path, object, code: "SEJF_CORRUPT", message });
    return true;
  }
}
