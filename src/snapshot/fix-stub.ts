/** What stands in a tree for something that could not be read: a small file that says so. */
import { type CallOptions, goJson } from "../bytes/index.ts";
import { writeObject } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import { entryText } from "./dir-entry.ts";
import type { DirEntry } from "./types.ts";

const NAME_PREFIX = ".INVALID.";

/** Writes the stub's text, pending until a flush; gives its entry with the attributes of the one it replaces. */
export async function writeStub(
  repository: Repository,
  entry: DirEntry,
  error: string,
  options: CallOptions = {},
): Promise<DirEntry> {
  const explanation = {
    info: "sejf put this file in the place of something that could not be read.",
    error,
    entry: JSON.parse(entryText(entry)) as unknown,
  };
  const text = JSON.stringify(JSON.parse(goJson(explanation)), null, 2);
  const { id, sizeBytes } = await writeObject(repository.contents, `${text}\n`, {
    format: repository.parameters,
    prefix: "",
    signal: options.signal,
  });
  const { mode, mtimeNs, uid, gid } = entry;
  const name = `${NAME_PREFIX}${entry.name}`;
  return { name, type: "f", mode, sizeBytes, mtimeNs, uid, gid, object: id };
}
