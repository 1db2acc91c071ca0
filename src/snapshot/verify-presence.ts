/**
 * Whether a content can be there: named by an index, and, where the storage can be asked, in a pack that a fresh
 * listing shows and that is long enough. Nothing is read.
 */
import type { CallOptions } from "../bytes/index.ts";
import type { ErrorCode } from "../errors/index.ts";
import type { ContentId, ContentRef } from "../format/index.ts";
import type { DirectRepository, Repository } from "../repository/index.ts";

/** Kinds of packs. */
const PACK_PREFIXES = ["p", "q"] as const;

export interface ContentFinding {
  readonly content: ContentRef;
  readonly blob?: string | undefined;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface Presence {
  /** Packs in the listing; `undefined` where the storage cannot be asked. */
  readonly packs: number | undefined;
  /** Plain bytes of the content, `undefined` where only reading it would tell, or what is wrong with it. */
  check(ref: ContentRef, options?: CallOptions): Promise<number | undefined | ContentFinding>;
  /** The pack that an index names for the content. */
  packOf(ref: ContentRef, options?: CallOptions): Promise<string | undefined>;
}

/** Costs a listing of all packs where the repository is worked on directly. */
export async function openPresence(
  repository: Repository,
  options: CallOptions = {},
): Promise<Presence> {
  if (!isDirect(repository)) return new IndexPresence(repository);
  const lengths = new Map<string, number>();
  for (const prefix of PACK_PREFIXES) {
    for await (const page of repository.storage.list(prefix, options))
      for (const { id, lengthBytes } of page) lengths.set(id, lengthBytes);
  }
  return new PackPresence(repository, lengths);
}

function isDirect(repository: Repository): repository is DirectRepository {
  return "storage" in repository && "info" in repository.contents;
}

class IndexPresence implements Presence {
  readonly packs = undefined;
  readonly #repository: Repository;

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  async check(
    ref: ContentRef,
    options: CallOptions = {},
  ): Promise<number | undefined | ContentFinding> {
    const { contents } = this.#repository;
    if (contents.has !== undefined)
      return (await contents.has(ref, options)) ? undefined : notNamed(ref);
    const stat = await contents.stat(ref, options);
    return stat === undefined ? notNamed(ref) : stat.originalLength;
  }

  // oxlint-disable-next-line require-await -- the interface is asynchronous
  async packOf(): Promise<undefined> {
    return undefined;
  }
}

class PackPresence implements Presence {
  readonly packs: number;
  readonly #repository: DirectRepository;
  readonly #lengths: Map<string, number>;
  readonly #missing = new Set<string>();

  constructor(repository: DirectRepository, lengths: Map<string, number>) {
    this.#repository = repository;
    this.#lengths = lengths;
    this.packs = lengths.size;
  }

  /** A content that is marked deleted still counts: the next collection revives it, as a snapshot uses it. */
  async check(ref: ContentRef, options: CallOptions = {}): Promise<number | ContentFinding> {
    const info = await this.#repository.contents.info(ref as string as ContentId, options);
    if (info === undefined) return notNamed(ref);
    const { packId, packOffset, packedLength, originalLength } = info;
    const lengthBytes = this.#lengths.get(packId) ?? (await this.#lookAgain(packId, options));
    if (lengthBytes === undefined) {
      const message = `content ${ref} is in the pack ${packId}, which is not in the storage`;
      return { content: ref, blob: packId, code: "SEJF_BLOB_NOT_FOUND", message };
    }
    if (packOffset + packedLength > lengthBytes) {
      const message = `content ${ref} ends at ${packOffset + packedLength} of the pack ${packId}, which is only ${lengthBytes} bytes`;
      return { content: ref, blob: packId, code: "SEJF_CORRUPT", message };
    }
    return originalLength;
  }

  async packOf(ref: ContentRef, options: CallOptions = {}): Promise<string | undefined> {
    return (await this.#repository.contents.info(ref as string as ContentId, options))?.packId;
  }

  /** A pack may be younger than the listing. Asked once a pack. */
  async #lookAgain(packId: string, options: CallOptions): Promise<number | undefined> {
    if (this.#missing.has(packId)) return undefined;
    const { storage } = this.#repository;
    const found = await storage.stat(packId as Parameters<typeof storage.stat>[0], options);
    if (found === undefined) this.#missing.add(packId);
    else this.#lengths.set(packId, found.lengthBytes);
    return found?.lengthBytes;
  }
}

function notNamed(ref: ContentRef): ContentFinding {
  return {
    content: ref,
    code: "SEJF_CONTENT_NOT_FOUND",
    message: `content ${ref} is in no index`,
  };
}
