import type { CompactingManifestStore, ManifestStoreOptions } from "./types.ts";

/** Costs nothing until the first item is asked for. */
export declare function openManifests(options: ManifestStoreOptions): CompactingManifestStore;
