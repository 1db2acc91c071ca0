/** Names of a directory as one string, which a message carries far cheaper than an array. */
import type { LocalName } from "../../format/index.ts";
import type { NameColumn } from "./protocol.ts";

/** Text names never hold the separator `/`; a list with others is passed on as it is and fails where it is checked. */
export function packNames(names: readonly LocalName[]): NameColumn {
  const joinable =
    names.length > 0 && names.every((name) => typeof name === "string" && !name.includes("/"));
  return joinable ? names.join("/") : names;
}

export function unpackNames(column: NameColumn): readonly LocalName[] {
  return typeof column === "string" ? column.split("/") : column;
}
