/**
 * What a set of snapshots reaches, for one account: rebuilt from the repository when it is first asked for, brought up to
 * date with the snapshots that came since, and thrown away as a whole when contents may have gone, by deletion or because
 * the storage was put back. Then every content is looked up again before it counts.
 */
import { type CallOptions, Mutex } from "../../bytes/index.ts";
import { isSejfError, type SejfError } from "../../errors/index.ts";
import { type ContentId, type ContentRef, IdSet, MANIFEST_PREFIX } from "../../format/index.ts";
import type { ManifestId, ManifestMetadata } from "../../manifest/index.ts";
import { decodeSnapshot, type DirectoryChild, type DirEntry } from "../../snapshot/index.ts";
import { TreeWalk, type WalkRules } from "./tree-walk.ts";
import type { HeldRepository } from "./types.ts";

export interface ViewOptions {
  readonly repository: HeldRepository;
  /** The snapshots that count; called once for each generation. */
  readonly find: () => Promise<readonly ManifestMetadata[]>;
  /** A snapshot, or something in it, that cannot be read; the others count all the same. */
  readonly onBroken: (id: ManifestId, error: SejfError) => void;
}

export interface AcceptRules {
  readonly mayTake: (id: ContentId) => boolean | Promise<boolean>;
  /** Told of each content that is held from now on because `mayTake` allowed it, with its bytes. */
  readonly onTaken: (id: ContentId, lengthBytes: number) => void;
  /** Asked first. */
  readonly sent: SentLately;
}

/** What the account sent lately. */
export interface SentLately {
  /** The bytes of a content that may be taken and is there at this moment, known without a look. */
  readonly presentLength: (id: ContentId) => number | undefined;
  /** One of them, of so many bytes, is held from now on. */
  readonly onHeld: (lengthBytes: number) => void;
}

/** A directory some of whose children may not have come yet. */
export interface WaitingListing {
  readonly id: ContentId;
  readonly children: readonly DirectoryChild[];
  /** So many of the first ones are held. */
  taken: number;
}

export class View {
  readonly #options: ViewOptions;
  readonly #turns = new Mutex();
  /** There since the last losses, and reached. */
  #held = new IdSet();
  #heldBytes = 0;
  /** Held before the last losses, until all is looked at again. */
  #before: IdSet | undefined;
  #complete = new IdSet();
  #walked = new Set<ManifestId>();
  #losses: number | undefined;
  #generation: number | undefined;

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Of all that is held, each content once; to be asked when the view is fresh. */
  get lengthBytes(): number {
    return this.#heldBytes;
  }

  get memoryBytes(): number {
    const before = this.#before?.memoryBytes ?? 0;
    return before + this.#held.memoryBytes + this.#complete.memoryBytes;
  }

  /** The snapshots that were looked at. */
  get walked(): ReadonlySet<ManifestId> {
    return this.#walked;
  }

  /** Whether `has` may be believed, of what is not there too. */
  isFresh(generation: number): boolean {
    return this.#generation === generation && this.#losses === this.#contents.losses;
  }

  /** `find` gives more from now on. */
  expectMore(): void {
    this.#generation = undefined;
  }

  /** The hash of one without prefix, or its ID. */
  has(id: ContentId | Uint8Array): boolean {
    return this.#held.has(id) || this.#before?.has(id) === true;
  }

  /** Nothing that is held has been lost: more can be added. */
  get isCurrent(): boolean {
    return this.#losses === this.#contents.losses;
  }

  /** For which everything that is held counts. */
  get losses(): number | undefined {
    return this.#losses;
  }

  /**
   * Takes what the listing names, one after the other, as long as that is held or may be taken without a look. True when
   * nothing is left, here and below: then the listing is complete. Only for a view that is current.
   */
  takeListing(listing: WaitingListing, sent: SentLately): boolean {
    const { id, children } = listing;
    const isTaken = (ref: ContentRef): boolean =>
      this.#takePresent(ref, sent) !== undefined || this.#held.has(ref);
    for (; listing.taken < children.length; listing.taken++) {
      const { type, object } = children[listing.taken]!;
      const isInOne = type !== "d" && isOneContent(object);
      if (!(isInOne ? isTaken(object) : this.#complete.has(object))) return false;
    }
    if (!isTaken(id as string as ContentRef)) return false;
    this.#complete.add(id);
    return true;
  }

  /** `generation` grows whenever snapshots may have come or gone. */
  async catchUp(generation: number, options: CallOptions): Promise<void> {
    await this.#turns.run(async () => await this.#catchUp(generation, options));
  }

  /**
   * Everything below the root is there, and was reached before or may be taken.
   * @throws SEJF_CONTENT_NOT_FOUND, SEJF_CORRUPT.
   */
  async accept(
    root: DirEntry,
    generation: number,
    rules: AcceptRules,
    options: CallOptions,
  ): Promise<void> {
    await this.#turns.run(async () => {
      const take = async (refs: readonly ContentRef[]): Promise<ReadonlySet<ContentRef>> =>
        await this.#take(refs, rules, options);
      const takeAtOnce = (ref: ContentRef): number | undefined =>
        this.#takePresent(ref, rules.sent);
      // SECURITY: a storage that was put back under a running server is noticed here, or the snapshot would name what is gone.
      await this.#contents.refresh(options);
      await this.#catchUp(generation, options);
      await this.#walk(root, { take, takeAtOnce }, options);
    });
  }

