/**
 * Packs on a local disk that stay open for a while: listings, and small files for the clients of a server, are read from
 * them by the thousand, and opening costs many times what reading does. Packs never change under their name; one that
 * was deleted meanwhile still reads the same.
 */
import { constants, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ByteRange, BlobId } from "../blob/index.ts";
import type { Clock, OwnedBytes } from "../bytes/index.ts";

const MAX_OPEN = 32;
/** A deleted pack holds its place on the disk as long as it is open. */
const KEEP_MS = 60_000;
/** Up to so many bytes are read at once: a way through the thread pool costs many times what it takes to copy them. */
const READ_AT_ONCE_BYTES = 256 * 1024;

/** SECURITY: as the storage opens blobs: no symlink is followed, a FIFO does not hang us. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

interface OpenFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

interface OpenPack {
  /** `undefined` when it is no readable file. */
  readonly file: Promise<OpenFile | undefined>;
  readonly untilMs: number;
  readers: number;
}

export class OpenPacks {
  readonly #clock: Clock;
  readonly #packs = new Map<BlobId, OpenPack>();
  /** Closes what nobody reads any more, when no other read does. */
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `undefined` when it cannot be read here, whatever the reason: the storage says why. `take` gives the memory. */
  async read(
    id: BlobId,
    path: string,
    range: ByteRange,
    take: (lengthBytes: number) => OwnedBytes = zeroed,
  ): Promise<OwnedBytes | undefined> {
    this.#closeOld();
    const pack = this.#used(id) ?? this.#open(id, path);
    if (pack === undefined) return undefined;
    pack.readers++;
    try {
      const file = await pack.file;
      if (file === undefined || range.offset + range.length > file.sizeBytes) return undefined;
      const data = take(range.length);
      return (await readAt(file.handle, data, range.offset)) === data.length ? data : undefined;
    } catch {
      return undefined;
    } finally {
      pack.readers--;
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const packs = [...this.#packs.values()];
    this.#packs.clear();
    await Promise.all(packs.map(closePack));
  }

  /** It is the last to be closed now. */
  #used(id: BlobId): OpenPack | undefined {
    const pack = this.#packs.get(id);
    if (pack === undefined) return undefined;
    this.#packs.delete(id);
    this.#packs.set(id, pack);
    return pack;
  }

  /** In the place of the one that was not used for longest; `undefined` when all are being read. */
  #open(id: BlobId, path: string): OpenPack | undefined {
    if (this.#packs.size >= MAX_OPEN && !this.#closeOne()) return undefined;
    const pack = { file: openFile(path), untilMs: this.#clock.nowMs() + KEEP_MS, readers: 0 };
    this.#packs.set(id, pack);
    this.#closeLater();
    return pack;
  }

  #closeLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#closeOld();
      if (this.#packs.size > 0) this.#closeLater();
    }, KEEP_MS).unref();
  }

  #closeOne(): boolean {
    for (const [id, pack] of this.#packs) {
      if (pack.readers > 0) continue;
      this.#packs.delete(id);
      void closePack(pack);
      return true;
    }
    return false;
  }

  #closeOld(): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, pack] of this.#packs) {
      if (pack.readers > 0 || pack.untilMs > nowMs) continue;
      this.#packs.delete(id);
      void closePack(pack);
    }
  }
}

function zeroed(lengthBytes: number): OwnedBytes {
  return new Uint8Array(lengthBytes);
}

async function readAt(handle: FileHandle, into: Uint8Array, offset: number): Promise<number> {
  if (into.length <= READ_AT_ONCE_BYTES) return readSync(handle.fd, into, 0, into.length, offset);
  return (await handle.read(into, 0, into.length, offset)).bytesRead;
}

async function openFile(path: string): Promise<OpenFile | undefined> {
  try {
    const handle = await open(path, OPEN_FLAGS);
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, sizeBytes: stat.size };
    await handle.close();
    return undefined;
  } catch {
    return undefined;
  }
}

async function closePack({ file }: OpenPack): Promise<void> {
  await (await file)?.handle.close();
}
