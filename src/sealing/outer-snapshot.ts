/**
 * A sealed snapshot as the repository below sees it: a Kopia manifest without names, and a root directory with the
 * sealed body, the signed head and the list of contents. Spec: sealed 5.
 */
import {
  bytesToUtf8,
  type CallOptions,
  goJson,
  type OwnedBytes,
  utf8ToBytes,
} from "../bytes/index.ts";
import { compressorByName } from "../compress/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ContentRef, parseContentId } from "../format/index.ts";
import type { StoredDirectory, TreeSummary } from "../sealed/index.ts";
import type { SealedContents } from "./sealed-contents.ts";

const EPOCH = "1970-01-01T00:00:00Z";
const MAX_BODY_BYTES = 16 << 20;
const BODY_NAME = "snapshot.age";
const HEAD_NAME = "head.json";
const CONTENTS_NAME = "contents";

/** Of `user@host:/sealed/…`. */
export interface OuterSource {
  readonly username: string;
  readonly hostname: string;
  readonly path: string;
}

export interface OuterParts {
  readonly body: Uint8Array;
  /** Absent in a checkpoint. */
  readonly head: string | undefined;
  readonly contents: StoredDirectory;
}

export interface OuterManifestOptions {
  readonly source: OuterSource;
  readonly startTime: string;
  readonly endTime: string;
  readonly incomplete: string | undefined;
  readonly pins: readonly string[];
}

/** Stores one of Kopia's directories as it is, asking for light compression. */
export async function storeDirectory(
  contents: SealedContents,
  bytes: Uint8Array,
): Promise<ContentRef> {
  const compressor = compressorByName("zstd-fastest", contents.compression).id;
  return await contents.writePlain(bytes, { prefix: "k", compressor });
}

/** Stores the root directory, and gives the manifest's JSON. */
export async function writeOuterSnapshot(
  contents: SealedContents,
  parts: OuterParts,
  { source, startTime, endTime, incomplete, pins }: OuterManifestOptions,
  options: CallOptions = {},
): Promise<object> {
  const files: object[] = [];
  let size = parts.contents.summary.size;
  const file = async (name: string, bytes: Uint8Array): Promise<void> => {
    const obj = await contents.writePlain(bytes, { prefix: "", signal: options.signal });
    files.push({ name, type: "f", mode: "0600", size: bytes.byteLength, mtime: startTime, obj });
    size += bytes.byteLength;
  };
  if (parts.head !== undefined) await file(HEAD_NAME, utf8ToBytes(parts.head));
  await file(BODY_NAME, parts.body);
  const summary: TreeSummary = {
    size,
    files: parts.contents.summary.files + files.length,
    symlinks: 0,
    dirs: parts.contents.summary.dirs + 1,
    maxTime: EPOCH,
    numFailed: 0,
  };
  const list = {
    name: CONTENTS_NAME,
    type: "d",
    mode: "0700",
    mtime: startTime,
    obj: parts.contents.id,
    summ: parts.contents.summary,
  };
  const listing = { stream: "kopia:directory", entries: [list, ...files], summary };
  const obj = await storeDirectory(contents, utf8ToBytes(`${goJson(listing)}\n`));
  return {
    id: "",
    source: { host: source.hostname, userName: source.username, path: source.path },
    description: "",
    startTime,
    endTime,
    ...(incomplete === undefined ? {} : { incomplete }),
    rootEntry: { name: "sealed", type: "d", mode: "0700", mtime: startTime, obj, summ: summary },
    ...(pins.length === 0 ? {} : { pins }),
  };
}

/** What a reader finds in the root directory. */
export interface FoundParts {
  readonly body: OwnedBytes;
  readonly head: string | undefined;
  /** Content ID of `contents/`. */
  readonly contents: ContentRef;
}

