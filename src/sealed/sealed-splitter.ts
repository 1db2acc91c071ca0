/**
 * Cuts that do not tell which file it is: a rolling hash with a secret table proposes, a keyed hash of the window
 * decides. Spec: sealed 6.
 */
import { utf8ToBytes, viewOf } from "../bytes/index.ts";
import type { ContentHash, CryptoEngine } from "../crypto/index.ts";
import {
  type CutScan,
  createSplitter,
  DynamicSplitter,
  type Splitter,
  splitterSpec,
  WINDOW_BYTES,
} from "../splitter/index.ts";
import { deriveKey } from "./labels.ts";

const TABLE_WORDS = 256;
/** Of the bits that make the average, so many are the keyed hash's. */
const PRF_BITS = 8;

/** What the cuts of one secret hang on. */
export interface SplitterSecrets {
  /** 256 words. */
  readonly table: Uint32Array<ArrayBuffer>;
  readonly cutKey: Uint8Array;
}

export function deriveSplitterSecrets(engine: CryptoEngine, secret: Uint8Array): SplitterSecrets {
  const bytes = engine.hkdfSha256(
    secret,
    new Uint8Array(0),
    utf8ToBytes("sejf splitter table v1"),
    4 * TABLE_WORDS,
  );
  const view = viewOf(bytes);
  const table = Uint32Array.from({ length: TABLE_WORDS }, (_, i) => view.getUint32(4 * i, true));
  return { table, cutKey: deriveKey(engine, secret, "sejf splitter cut v1") };
}

/**
 * The splitter of that name under these secrets: fixed sizes as they are, all others by the secret rolling hash.
 * @throws SEJF_UNSUPPORTED for an unknown name.
 */
export function createSealedSplitter(
  engine: CryptoEngine,
  name: string,
  secrets: SplitterSecrets,
): Splitter {
  const spec = splitterSpec(name);
  if (spec.kind === "fixed") return createSplitter(name);
  const prf = engine.contentHash("BLAKE3-256", secrets.cutKey);
  const mask = spec.mask >>> PRF_BITS;
  return new DynamicSplitter({ ...spec, mask }, scanSealed(secrets.table, prf));
}

function scanSealed(table: Uint32Array, prf: ContentHash): CutScan {
  return (bytes, from, end, mask) => {
    if (from >= end) return -1;
    let hash = 0;
    for (let i = from - WINDOW_BYTES + 1; i <= from; i++)
      hash = ((hash << 1) | (hash >>> 31)) ^ table[bytes[i]!]!;
    for (let i = from; ; ) {
      if (hash !== 0 && (hash & mask) === 0 && isCut(prf, bytes, i)) return i;
      if (++i >= end) return -1;
      hash = ((hash << 1) | (hash >>> 31)) ^ table[bytes[i]!]! ^ table[bytes[i - WINDOW_BYTES]!]!;
    }
  };
}

/** Whether the keyed hash of the window that ends at `last` begins with a zero byte. */
function isCut(prf: ContentHash, bytes: Uint8Array, last: number): boolean {
  return prf.hash(bytes.subarray(last - WINDOW_BYTES + 1, last + 1))[0] === 0;
}
