/** Directory listings, some fetched before they are asked for. */
import type { CallOptions } from "../bytes/index.ts";
import type { ObjectId } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { listDirectory } from "./tree.ts";
import type { Directory, DirEntry } from "./types.ts";

const LIMIT = 16;

export class ListingAhead {
  /** So many are fetched at once. */
  readonly limit: number = LIMIT;
  readonly #repository: Repository;
  readonly #options: CallOptions;
  readonly #fetching: Map<ObjectId, Promise<Directory>> = new Map();

  constructor(repository: Repository, options: CallOptions) {
    this.#repository = repository;
    this.#options = options;
  }

  /** Begins to fetch these directories, as far as the limit goes. Failures are met by who asks for the listing. */
  ahead(directories: readonly Pick<DirEntry, "object">[]): void {
    for (const { object } of directories) {
      if (this.#fetching.size >= LIMIT) return;
      if (this.#fetching.has(object)) continue;
      const listing = listDirectory(this.#repository, object, this.#options);
      listing.catch(() => undefined);
      this.#fetching.set(object, listing);
    }
  }

  /** The listing is not wanted any more: makes room for another. */
  forget(object: ObjectId): void {
    this.#fetching.delete(object);
  }

  /** @throws as `listDirectory`. */
  async get(object: ObjectId): Promise<Directory> {
    const listing = this.#fetching.get(object);
    if (listing === undefined) return await listDirectory(this.#repository, object, this.#options);
    this.#fetching.delete(object);
    return await listing;
  }
}
