/** The part of compress-commons that is used here; it comes without types. */
declare module "compress-commons" {
  import type { Readable } from "node:stream";

  export class ZipArchiveEntry {
    constructor(name: string);
    name: string;
    getGeneralPurposeBit(): { useUTF8ForNames(use: boolean): void };
    setExtra(extra: Uint8Array): void;
    /** 0: stored, 8: deflate. */
    setMethod(method: number): void;
    setSize(sizeBytes: number): void;
    setTime(time: Date, forceLocalTime: boolean): void;
    setUnixMode(mode: number): void;
  }

  export class ZipArchiveOutputStream extends Readable {
    constructor(options: { readonly zlib: { readonly level: number } });
    entry(
      entry: ZipArchiveEntry,
      source: Buffer | Readable,
      callback: (error: Error | null | undefined) => void,
    ): this;
    finish(): void;
  }
}
