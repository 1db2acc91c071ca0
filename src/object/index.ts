/** Objects: byte streams of any length made of contents, by seek tables where one content is not enough. */
export { concatenateObjects } from "./concatenate.ts";
export {
  formatObjectId,
  isObjectId,
  MAX_INDIRECTION,
  type ObjectId,
  objectPrefix,
  parseObjectId,
  type ParsedObjectId,
  tableOf,
  toObjectId,
} from "./object-id.ts";
export {
  type ObjectReader,
  objectContents,
  objectPieces,
  openObject,
  readObject,
} from "./read.ts";
export {
  decodeSeekTable,
  encodeSeekTable,
  seekTableChunks,
  type SeekTableRow,
} from "./seek-table.ts";
export { streamDocuments } from "./stream-documents.ts";
export {
  type AssembleOptions,
  type ObjectFormat,
  objectFromPieces,
  type ObjectSource,
  pieceObject,
  type WriteObjectOptions,
  type WrittenObject,
  writeObject,
} from "./write.ts";
