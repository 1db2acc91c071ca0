/** Names of files by directory, each directory's as one string, which a message carries far cheaper than an array. */
import type { LocalName } from "../../format/index.ts";

/** Names of one directory: joined by `/` where all are text without it. */
export interface NameGroup {
  readonly directory: LocalName;
  readonly names: string | readonly LocalName[];
}

/** A file of a batch, with its directory. */
export interface Placed<F> {
  readonly directory: LocalName;
  readonly file: F;
}

/** Groups of neighbours in one directory; the order of all is kept. */
export function groupNames(files: readonly Placed<{ readonly name: LocalName }>[]): NameGroup[] {
  const groups: NameGroup[] = [];
  let first = 0;
  for (let i = 1; i <= files.length; i++) {
    const directory = files[first]!.directory;
    if (i < files.length && files[i]!.directory === directory) continue;
    const names = files.slice(first, i).map(({ file }) => file.name);
    // A name with the separator is passed on as it is and fails where names are checked.
    const joinable = names.every((name) => typeof name === "string" && !name.includes("/"));
    groups.push({ directory, names: joinable ? names.join("/") : names });
    first = i;
  }
  return groups;
}

/** The names of a group, in order. */
export function namesOf(group: NameGroup): readonly LocalName[] {
  return typeof group.names === "string" ? group.names.split("/") : group.names;
}