  get #contents(): HeldRepository["contents"] {
    return this.#options.repository.contents;
  }

  async #catchUp(generation: number, options: CallOptions): Promise<void> {
    if (this.isFresh(generation)) return;
    this.#forgetWhatMayBeGone();
    const found = await this.#options.find();
    const present = new Set(found.map(({ id }) => id));
    // The newest first: what is asked for next is most likely there.
    for (const { id } of found.toReversed()) {
      if (this.#walked.has(id)) continue;
      await this.#readSnapshot(id, options);
      this.#walked.add(id);
    }
    for (const id of this.#walked) if (!present.has(id)) this.#walked.delete(id);
    this.#before = undefined;
    this.#generation = generation;
  }

  #forgetWhatMayBeGone(): void {
    const { losses } = this.#contents;
    if (losses === this.#losses) return;
    // An interrupted look keeps the wider one.
    this.#before ??= this.#held;
    this.#held = new IdSet();
    this.#heldBytes = 0;
    this.#complete = new IdSet();
    this.#walked = new Set();
    this.#losses = losses;
    this.#generation = undefined;
  }

  /** What the snapshot reaches counts as far as it is there. */
  async #readSnapshot(id: ManifestId, options: CallOptions): Promise<void> {
    try {
      const { data } = await this.#options.repository.manifests.get(id, options);
      const { rootEntry } = decodeSnapshot(id, data);
      const take = async (refs: readonly ContentRef[]): Promise<ReadonlySet<ContentRef>> => {
        const missing = new Set<ContentRef>();
        const open = refs.filter((ref) => !this.#held.has(ref));
        const lengths = await this.#contents.lengths(open.map(idOf), options);
        for (const [i, ref] of open.entries()) {
          const lengthBytes = ref.startsWith(MANIFEST_PREFIX) ? -1 : (lengths[i] ?? -1);
          if (lengthBytes < 0) missing.add(ref);
          else this.#hold(ref, lengthBytes);
        }
        return missing;
      };
      const onBroken = (error: SejfError): void => this.#options.onBroken(id, error);
      if (rootEntry !== undefined) await this.#walk(rootEntry, { take, onBroken }, options);
    } catch (error) {
      const isBroken =
        isSejfError(error, "SEJF_CORRUPT") || isSejfError(error, "SEJF_MANIFEST_NOT_FOUND");
      if (!isBroken) throw error;
      this.#options.onBroken(id, error);
    }
  }

  /** Nothing is complete of a tree in which something is broken: the next walk looks at all of it again. */
  async #walk(root: DirEntry, rules: WalkRules, options: CallOptions): Promise<void> {
    let broken = 0;
    const { onBroken } = rules;
    const counting = (error: SejfError): void => {
      broken++;
      onBroken?.(error);
    };
    const known = { held: this.#held, complete: this.#complete };
    const walk = new TreeWalk(
      this.#contents,
      known,
      { ...rules, onBroken: onBroken === undefined ? undefined : counting },
      options,
    );
    await walk.run(root);
    if (broken === 0) known.complete.addAll(walk.visited);
  }

  /** Those that may not be taken, or are not there. */
  async #take(
    refs: readonly ContentRef[],
    rules: AcceptRules,
    options: CallOptions,
  ): Promise<ReadonlySet<ContentRef>> {
    const refused = new Set<ContentRef>();
    const allowed: ContentId[] = [];
    for (const ref of refs) {
      if (this.#held.has(ref)) continue;
      const answer = rules.mayTake(idOf(ref));
      if (answer === true || (answer !== false && (await answer))) allowed.push(idOf(ref));
      else refused.add(ref);
    }
    // SECURITY: only now is it looked whether they are there.
    const lengths = await this.#contents.lengths(allowed, options);
    for (const [i, id] of allowed.entries()) {
      let lengthBytes = lengths[i];
      if (lengthBytes === undefined || lengthBytes < 0)
        lengthBytes = await this.#revived(id, options);
      const ref = id as string as ContentRef;
      if (lengthBytes === undefined) refused.add(ref);
      else {
        this.#hold(ref, lengthBytes);
        rules.onTaken(id, lengthBytes);
      }
    }
    return refused;
  }

  /** Its bytes, when it was sent lately and is there: it is held from now on. */
  #takePresent(ref: ContentRef, sent: SentLately): number | undefined {
    const lengthBytes = sent.presentLength(idOf(ref));
    if (lengthBytes !== undefined && this.#held.add(ref)) {
      this.#heldBytes += lengthBytes;
      sent.onHeld(lengthBytes);
    }
    return lengthBytes;
  }

  /** One that was not held. */
  #hold(ref: ContentRef, lengthBytes: number): void {
    this.#held.add(ref);
    this.#heldBytes += lengthBytes;
  }

  /** A content marked as deleted that somebody sends or uses again becomes live: its bytes, when it can be had. */
  async #revived(id: ContentId, options: CallOptions): Promise<number | undefined> {
    const info = await this.#contents.info(id, options);
    if (info === undefined) return undefined;
    try {
      await this.#contents.undelete(id, options);
      return info.originalLength;
    } catch (error) {
      // Its pack was removed already, or is damaged: it has to be sent again.
      if (isSejfError(error, "SEJF_BLOB_NOT_FOUND") || isSejfError(error, "SEJF_CORRUPT"))
        return undefined;
      throw error;
    }
  }
}

/** Its bytes are those of one content, as they are. */
function isOneContent(object: string): object is ContentRef {
  return /^[g-z0-9a-f]/.test(object);
}

/** Directories of a repository that is not sealed name contents by their IDs. */
function idOf(ref: ContentRef): ContentId {
  return ref as string as ContentId;
}
