/** The part of compress-commons that is used here; it comes without types. */
declare module "compress-commons" {
  import type { Readable } from "node:stream";

  export class ZipArchiveEntry {
    constructor(name: string);
    name: string;
    getGeneralPurposeBit(): {
      useDataDescriptor(use: boolean): void;
      useUTF8ForNames(use: boolean): void;
    };
    /** 0: stored, 8: deflate. */
    getMethod(): number;
    setCompressedSize(sizeBytes: number): void;
    setCrc(crc: number): void;
    setExtra(extra: Uint8Array): void;
    setMethod(method: number): void;
    setSize(sizeBytes: number): void;
    setTime(time: Date, forceLocalTime: boolean): void;
    setUnixMode(mode: number): void;
  }

  type Callback = (error: Error | null | undefined) => void;

  export class ZipArchiveOutputStream extends Readable {
    /** What is written becomes the archive's bytes. */
    readonly writableNeedDrain: boolean;
    /** Bytes written so far. */
    offset: number;
    /** Those whose local data are written. Only their number and what `forEach` gives is asked for. */
    protected _entries: Pick<ZipArchiveEntry[], "length" | "push" | "forEach">;
    constructor(options: { readonly zlib: { readonly level: number } });
    entry(entry: ZipArchiveEntry, source: Buffer | Readable, callback: Callback): this;
    finish(): void;
    write(bytes: Uint8Array): boolean;
    protected _afterAppend(entry: ZipArchiveEntry): void;
    protected _appendBuffer(entry: ZipArchiveEntry, source: Buffer, callback: Callback): void;
    protected _writeCentralFileHeader(entry: ZipArchiveEntry): void;
    protected _writeLocalFileHeader(entry: ZipArchiveEntry): void;
  }
}
