/** Splitters whose cuts hang on a secret. Spec: sealed 6. */
import { utf8ToBytes, viewOf } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import type { SealedCuts } from "../format/index.ts";
import {
  createSplitter,
  DynamicSplitter,
  keyedScan,
  keyedSpec,
  type Splitter,
} from "../splitter/index.ts";
import { deriveKey } from "./labels.ts";

const TABLE_WORDS = 256;

export function deriveSplitterSecrets(engine: CryptoEngine, secret: Uint8Array): SealedCuts {
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
  cuts: SealedCuts,
): Splitter {
  const spec = keyedSpec(name);
  if (spec.kind === "fixed") return createSplitter(name);
  const prf = engine.contentHash("BLAKE3-256", cuts.cutKey);
  return new DynamicSplitter(
    spec,
    keyedScan(cuts.table, (window) => prf.hash(window)),
  );
}
