/**
 * Kopia's repository format, portable: the format blob and its keys, the codec of contents and blobs, indexes,
 * packs, sessions and epochs; and the interfaces through which contents are read and written.
 */
export {
  type ContentId,
  type ContentPrefix,
  contentHashBytes,
  contentIdOf,
  contentIdToKey,
  contentPrefix,
  isContentId,
  keyToContentId,
  parseContentId,
} from "./content-id.ts";
export type * from "./contents.ts";
export {
  compareEntries,
  type EntryRank,
  type IndexEntry,
  isHiddenByWatermark,
} from "./index-entry.ts";
export * from "./signatures.ts";
