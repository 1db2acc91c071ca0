/**
 * A host for the thread engine without a content manager: packs are files of a folder, the index is in memory. With
 * `remote` the engine cannot see the files and has to ask for ranges.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BlobId, type BlobStorage, type ByteRange, MemoryStorage } from "../blob/index.ts";
import { copyBytes, type OwnedBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ContentRef, type IndexEntry, newPackId, openIndex } from "../format/index.ts";
import type { BulkEngineHost, ContentLocation, OpenedPack } from "../node/index.ts";
import { type IndexSetDescriptor, mergeToMemory, openIndexBytes } from "../node/index/index.ts";
import { SeededRandom } from "./random.ts";

export interface FolderHostOptions {
  readonly remote?: boolean | undefined;
  readonly formatCopy?: Uint8Array | undefined;
}

/** What a test may look at and break. */
export class FolderHost implements BulkEngineHost {
  readonly storage: BlobStorage;
  readonly folder: string;
  readonly entries = new Map<string, IndexEntry>();
  readonly packs: BlobId[] = [];
  commits = 0;
  /** Called before a pack is stored; may throw. */
  beforeStore: (packId: BlobId) => void | Promise<void> = () => undefined;
  descriptor: IndexSetDescriptor = {
    generation: 1,
    files: [],
    memory: [],
    deletionWatermarkS: undefined,
  };
  readonly #options: FolderHostOptions;
  readonly #indexes: OwnedBytes[] = [];
  readonly #random = new SeededRandom(7);

  constructor(folder: string, options: FolderHostOptions = {}) {
    this.folder = folder;
    this.#options = options;
    this.storage = new MemoryStorage();
    if (options.remote !== true)
      Object.assign(this.storage, { localPath: (id: BlobId) => this.path(id) });
  }

  path(id: BlobId): string {
    return join(this.folder, id);
  }

  nowS(): number {
    return 1_800_000_000;
  }

  indexDescriptor(): IndexSetDescriptor {
    return this.descriptor;
  }

  openPack(prefix: "p" | "q"): Promise<OpenedPack> {
    const packId = newPackId(
      prefix,
      "s0011223344556677147" as Parameters<typeof newPackId>[1],
      this.#random,
    );
    return Promise.resolve({ packId, formatCopy: this.#options.formatCopy });
  }

  async storePack(packId: BlobId, bytes: Uint8Array, localIndex: OwnedBytes): Promise<void> {
    await this.beforeStore(packId);
    await writeFile(this.path(packId), bytes);
    for (const entry of openIndex(localIndex).entries()) this.entries.set(entry.contentId, entry);
    this.packs.push(packId);
    this.#indexes.push(localIndex);
  }

  /** The committed index is this one alone. */
  useIndex(index: OwnedBytes): void {
    this.#indexes.splice(0, Number.POSITIVE_INFINITY, index);
    void this.commitIndex();
  }

  commitIndex(): Promise<void> {
    this.commits++;
    const merged = mergeToMemory(this.#indexes.map(openIndexBytes));
    const { generation } = this.descriptor;
    if (merged !== undefined)
      this.descriptor = { ...this.descriptor, generation: generation + 1, memory: [merged] };
    return Promise.resolve();
  }

  locate(refs: readonly ContentRef[]): Promise<readonly (ContentLocation | undefined)[]> {
    return Promise.resolve(refs.map((ref) => this.entries.get(ref)));
  }

  async readPackRange(packId: BlobId, range: ByteRange): Promise<OwnedBytes> {
    const bytes = await readFile(this.path(packId)).catch((error: unknown) => {
      throw new SejfError("SEJF_BLOB_NOT_FOUND", `pack ${packId} is missing`, { cause: error });
    });
    return copyBytes(bytes.subarray(range.offset, range.offset + range.length));
  }
}
