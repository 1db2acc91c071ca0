/**
 * What there is of an upload that is still going on, or was stopped: every directory as far as it has come, and of
 * files that are being read what is stored of them. Their contents are then referred to, so that they are not
 * collected and the next run finds them. Spec: kopia-snapshots 4.6.
 */
import { randomUUID } from "node:crypto";
import { sortEntries } from "./directory.ts";
import type { DirEntry } from "./types.ts";
import type { FilesUnderWay, UnfinishedFile } from "./upload-files.ts";
import type { DirectoryNode } from "./upload-node.ts";
import { storeDirectory, storePieces } from "./upload-objects.ts";
import type { UploadSettings } from "./upload-settings.ts";
import { readEntry } from "./upload-walk.ts";

/** Entries of unfinished files by their directory; `undefined` has that of a single-file snapshot. */
export type UnfinishedEntries = ReadonlyMap<DirectoryNode | undefined, readonly DirEntry[]>;

/** Under another name than the file's, so that it is no earlier version of it. */
export function checkpointedName(name: string): string {
  return `.checkpointed.${name}.${randomUUID()}`;
}

/** Writes what is stored of each file as an object of its own. */
export async function storeUnfinished(
  settings: UploadSettings,
  files: FilesUnderWay,
): Promise<UnfinishedEntries> {
  const entries = new Map<DirectoryNode | undefined, DirEntry[]>();
  for (const unfinished of files.unfinished()) {
    const { node } = unfinished.file;
    const entry = await storeFile(settings, unfinished);
    const others = entries.get(node);
    if (others === undefined) entries.set(node, [entry]);
    else others.push(entry);
  }
  return entries;
}

async function storeFile(
  settings: UploadSettings,
  { file, pieces }: UnfinishedFile,
): Promise<DirEntry> {
  const { entryName, expected } = file;
  const sizeBytes = pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  const object = await storePieces(settings, pieces, file.policy);
  return readEntry(checkpointedName(entryName), "f", expected, sizeBytes, object);
}

/** A directory as far as it has come, and its children, as an incomplete directory of its own. */
export async function checkpointOf(
  settings: UploadSettings,
  node: DirectoryNode,
  unfinished: UnfinishedEntries,
): Promise<DirEntry> {
  const children: DirEntry[] = [];
  for (const child of Array.from(node.active))
    children.push(await checkpointOf(settings, child, unfinished));
  // It may have been finished meanwhile.
  if (node.done !== undefined) return node.done;
  const present = new Set(node.entries.map((entry) => entry.name));
  const added = children.filter((child) => !present.has(child.name));
  added.push(...(unfinished.get(node) ?? []));
  const summary = node.summaryWith(added, "checkpoint");
  const entries = sortEntries([...node.entries, ...added]);
  return node.entry(await storeDirectory(settings, { entries, summary }, node), summary);
}
