/**
 * Seek tables: one line of JSON that says which object holds which range of a larger one.
 * Spec: kopia-snapshots 1.2. The bytes are hashed, so the encoder follows Go's to the letter.
 */
import { bytesToUtf8, concatBytes, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { isObjectId, type ObjectId } from "./object-id.ts";

/** `[startBytes, startBytes + lengthBytes)` of the whole lies in `object`, which has exactly that length. */
export interface SeekTableRow {
  readonly startBytes: number;
  /** 0 for the last part of a file whose size is a multiple of the part size. */
  readonly lengthBytes: number;
  readonly object: ObjectId;
}

/** Rows that one object may have in all its tables: 32 TiB at the smallest usual mean of 2 MiB. */
export const MAX_ROWS: number = 16 * 1024 * 1024;
/** Rows are encoded in pieces of about this many characters. */
const CHUNK_CHARACTERS = 1 << 18;

/** The bytes of a table, in pieces: a table of a large file is never held whole. */
export function* seekTableChunks(rows: Iterable<SeekTableRow>): Generator<OwnedBytes, void, void> {
  let text = `{"stream":"kopia:indirect","entries":`;
  let separator = "[";
  for (const { startBytes, lengthBytes, object } of rows) {
    const start = startBytes === 0 ? "" : `"s":${startBytes},`;
    const length = lengthBytes === 0 ? "" : `"l":${lengthBytes},`;
    text += `${separator}{${start}${length}"o":"${object}"}`;
    separator = ",";
    if (text.length >= CHUNK_CHARACTERS) {
      yield utf8ToBytes(text);
      text = "";
    }
  }
  yield utf8ToBytes(`${text}]}\n`);
}

export function encodeSeekTable(rows: Iterable<SeekTableRow>): OwnedBytes {
  return concatBytes(...seekTableChunks(rows));
}

/** At least one row, contiguous from 0, or from where an earlier part of the table ended. @throws SEJF_CORRUPT. */
export function decodeSeekTable(bytes: Uint8Array, startBytes = 0): readonly SeekTableRow[] {
  const entries = parseEntries(bytes);
  if (entries.length === 0 || entries.length > MAX_ROWS)
    throw corrupt(`has ${entries.length} rows`);
  const rows: SeekTableRow[] = [];
  let end = startBytes;
  for (const entry of entries) {
    const row = decodeRow(entry, rows.length);
    if (row.startBytes !== end)
      throw corrupt(`row ${rows.length} starts at ${row.startBytes}, expected ${end}`);
    end += row.lengthBytes;
    if (!Number.isSafeInteger(end)) throw corrupt(`ends at ${end}`);
    rows.push(row);
  }
  return rows;
}

function parseEntries(bytes: Uint8Array): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytesToUtf8(bytes));
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", `seek table of ${bytes.byteLength} bytes is not JSON`, {
      cause: error,
    });
  }
  if (
    typeof parsed !== "object" ||
    parsed === null ||
    !("entries" in parsed) ||
    !Array.isArray(parsed.entries)
  ) {
    throw corrupt("has no entries");
  }
  return parsed.entries as readonly unknown[];
}

function decodeRow(entry: unknown, index: number): SeekTableRow {
  if (typeof entry !== "object" || entry === null) throw corrupt(`row ${index} is not an object`);
  const {
    s = 0,
    l = 0,
    o,
  } = entry as { readonly s?: unknown; readonly l?: unknown; readonly o?: unknown };
  if (!isLength(s) || !isLength(l))
    throw corrupt(`row ${index} has the start ${String(s)} and the length ${String(l)}`);
  if (typeof o !== "string" || !isObjectId(o)) throw corrupt(`row ${index} has no object ID`);
  return { startBytes: s, lengthBytes: l, object: o };
}

function isLength(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function corrupt(what: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `seek table ${what}`);
}
