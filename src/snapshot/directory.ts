/** Directory objects. Spec: kopia-snapshots 3.2. */
import { bytesToUtf8, concatBytes, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { decodeEntry, decodeSummary, entryText, summaryText } from "./dir-entry.ts";
import { asArray, asObject, corrupt, shown, unknownMembers, unknownText } from "./json-fields.ts";
import { sortByName } from "./names.ts";
import { type DirectoryChild, plainChildren } from "./plain-listing.ts";
import type { Directory, DirEntry } from "./types.ts";

const STREAM = "kopia:directory";
const MEMBERS = ["stream", "entries", "summary"];
/** Entries are encoded in pieces of about this many characters. */
const CHUNK_CHARACTERS = 1 << 20;

/** Directories first, then the others, each by the bytes of their names; sorts in place. */
export function sortEntries(entries: DirEntry[]): DirEntry[] {
  const directories = entries.filter((entry) => entry.type === "d");
  const others = entries.filter((entry) => entry.type !== "d");
  return [...sortByName(directories), ...sortByName(others)];
}

/** The bytes of a directory object in pieces. Entries are written in the order given: see `sortEntries`. */
export function* directoryChunks(directory: Directory): Generator<OwnedBytes, void, void> {
  const { entries, summary, unknown } = directory;
  let text = `{"stream":"${STREAM}","entries":`;
  let separator = "[";
  for (const entry of entries) {
    text += separator + entryText(entry);
    separator = ",";
    if (text.length >= CHUNK_CHARACTERS) {
      yield utf8ToBytes(text);
      text = "";
    }
  }
  text += entries.length === 0 ? "null" : "]";
  yield utf8ToBytes(
    `${text},"summary":${summary === undefined ? "null" : summaryText(summary)}${unknownText(unknown)}}\n`,
  );
}

/** The bytes of a directory object, which decide its ID. */
export function encodeDirectory(directory: Directory): OwnedBytes {
  return concatBytes(...directoryChunks(directory));
}

/**
 * A directory object with every field of every entry checked: names that no directory can hold are refused here.
 * @throws SEJF_CORRUPT.
 */
export function decodeDirectory(bytes: Uint8Array): Directory {
  return decodeText(bytesToUtf8(bytes));
}

/**
 * Type and object of each entry, of exactly those directories that `decodeDirectory` takes: what a walk accepts others
 * can read. Far cheaper. NOTE: the texts may keep the whole listing in memory.
 * @throws SEJF_CORRUPT.
 */
export function decodeChildren(bytes: Uint8Array): readonly DirectoryChild[] {
  const text = bytesToUtf8(bytes);
  return plainChildren(text) ?? decodeText(text).entries;
}

function decodeText(text: string): Directory {
  const json = asObject(parse(text), "directory");
  if (json["stream"] !== STREAM)
    throw corrupt(`directory has the stream type ${shown(json["stream"])}, expected ${STREAM}`);
  const entries = asArray(json["entries"], "list of entries").map((entry, index) =>
    decodeEntry(entry, `directory entry ${index}`),
  );
  const summary = json["summary"];
  const directory = {
    entries,
    summary:
      summary === undefined || summary === null ? undefined : decodeSummary(summary, "directory"),
  };
  const unknown = unknownMembers(json, MEMBERS);
  return unknown === undefined ? directory : { ...directory, unknown };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", `directory of ${text.length} characters is not JSON`, {
      cause: error,
    });
  }
}
