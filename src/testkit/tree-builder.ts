/** Trees in a memory repository, sound ones and such as only a hostile writer makes. */
import { utf8ToBytes } from "../bytes/index.ts";
import { writeObject } from "../object/index.ts";
import { entryText } from "../snapshot/dir-entry.ts";
import { type DirEntry, encodeDirectory, sortEntries, summaryOf } from "../snapshot/index.ts";
import type { MemoryRepository } from "./memory-repository.ts";

/** The time of all that is made here. */
export const TIME = 1_767_323_045_123_456_789n;

export async function file(
  repository: MemoryRepository,
  name: string,
  data: string | Uint8Array,
  mode = 0o640,
): Promise<DirEntry> {
  const { id, sizeBytes } = await writeObject(repository.contents, data, {
    format: repository.parameters,
    prefix: "",
  });
  return { name, type: "f", mode, sizeBytes, mtimeNs: TIME, uid: 0, gid: 0, object: id };
}

export async function link(
  repository: MemoryRepository,
  name: string,
  target: string,
): Promise<DirEntry> {
  return { ...(await file(repository, name, target)), type: "s" };
}

/** A directory with these entries, as the encoder writes them, or with a JSON of its own. */
export async function directory(
  repository: MemoryRepository,
  name: string,
  entries: readonly DirEntry[],
  json?: string,
): Promise<DirEntry> {
  const summary = summaryOf(entries, TIME);
  const bytes =
    json === undefined
      ? encodeDirectory({ entries: sortEntries([...entries]), summary })
      : utf8ToBytes(json);
  const { id } = await writeObject(repository.contents, bytes, {
    format: repository.parameters,
    prefix: "k",
  });
  return {
    name,
    type: "d",
    mode: 0o750,
    sizeBytes: 0,
    mtimeNs: TIME - 5n,
    uid: 0,
    gid: 0,
    object: id,
    summary,
  };
}

export function raw(entries: readonly DirEntry[]): string {
  return `{"stream":"kopia:directory","entries":[${entries.map(entryText).join(",")}]}\n`;
}
