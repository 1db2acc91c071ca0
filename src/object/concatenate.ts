/** Joining objects without reading their data: the rows of all seek tables in one. Spec: kopia-snapshots 1.2. */
import { SejfError } from "../errors/index.ts";
import type { ContentReader, ContentWriter } from "../format/index.ts";
import { type ObjectId, parseObjectId, tableOf } from "./object-id.ts";
import { openObject, tableRows } from "./read.ts";
import type { SeekTableRow } from "./seek-table.ts";
import { type AssembleOptions, writeTable } from "./write.ts";

/**
 * One object with the bytes of all, in order, without reading their data. One object stays itself.
 * @throws SEJF_INVALID_ARGUMENT without any; what reading a seek table throws.
 */
export async function concatenateObjects(
  contents: ContentReader & ContentWriter,
  objects: readonly ObjectId[],
  options: AssembleOptions,
): Promise<ObjectId> {
  const only = objects[0];
  if (only === undefined) throw new SejfError("SEJF_INVALID_ARGUMENT", "nothing to concatenate");
  if (objects.length === 1) return only;
  const rows: SeekTableRow[] = [];
  let startBytes = 0;
  for (const object of objects) {
    const parts =
      parseObjectId(object).indirection > 0
        ? tableRows(contents, tableOf(object), options)
        : singleRow(contents, object, options);
    const begin = startBytes;
    for await (const part of parts)
      for (const row of part) {
        rows.push({ ...row, startBytes: begin + row.startBytes });
        startBytes = begin + row.startBytes + row.lengthBytes;
      }
  }
  return await writeTable(contents, rows, rows.length, options);
}

async function* singleRow(
  contents: ContentReader,
  object: ObjectId,
  options: AssembleOptions,
): AsyncGenerator<readonly SeekTableRow[], void, void> {
  const { sizeBytes } = await openObject(contents, object, options);
  yield [{ startBytes: 0, lengthBytes: sizeBytes, object }];
}
