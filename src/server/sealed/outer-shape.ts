/**
 * The plain part of a sealed snapshot as it has to be: root directory, signed head, tree of contents; nothing more, so
 * that nothing readable comes in with it. SECURITY: written by a client, read before its snapshot counts. Spec: sealed 5.
 */
import { bytesToUtf8 } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import { type ContentId, contentPrefix, parseContentId } from "../../format/index.ts";

export interface OuterRoot {
  readonly body: ContentId;
  /** Absent in a checkpoint. */
  readonly head: ContentId | undefined;
  readonly contents: ContentId;
}

/** One directory of the tree: of contents, or of directories. */
export interface ContentsDirectory {
  readonly files: readonly ContentId[];
  readonly directories: readonly ContentId[];
}

export const MAX_HEAD_BYTES: number = 1 << 20;
export const MAX_BODY_BYTES: number = 16 << 20;
/** Of the root and of any directory of the tree. */
export const MAX_DIRECTORY_BYTES: number = 1 << 20;

const BODY = "snapshot.age";
const HEAD = "head.json";
const CONTENTS = "contents";
const EPOCH = "1970-01-01T00:00:00Z";
const MAX_ENTRIES = 1024;

type Fields = Readonly<Record<string, unknown>>;

/** @throws SEJF_INVALID_ARGUMENT for anything else than a root directory of a sealed snapshot. */
export function decodeOuterRoot(bytes: Uint8Array): OuterRoot {
  const found = new Map<string, ContentId>();
  for (const entry of entriesOf(bytes, "root")) {
    const { name, type, mode } = entry;
    const isList = name === CONTENTS;
    if ((!isList && name !== BODY && name !== HEAD) || found.has(name))
      throw malformed(`the root has an entry ${JSON.stringify(name).slice(0, 80)}`);
    if (type !== (isList ? "d" : "f") || mode !== (isList ? "0700" : "0600"))
      throw malformed(`${name} has another type or mode`);
    onlyHas(entry, ["name", "type", "mode", "mtime", "obj", isList ? "summ" : "size"], name);
    if (isList) assertSummary(entry["summ"]);
    else if (!isCount(entry["size"])) throw malformed(`${name} has no size`);
    const id = contentOf(entry["obj"]);
    if (contentPrefix(id) !== (isList ? "k" : ""))
      throw malformed(`${name} is another kind of object`);
    found.set(name, id);
  }
  const body = found.get(BODY);
  const contents = found.get(CONTENTS);
  if (body === undefined || contents === undefined)
    throw malformed(`the root has no ${body === undefined ? BODY : CONTENTS}`);
  return { body, contents, head: found.get(HEAD) };
}

/** @throws SEJF_INVALID_ARGUMENT for anything else than a directory of contents, or of such directories. */
export function decodeContentsDirectory(bytes: Uint8Array): ContentsDirectory {
  const entries = entriesOf(bytes, "list of contents");
  if (entries.length > MAX_ENTRIES)
    throw malformed(`a list of contents has ${entries.length} entries`);
  const files: ContentId[] = [];
  const directories: ContentId[] = [];
  let last = "";
  for (const entry of entries) {
    const { name, type, mode } = entry;
    const isDirectory = type === "d";
    onlyHas(entry, ["name", "type", "mode", "obj", isDirectory ? "summ" : "size"], name);
    if (entry["obj"] !== name || mode !== (isDirectory ? "0700" : "0600") || name <= last)
      throw malformed("an entry of the list of contents is not what it should be");
    last = name;
    const id = contentOf(name);
    const prefix = contentPrefix(id);
    if (isDirectory) {
      assertSummary(entry["summ"]);
      if (prefix !== "k") throw malformed("a part of the list of contents is no directory");
      directories.push(id);
    } else {
      const isKnown = prefix === "" || prefix === "k" || prefix === "x";
      if (type !== "f" || !isKnown || !isCount(entry["size"]))
        throw malformed("the list of contents names what is no content");
      files.push(id);
    }
  }
  if (files.length > 0 && directories.length > 0)
    throw malformed("a list names contents and lists of contents together");
  return { files, directories };
}

function entriesOf(
  bytes: Uint8Array,
  what: string,
): readonly (Fields & { readonly name: string; readonly type: unknown; readonly mode: unknown })[] {
  const json = parse(bytes, what);
  onlyHas(json, ["stream", "entries", "summary"], `the ${what}`);
  const entries = json["entries"];
  if (json["stream"] !== "kopia:directory" || !Array.isArray(entries))
    throw malformed(`the ${what} is no directory`);
  assertSummary(json["summary"]);
  return entries.map((entry: unknown) => {
    const fields = fieldsOf(entry, what);
    const { name } = fields as { readonly name: unknown };
    if (typeof name !== "string") throw malformed(`an entry of the ${what} has no name`);
    return { ...fields, name, type: fields["type"], mode: fields["mode"] };
  });
}

function parse(bytes: Uint8Array, what: string): Fields {
  let json: unknown;
  try {
    json = JSON.parse(bytesToUtf8(bytes));
  } catch {
    throw malformed(`the ${what} is not JSON`);
  }
  return fieldsOf(json, what);
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw malformed(`the ${what} is malformed`);
}

function onlyHas(fields: Fields, names: readonly string[], what: string): void {
  for (const name of Object.keys(fields))
    if (!names.includes(name)) throw malformed(`${what} has a field too many`);
}

function assertSummary(value: unknown): void {
  const fields = fieldsOf(value, "summary");
  onlyHas(fields, ["size", "files", "symlinks", "dirs", "maxTime", "numFailed"], "a summary");
  const { size, files, dirs, symlinks, numFailed, maxTime } = fields as Record<string, unknown>;
  const isFine =
    isCount(size) && isCount(files) && isCount(dirs) && symlinks === 0 && numFailed === 0;
  if (!isFine || maxTime !== EPOCH) throw malformed("a summary says more than it may");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function contentOf(text: unknown): ContentId {
  try {
    return parseContentId(typeof text === "string" ? text : "");
  } catch (error) {
    if (!isSejfError(error)) throw error;
    throw malformed("an entry names no content");
  }
}

function malformed(why: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", `this is no sealed snapshot: ${why}`);
}
