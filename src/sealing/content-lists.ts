/**
 * The list of all contents of a snapshot that is being put, as directories. Where the tree is that of the last snapshot,
 * which is still there, its list is taken as it is; else the tree is walked. Spec: sealed 5.
 */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ContentId, type ContentRef, parseContentId } from "../format/index.ts";
import type { Labels, ManifestStore } from "../manifest/index.ts";
import { toObjectId } from "../object/index.ts";
import { ContentsTreeBuilder, splitReference, type StoredDirectory } from "../sealed/index.ts";
import { walkContents } from "./contents-walk.ts";
import { readContentsSummary, readContentsTree, storeDirectory } from "./outer-snapshot.ts";
import type { SealedContents } from "./sealed-contents.ts";
import type { LastSnapshot, LastSnapshots } from "./sealed-snapshots.ts";

/** Kinds of contents that are listings and tables. */
const METADATA = /^[kx]/;

interface Root {
  readonly type: string;
  readonly obj: string;
}

export interface ContentListsOptions {
  readonly contents: SealedContents;
  readonly manifests: ManifestStore;
  readonly last: LastSnapshots;
  /** Listings, tables and directories of the snapshot that is being put, by its blinded path. */
  readonly onListed?: ((path: string, ids: ReadonlySet<string>) => void) | undefined;
}

export class ContentLists {
  readonly #options: ContentListsOptions;

  constructor(options: ContentListsOptions) {
    this.#options = options;
  }

  /** Every content of the tree once, stored as directories. @throws SEJF_CONTENT_NOT_FOUND when the tree has a hole. */
  async list(root: Root, labels: Labels, options: CallOptions): Promise<StoredDirectory> {
    const path = String(labels["path"]);
    const before = this.#options.last.get(path);
    if (before === undefined) return await this.#walk(root, path, options);
    const same = await this.#sameAs(before, root, labels, options);
    if (same !== undefined) return same;
    await this.#rememberSizes(before, options);
    return await this.#walk(root, path, options);
  }

  /** A snapshot that is there keeps all that it lists. */
  async #sameAs(
    before: LastSnapshot,
    root: Root,
    labels: Labels,
    options: CallOptions,
  ): Promise<StoredDirectory | undefined> {
    const { contents, manifests } = this.#options;
    const { rootEntry } = JSON.parse(before.manifest) as { readonly rootEntry?: Root | null };
    if (rootEntry?.obj !== root.obj || rootEntry.type !== root.type) return undefined;
    const stored = await manifests.find(labels, options);
    if (!stored.some(({ id }) => id === before.id)) return undefined;
    const id = parseContentId(before.contents);
    const summary = await ifThere(options, () =>
      readContentsSummary(contents, before.id, id as string as ContentRef, options),
    );
    return summary === undefined ? undefined : { id, summary };
  }

  async #walk(root: Root, path: string, options: CallOptions): Promise<StoredDirectory> {
    const { contents } = this.#options;
    const listings = new Set<string>();
    const builder = new ContentsTreeBuilder(async (bytes) => {
      const ref = await storeDirectory(contents, bytes);
      listings.add(ref);
      return ref as string as ContentId;
    });
    const tree = { type: root.type, object: toObjectId(root.obj) };
    for await (const page of walkContents(contents, tree, options))
      for (const ref of page) {
        const { id } = splitReference(ref);
        if (METADATA.test(id)) listings.add(id);
        const sizeBytes = contents.knownSize(id) ?? (await contents.sealedSize(id, options));
        const storing = builder.add({ id, sizeBytes });
        if (storing !== undefined) await storing;
      }
    const list = await builder.finish();
    this.#options.onListed?.(path, listings);
    return list;
  }

  /** Sizes of known contents come from the last list; where it is gone, each is asked for. */
  async #rememberSizes(before: LastSnapshot, options: CallOptions): Promise<void> {
    const { contents } = this.#options;
    const list = parseContentId(before.contents) as string as ContentRef;
    await ifThere(options, async () => {
      for await (const page of readContentsTree(contents, before.id, list, options))
        for (const { name, size } of page) contents.rememberSize(parseContentId(name), size);
    });
  }
}

/** `undefined` when it was deleted since. */
async function ifThere<R>(options: CallOptions, read: () => Promise<R>): Promise<R | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof SejfError) || options.signal?.aborted === true) throw error;
    return undefined;
  }
}
