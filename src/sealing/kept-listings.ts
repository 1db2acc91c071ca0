/**
 * The listings and tables of a device's last snapshots, as the repository has them. A device whose token reads nothing
 * compares with them, so that it need not read every file again. Ciphertext: their keys are in the device's file, and
 * those of older snapshots are gone with it. Spec: sealed 3.
 */
import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  bytesToHex,
  bytesToUtf8,
  type CallOptions,
  concatBytes,
  type OwnedBytes,
  utf8ToBytes,
} from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { ContentHash } from "../crypto/index.ts";
import type { ContentRef, ContentStore, WriteContentOptions } from "../format/index.ts";
import { isAbsent, writeFileAtomically } from "../repository/index.ts";

/** Of one file: two thirds of a million folders. */
const MAX_INDEX_BYTES = 64 << 20;
const HEADER_BYTES = 4;

/** `<config>.sejf-kept`. */
export function keptFolderOf(configFile: string): string {
  return `${configFile}.sejf-kept`;
}

/** Removing none succeeds. */
export async function removeKept(configFile: string): Promise<void> {
  await rm(keptFolderOf(configFile), { recursive: true, force: true });
}

/** Where one lies: in the file of a source. */
interface Place {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

export class KeptListings {
  readonly #folder: string;
  readonly #idHash: ContentHash;
  /** Written or read by this program. */
  readonly #fresh = new Map<string, OwnedBytes>();
  readonly #retained = new Map<string, ReadonlySet<string>>();
  #places: Promise<ReadonlyMap<string, Place>> | undefined;

  constructor(configFile: string, idHash: ContentHash) {
    this.#folder = keptFolderOf(configFile);
    this.#idHash = idHash;
  }

  /** These contents, of which what has a prefix is remembered and found again. */
  over(inner: ContentStore): ContentStore {
    return {
      compression: inner.compression,
      read: async (ref, options) => await this.#read(inner, ref, options),
      write: async (data, options) => await this.#write(inner, data, options),
      stat: async (ref, options) => await inner.stat(ref, options),
      flush: async (options) => await inner.flush(options),
      readMany: (requests, options) => inner.readMany(requests, options),
      writeFiles: (batches, options) => inner.writeFiles(batches, options),
      restoreFiles: (batches, options) => inner.restoreFiles(batches, options),
      verifyMany: (requests, options) => inner.verifyMany(requests, options),
      sealedBulk: (sealing) => inner.sealedBulk?.(sealing),
    };
  }

  /** What the last snapshot of a source, by its blinded path, consists of beside data. */
  retain(path: string, ids: ReadonlySet<string>): void {
    this.#retained.set(path, ids);
  }

  /** What was retained replaces what was kept of those sources. A file that cannot be written costs only time. */
  async save(): Promise<void> {
    for (const [path, ids] of this.#retained) {
      const parts: OwnedBytes[] = [];
      const index: (readonly [id: string, length: number])[] = [];
      for (const id of ids) {
        const bytes = this.#fresh.get(id) ?? (await this.#stored(id));
        if (bytes === undefined) continue;
        parts.push(bytes);
        index.push([id, bytes.byteLength]);
      }
      const text = utf8ToBytes(JSON.stringify(index));
      const header = new Uint8Array(HEADER_BYTES);
      new DataView(header.buffer).setUint32(0, text.byteLength);
      try {
        await writeFileAtomically(
          join(this.#folder, fileOf(path)),
          concatBytes(header, text, ...parts),
        );
      } catch (error) {
        if (!isSejfError(error)) throw error;
      }
    }
    this.#retained.clear();
    this.#places = undefined;
  }

  async #read(inner: ContentStore, ref: ContentRef, options?: CallOptions): Promise<OwnedBytes> {
    const known = this.#fresh.get(ref) ?? (await this.#stored(ref));
    if (known !== undefined) return known.slice();
    try {
      return await inner.read(ref, options);
    } catch (error) {
      if (!isSejfError(error, "SEJF_ACCESS_DENIED")) throw error;
      // As if it were lost: then the files are read again.
      throw new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${ref} is not kept on this device`, {
        cause: error,
      });
    }
  }

  async #write(
    inner: ContentStore,
    data: Uint8Array,
    options: WriteContentOptions,
  ): Promise<ContentRef> {
    const ref = await inner.write(data, options);
    if (options.prefix !== "") this.#fresh.set(ref, new Uint8Array(data));
    return ref;
  }

  /** `undefined` for what is not there, or not what its name says. */
  async #stored(id: string): Promise<OwnedBytes | undefined> {
    this.#places ??= this.#load();
    const place = (await this.#places).get(id);
    if (place === undefined) return undefined;
    const bytes = new Uint8Array(place.length);
    try {
      await using file = await open(place.file);
      const { bytesRead } = await file.read(bytes, 0, place.length, place.offset);
      if (bytesRead < place.length) return undefined;
    } catch {
      return undefined;
    }
    return this.#isNamed(bytes, id) ? bytes : undefined;
  }

  #isNamed(bytes: Uint8Array, id: string): boolean {
    const [prefix = ""] = /^[g-z]?/.exec(id) ?? [];
    return `${prefix}${bytesToHex(this.#idHash.hash(bytes))}` === id;
  }

  async #load(): Promise<ReadonlyMap<string, Place>> {
    const places = new Map<string, Place>();
    let names: readonly string[] = [];
    try {
      names = await readdir(this.#folder);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    for (const name of names)
      if (/^[a-z2-7]{20}$/.test(name)) await addPlaces(join(this.#folder, name), places);
    return places;
  }
}

/** A file that cannot be understood is none. */
async function addPlaces(file: string, places: Map<string, Place>): Promise<void> {
  try {
    await using handle = await open(file);
    const header = new Uint8Array(HEADER_BYTES);
    await handle.read(header, 0, HEADER_BYTES, 0);
    const length = new DataView(header.buffer).getUint32(0);
    if (length > MAX_INDEX_BYTES) return;
    const text = new Uint8Array(length);
    await handle.read(text, 0, length, HEADER_BYTES);
    const index = JSON.parse(bytesToUtf8(text)) as readonly (readonly [string, number])[];
    let offset = HEADER_BYTES + length;
    for (const [id, bytes] of index) {
      if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > MAX_INDEX_BYTES) return;
      places.set(String(id), { file, offset, length: bytes });
      offset += bytes;
    }
  } catch {
    // Then files are read again.
  }
}

/** The last part of the blinded path. */
function fileOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
