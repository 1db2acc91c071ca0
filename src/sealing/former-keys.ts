/** Keys that an account had before it was given new ones: with them it reads what it stored then. Spec: sealed 3. */
import type { OwnedBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { deriveAccountKeys, derivePrivateKeys, identityToSeed } from "../sealed/index.ts";

/** What finding and checking old snapshots needs; opening them needs the identity. */
export interface FormerKeys {
  /** Names the paths of then. */
  readonly pathKey: OwnedBytes;
  /** Ed25519 public key that certified the devices of then. */
  readonly signingKey: OwnedBytes;
}

/** In the order of the identities. */
export async function formerKeysOf(
  engine: CryptoEngine,
  identities: readonly string[],
): Promise<readonly FormerKeys[]> {
  const former: FormerKeys[] = [];
  for (const identity of identities) {
    const keys = await deriveAccountKeys(engine, identityToSeed(identity));
    const { pathKey } = derivePrivateKeys(engine, keys.privateSecret);
    former.push({ pathKey, signingKey: keys.signingPublicKey });
  }
  return former;
}
