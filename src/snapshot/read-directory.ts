/**
 * Directory objects from a repository. A listing of some size is decoded in parts, so that neither its text nor all of
 * its JSON is ever in memory, and so that one of more text than JavaScript can hold in a string is read like any other.
 */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentReader } from "../format/index.ts";
import {
  type ObjectId,
  openObject,
  parseObjectId,
  readObject,
  streamDocuments,
} from "../object/index.ts";
import { decodeDirectory } from "./directory.ts";
import type { Directory, DirEntry } from "./types.ts";

/** Longer listings are decoded in parts; a content of the usual splitters is never longer. */
const WHOLE_BYTES = 16 << 20;
/** A content is never longer, whatever it says of itself. */
const MAX_CONTENT_BYTES = 2 ** 28;
/** What a heap of some gigabytes holds. */
const MAX_ENTRIES = 10_000_000;

export interface ReadDirectoryLimits {
  readonly wholeBytes?: number | undefined;
  readonly maxEntries?: number | undefined;
}

/**
 * The entries of a directory object; that it is one by its name is not asked. `limits` are for tests.
 * @throws SEJF_CORRUPT, SEJF_CONTENT_NOT_FOUND, SEJF_BLOB_NOT_FOUND; SEJF_UNSUPPORTED for more than ten million entries.
 */
export async function readDirectory(
  contents: ContentReader,
  object: ObjectId,
  options: CallOptions = {},
  limits: ReadDirectoryLimits = {},
): Promise<Directory> {
  const { wholeBytes = WHOLE_BYTES, maxEntries = MAX_ENTRIES } = limits;
  if (parseObjectId(object).indirection === 0)
    return decodeDirectory(await readObject(contents, object, MAX_CONTENT_BYTES, options));
  const reader = await openObject(contents, object, options);
  if (reader.sizeBytes <= wholeBytes)
    return decodeDirectory(await reader.readRange(0, reader.sizeBytes, options));
  const entries: DirEntry[] = [];
  let rest: Directory = { entries, summary: undefined };
  for await (const document of streamDocuments("directory", reader.stream(options))) {
    rest = decodeDirectory(document);
    if (entries.length + rest.entries.length > maxEntries) {
      throw new SejfError(
        "SEJF_UNSUPPORTED",
        `directory ${object} has more than ${maxEntries} entries`,
        {
          hint: "`show` writes its JSON, and all other directories of the snapshot can be restored",
        },
      );
    }
    for (const entry of rest.entries) entries.push(entry);
  }
  return { ...rest, entries };
}