/** @throws SEJF_CORRUPT when it is not the root of a sealed snapshot. */
export async function readOuterSnapshot(
  contents: SealedContents,
  id: string,
  manifest: unknown,
  options: CallOptions = {},
): Promise<FoundParts> {
  const root = objectOf(manifest, "rootEntry");
  if (root === undefined) throw notSealed(id, "has no root");
  const listing = await readListing(contents, id, root, options);
  const named = new Map(listing.map(({ name, obj }) => [name, obj]));
  const body = named.get(BODY_NAME);
  const list = named.get(CONTENTS_NAME);
  if (body === undefined || list === undefined)
    throw notSealed(id, `has no ${body === undefined ? BODY_NAME : CONTENTS_NAME}`);
  const head = named.get(HEAD_NAME);
  const read = async (obj: string): Promise<OwnedBytes> => {
    const bytes = await contents.readPlain(plainRef(id, obj), options);
    if (bytes.length > MAX_BODY_BYTES) throw notSealed(id, "has a part of absurd length");
    return bytes;
  };
  return {
    body: await read(body),
    head: head === undefined ? undefined : bytesToUtf8(await read(head)),
    contents: plainRef(id, list),
  };
}

/** Every content in a stored `contents/`, with its length, a directory at a time. @throws SEJF_CORRUPT. */
export async function* readContentsTree(
  contents: SealedContents,
  id: string,
  directory: ContentRef,
  options: CallOptions = {},
  depth = 0,
): AsyncGenerator<readonly { readonly name: string; readonly size: number }[], void, void> {
  if (depth > 8) throw notSealed(id, "has a list of contents that is too deep");
  const entries = await readListing(contents, id, directory, options);
  yield entries.filter(({ type }) => type !== "d");
  for (const { type, obj } of entries)
    if (type === "d") yield* readContentsTree(contents, id, plainRef(id, obj), options, depth + 1);
}

/** The summary of a stored `contents/`; `undefined` when it has none that we would have written. */
export async function readContentsSummary(
  contents: SealedContents,
  id: string,
  directory: ContentRef,
  options: CallOptions = {},
): Promise<TreeSummary | undefined> {
  const { summary } = await readDirectory(contents, id, directory, options);
  const { size, files, dirs } = (summary ?? {}) as Readonly<Record<string, unknown>>;
  if (![size, files, dirs].every(Number.isSafeInteger)) return undefined;
  return {
    size: Number(size),
    files: Number(files),
    symlinks: 0,
    dirs: Number(dirs),
    maxTime: EPOCH,
    numFailed: 0,
  };
}

interface ListingEntry {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly obj: string;
}

async function readListing(
  contents: SealedContents,
  id: string,
  directory: string,
  options: CallOptions,
): Promise<readonly ListingEntry[]> {
  const { entries } = await readDirectory(contents, id, directory, options);
  return (entries ?? []).map((entry) => ({
    name: String(entry?.["name"]),
    type: String(entry?.["type"]),
    size: Number(entry?.["size"] ?? 0),
    obj: String(entry?.["obj"]),
  }));
}

interface FoundDirectory {
  readonly entries?: readonly (Readonly<Record<string, unknown>> | null)[] | null;
  readonly summary?: unknown;
}

async function readDirectory(
  contents: SealedContents,
  id: string,
  directory: string,
  options: CallOptions,
): Promise<FoundDirectory> {
  const bytes = await contents.readPlain(plainRef(id, directory), options);
  let found: unknown;
  try {
    found = JSON.parse(bytesToUtf8(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  if (typeof found !== "object" || found === null || !areEntries((found as FoundDirectory).entries))
    throw notSealed(id, "has a directory that is not readable");
  return found;
}

function areEntries(entries: unknown): boolean {
  return entries === undefined || entries === null || Array.isArray(entries);
}

function objectOf(manifest: unknown, field: string): string | undefined {
  if (typeof manifest !== "object" || manifest === null || !(field in manifest)) return undefined;
  const entry = (manifest as Readonly<Record<string, unknown>>)[field];
  return typeof entry === "object" && entry !== null && "obj" in entry
    ? String(entry.obj)
    : undefined;
}

function plainRef(id: string, obj: string): ContentRef {
  try {
    return parseContentId(obj) as string as ContentRef;
  } catch {
    throw notSealed(id, `names ${JSON.stringify(obj.slice(0, 80))} where a content should be`);
  }
}

function notSealed(id: string, what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `snapshot ${id} ${what}: it is no sealed snapshot`, {
    hint: "it was altered, or another program wrote it",
  });
}
