/**
 * The bulk paths of a repository that seals contents in its threads before it names, packs or sends them. What lies below
 * gets ciphertext only. Spec: sealed 4, 6.
 */
import type { OwnedBytes } from "../bytes/index.ts";
import type { CompressorId } from "../compress/index.ts";
import type { BulkReader, BulkWriter } from "./contents.ts";

/** How chunks are sealed, as plain data. SECURITY: secrets, which reach a thread in its first message only. */
export interface SealingParameters {
  /** Makes the keys of contents that no others share. */
  readonly privateKey: OwnedBytes;
  /** Absent without a group. */
  readonly shared: SharedSealingParameters | undefined;
  /** The default splitter: a name whose size counts, while the cuts are secret. */
  readonly splitter: string;
  readonly cuts: SealedCuts;
}

export interface SharedSealingParameters {
  /** Makes the keys of contents that equal ones of the group have too. */
  readonly contentKey: OwnedBytes;
  /** Plain bytes; shorter chunks are sealed under the private key. */
  readonly minSizeBytes: number;
  /** In place of a job's; 0: none. */
  readonly compressor: CompressorId;
}

/** What the cuts of one secret hang on. */
export interface SealedCuts {
  /** 256 words. */
  readonly table: Uint32Array<ArrayBuffer>;
  /** 32 bytes. */
  readonly cutKey: OwnedBytes;
}

/** In a piece or a request that has it, `ref` names ciphertext. */
export interface PieceSeal {
  /** 32 bytes as base64url, as references have it. SECURITY: opens the content. */
  readonly keyText: string;
}

/** In a piece that was written. */
export interface WrittenSeal extends PieceSeal {
  /** Bytes of ciphertext. */
  readonly sealedBytes: number;
}

/** Pieces that are written come with a `WrittenSeal`; pieces and requests to be read must have a seal. */
export interface SealedBulk extends BulkWriter, BulkReader {}
