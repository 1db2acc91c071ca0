/**
 * The zip stream of compress-commons with bounded memory and less work an entry: of an entry that is written only its
 * record in the central directory is kept, as the bytes that it will be, and small files are compressed at once instead
 * of through a stream each. Both replace steps that the library makes at one place, which `compress-commons.d.ts` names.
 */
import { crc32, deflateRawSync } from "node:zlib";
import { type ZipArchiveEntry, ZipArchiveOutputStream } from "compress-commons";

export const STORED = 0;
export const DEFLATED = 8;
export const LEVEL = 6;
const FIRST_BYTES = 64 * 1024;

export class CompactZipStream extends ZipArchiveOutputStream {
  #central: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #centralBytes = 0;
  #recording = false;

  constructor() {
    super({ zlib: { level: LEVEL } });
    let length = 0;
    this._entries = {
      get length() {
        return length;
      },
      push: (...entries) => {
        for (const entry of entries) this.#record(entry);
        return (length += entries.length);
      },
      // The library asks for all entries once, to write their records.
      forEach: () => {
        super.write(this.#central.subarray(0, this.#centralBytes));
      },
    };
  }

  override write(bytes: Uint8Array): boolean {
    if (!this.#recording) return super.write(bytes);
    const end = this.#centralBytes + bytes.length;
    if (end > this.#central.length) {
      const grown = Buffer.allocUnsafe(Math.max(2 * this.#central.length, end));
      grown.set(this.#central.subarray(0, this.#centralBytes));
      this.#central = grown;
    }
    this.#central.set(bytes, this.#centralBytes);
    this.#centralBytes = end;
    return true;
  }

  protected override _appendBuffer(
    entry: ZipArchiveEntry,
    source: Buffer,
    callback: (error: Error | null | undefined) => void,
  ): void {
    const packed =
      entry.getMethod() === DEFLATED ? deflateRawSync(source, { level: LEVEL }) : source;
    const data = packed.length < source.length ? packed : source;
    entry.setMethod(data === source ? STORED : DEFLATED);
    entry.getGeneralPurposeBit().useDataDescriptor(false);
    entry.setCrc(crc32(source));
    entry.setSize(source.length);
    entry.setCompressedSize(data.length);
    this._writeLocalFileHeader(entry);
    if (data.length > 0) this.write(data);
    this._afterAppend(entry);
    callback(null);
  }

  #record(entry: ZipArchiveEntry): void {
    this.#recording = true;
    try {
      this._writeCentralFileHeader(entry);
    } finally {
      this.#recording = false;
    }
  }
}
