/**
 * Results of stored files as one block of bytes: cloning an object for each file would cost more than hashing it.
 * Little-endian, one record for each file in order, behind it its pieces.
 *
 *  0 u32 number of pieces; 0: the file failed and nothing follows
 *  4 u32 mode      8 u32 uid      12 u32 gid
 * 16 i64 mtime in ns      24 f64 bytes read      32 f64 of them new
 * 40 pieces: u32 plain length, u8 object-level compression, hash; of sealed ones then u32 sealed length, key
 */
import { SejfError } from "../../errors/index.ts";
import type { ContentPiece, ContentRef, FileResult, LocalStat } from "../../format/index.ts";
import type { PieceOutcome } from "./content-storer.ts";
import { SEAL_KEY_BYTES } from "./protocol.ts";

const HEAD_BYTES = 40;
const PIECE_HEAD_BYTES = 5;
const SEAL_BYTES: number = 4 + SEAL_KEY_BYTES;
const FIRST_BYTES = 32 * 1024;

/** Collects records in a thread. */
export class FileRecordWriter {
  readonly #hashBytes: number;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_BYTES);
  #view: DataView = new DataView(this.#bytes.buffer);
  #length = 0;
  #recordAt = -1;
  #pieces = 0;

  constructor(hashBytes: number) {
    this.#hashBytes = hashBytes;
  }

  /** Begins the record of a file; pieces follow. */
  begin(): void {
    this.#room(HEAD_BYTES);
    this.#recordAt = this.#length;
    this.#length += HEAD_BYTES;
    this.#pieces = 0;
  }

  /** All pieces of a job are sealed, or none. */
  piece({ hash, objectCompressed, seal }: PieceOutcome, lengthBytes: number): void {
    this.#room(PIECE_HEAD_BYTES + this.#hashBytes + SEAL_BYTES);
    this.#view.setUint32(this.#length, lengthBytes, true);
    this.#bytes[this.#length + 4] = objectCompressed ? 1 : 0;
    this.#bytes.set(hash, this.#length + PIECE_HEAD_BYTES);
    this.#length += PIECE_HEAD_BYTES + this.#hashBytes;
    if (seal !== undefined) {
      this.#view.setUint32(this.#length, seal.sealedBytes, true);
      this.#bytes.set(seal.key, this.#length + 4);
      this.#length += SEAL_BYTES;
    }
    this.#pieces++;
  }

  end(sizeBytes: number, newBytes: number, after: LocalStat): void {
    const at = this.#recordAt;
    this.#view.setUint32(at, this.#pieces, true);
    this.#view.setUint32(at + 4, after.mode, true);
    this.#view.setUint32(at + 8, after.uid, true);
    this.#view.setUint32(at + 12, after.gid, true);
    this.#view.setBigInt64(at + 16, after.mtimeNs, true);
    this.#view.setFloat64(at + 24, sizeBytes, true);
    this.#view.setFloat64(at + 32, newBytes, true);
  }

  /** The record begun last becomes that of a failed file. */
  fail(): void {
    this.#length = this.#recordAt + 4;
    this.#view.setUint32(this.#recordAt, 0, true);
  }

  /** All records, in a buffer of their own; the next ones begin anew. */
  take(): Uint8Array<ArrayBuffer> {
    const records = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return records;
  }

  /** Forgets records that were not taken. */
  clear(): void {
    this.#length = 0;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + bytes));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** How records are laid out. */
export interface RecordLayout {
  readonly hashBytes: number;
  readonly sealed: boolean;
}

/**
 * Reads records in the main thread. Files by position in the job; failed ones are left out.
 * @throws SEJF_WORKER when the records do not match the files, which only a broken thread can cause.
 */
export function decodeFileRecords(
  records: Uint8Array<ArrayBuffer>,
  files: readonly { readonly file: { readonly job: number } }[],
  layout: RecordLayout,
): FileResult[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const bytes = Buffer.from(records.buffer, records.byteOffset, records.byteLength);
  const pieceBytes = PIECE_HEAD_BYTES + layout.hashBytes + (layout.sealed ? SEAL_BYTES : 0);
  const results: FileResult[] = [];
  let at = 0;
  for (const { file } of files) {
    const pieceCount = at + 4 <= records.length ? view.getUint32(at, true) : 0xffff_ffff;
    const end = at + (pieceCount === 0 ? 4 : HEAD_BYTES + pieceCount * pieceBytes);
    if (end > records.length)
      throw new SejfError(
        "SEJF_WORKER",
        `results of ${records.length} bytes for ${files.length} files`,
      );
    if (pieceCount > 0) {
      const pieces = Array.from({ length: pieceCount }, (_, i) =>
        decodePiece(view, bytes, at + HEAD_BYTES + i * pieceBytes, layout),
      );
      results.push(decodeRecord(view, at, file.job, pieces));
    }
    at = end;
  }
  return results;
}

function decodePiece(
  view: DataView,
  bytes: Buffer,
  at: number,
  { hashBytes, sealed }: RecordLayout,
): ContentPiece {
  const hashAt = at + PIECE_HEAD_BYTES;
  const sealAt = hashAt + hashBytes;
  // A text of its own: a slice of a longer one would keep all of it.
  const ref = bytes.toString("hex", hashAt, sealAt) as ContentRef;
  const lengthBytes = view.getUint32(at, true);
  if (sealed) {
    const keyText = bytes.toString("base64url", sealAt + 4, sealAt + SEAL_BYTES);
    return { ref, lengthBytes, seal: { keyText, sealedBytes: view.getUint32(sealAt, true) } };
  }
  return view.getUint8(at + 4) === 1
    ? { ref, lengthBytes, objectCompressed: true }
    : { ref, lengthBytes };
}

function decodeRecord(
  view: DataView,
  at: number,
  job: number,
  pieces: readonly ContentPiece[],
): FileResult {
  const sizeBytes = view.getFloat64(at + 24, true);
  return {
    job,
    ok: true,
    pieces,
    sizeBytes,
    newBytes: view.getFloat64(at + 32, true),
    after: {
      sizeBytes,
      mode: view.getUint32(at + 4, true),
      mtimeNs: view.getBigInt64(at + 16, true),
      uid: view.getUint32(at + 8, true),
      gid: view.getUint32(at + 12, true),
    },
  };
}
