/**
 * Every content that a sealed tree reaches, in the order of `contents/`: data, then the seek tables above it; what is
 * in a directory, then its listing. Spec: sealed 5.
 */
import { bytesToUtf8, type CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentReader, ContentRef } from "../format/index.ts";
import { objectContents, type ObjectId, readObject, toObjectId } from "../object/index.ts";

/** As deep as trees can be made. */
const MAX_DEPTH = 10_000;
const MAX_LISTING_BYTES = 1 << 30;

/** References in pages; one may come more than once. The root is a directory or a file. @throws SEJF_CORRUPT. */
export async function* walkContents(
  contents: ContentReader,
  root: { readonly type: string; readonly object: ObjectId },
  options: CallOptions = {},
): AsyncGenerator<readonly ContentRef[], void, void> {
  if (root.type === "d") yield* walkDirectory(contents, root.object, 0, options);
  else yield* ownContents(contents, root.object, options);
}

async function* walkDirectory(
  contents: ContentReader,
  object: ObjectId,
  depth: number,
  options: CallOptions,
): AsyncGenerator<readonly ContentRef[], void, void> {
  if (depth > MAX_DEPTH)
    throw new SejfError("SEJF_CORRUPT", `directories lie more than ${MAX_DEPTH} deep`);
  let page: ContentRef[] = [];
  for (const { type, obj } of await readEntries(contents, object, options)) {
    options.signal?.throwIfAborted();
    if (type !== "d" && !obj.startsWith("I")) {
      page.push(contentOf(obj));
      continue;
    }
    yield page;
    page = [];
    if (type === "d") yield* walkDirectory(contents, obj, depth + 1, options);
    else yield* ownContents(contents, obj, options);
  }
  yield page;
  yield* ownContents(contents, object, options);
}

/** Data first, then its tables. */
async function* ownContents(
  contents: ContentReader,
  object: ObjectId,
  options: CallOptions,
): AsyncGenerator<readonly ContentRef[], void, void> {
  if (!object.startsWith("I")) {
    yield [contentOf(object)];
    return;
  }
  let tables: readonly ContentRef[] | undefined;
  for await (const page of objectContents(contents, object, options)) {
    if (tables === undefined) tables = page;
    else yield page;
  }
  yield tables ?? [];
}

/** Without `Z` and the levels of tables, which have been taken off. */
function contentOf(object: string): ContentRef {
  return object.replace(/^Z?D?/, "") as ContentRef;
}

async function readEntries(
  contents: ContentReader,
  object: ObjectId,
  options: CallOptions,
): Promise<readonly { readonly type: string; readonly obj: ObjectId }[]> {
  const text = bytesToUtf8(await readObject(contents, object, MAX_LISTING_BYTES, options));
  try {
    const listing = JSON.parse(text) as {
      readonly entries?: readonly { readonly type: unknown; readonly obj: unknown }[] | null;
    };
    return (listing.entries ?? []).map(({ type, obj }) => ({
      type: String(type),
      obj: toObjectId(String(obj)),
    }));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new SejfError("SEJF_CORRUPT", "a directory of a sealed snapshot is not readable", {
      cause: error,
    });
  }
}
