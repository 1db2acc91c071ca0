/** Manifests: labelled JSON items, kept in contents with the prefix `m`. */
export { openManifests } from "./store.ts";
export type {
  CompactingManifestStore,
  ContentLister,
  Labels,
  Manifest,
  ManifestChange,
  ManifestDamage,
  ManifestId,
  ManifestMetadata,
  ManifestStore,
  ManifestStoreOptions,
} from "./types.ts";
export { newestOf } from "./newest.ts";
