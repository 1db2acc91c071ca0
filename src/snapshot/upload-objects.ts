/** The objects that an upload writes besides the contents of files: directories, and tables of the pieces of files. */
import type { ContentPiece } from "../format/index.ts";
import { type ObjectId, objectFromPieces, writeObject } from "../object/index.ts";
import { metadataCompressor } from "./compression-choice.ts";
import { directoryChunks, encodeDirectory } from "./directory.ts";
import type { Policy } from "./policy.ts";
import type { Directory } from "./types.ts";
import type { DirectoryNode } from "./upload-node.ts";
import type { UploadSettings } from "./upload-settings.ts";

/** Directories with more entries are encoded piece by piece. */
const SMALL_DIRECTORY_ENTRIES = 1024;

type Target = Pick<UploadSettings, "contents" | "format">;

export async function storeDirectory(
  { contents, format }: Target,
  directory: Directory,
  node: DirectoryNode,
): Promise<ObjectId> {
  const compressor = metadataCompressor(node.policy.policy);
  const source =
    directory.entries.length <= SMALL_DIRECTORY_ENTRIES
      ? encodeDirectory(directory)
      : directoryChunks(directory);
  const { id } = await writeObject(contents, source, {
    format,
    prefix: "k",
    compressor,
    metadataCompressor: compressor,
  });
  return id;
}

export function storePieces(
  { contents, format }: Target,
  pieces: readonly ContentPiece[],
  policy: Policy,
): Promise<ObjectId> {
  return objectFromPieces(contents, pieces, {
    format,
    prefix: "",
    metadataCompressor: metadataCompressor(policy),
  });
}
