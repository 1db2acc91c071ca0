/** Cryptography that is the real one but for the derivation of keys from passwords, which takes no time. */
import type { CryptoEngine } from "../crypto/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";

export const quickEngine: CryptoEngine = Object.create(nodeCryptoEngine, {
  scrypt: {
    value: (password: Uint8Array): Promise<Uint8Array> =>
      Promise.resolve(nodeCryptoEngine.sha256(password)),
  },
}) as CryptoEngine;
