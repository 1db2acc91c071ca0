/** Opens the contents of a repository. */
import type { DirectContents, DirectContentsOptions } from "./types.ts";

/**
 * Reads the index state and gives the store. Costs a listing of index blobs and the fetching of those not cached.
 * @throws SEJF_CORRUPT for an index blob that cannot be read, SEJF_IO and the storage's own.
 */
export declare function openDirectContents(options: DirectContentsOptions): Promise<DirectContents>;
