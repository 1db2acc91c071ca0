/** An engine that remembers what it derived from passwords, for a program that opens one repository several times. */
import {
  bytesToHex,
  concatBytes,
  copyBytes,
  type OwnedBytes,
  utf8ToBytes,
} from "../../bytes/index.ts";
import type { CryptoEngine, ScryptParams } from "../../crypto/index.ts";

/**
 * As `engine`, but the same key is derived once from the same password, salt and parameters. SECURITY: keys live as long as
 * the result; whoever gets one gets a copy of his own, which he may wipe.
 */
export function derivingOnce(engine: CryptoEngine): CryptoEngine {
  const derived = new Map<string, Promise<OwnedBytes>>();
  const once = async (
    password: Uint8Array,
    salt: Uint8Array,
    how: readonly (string | number)[],
    derive: () => Promise<OwnedBytes>,
  ): Promise<OwnedBytes> => {
    const head = utf8ToBytes(JSON.stringify([...how, password.byteLength]));
    const name = bytesToHex(engine.sha256(concatBytes(head, password, salt)));
    const key = derived.get(name) ?? derive();
    derived.set(name, key);
    try {
      return copyBytes(await key);
    } catch (error) {
      derived.delete(name);
      throw error;
    }
  };
  return Object.create(engine, {
    scrypt: {
      value: async (password: Uint8Array, salt: Uint8Array, params: ScryptParams) => {
        const { cost, blockSize, parallelization, length } = params;
        const how = ["scrypt", cost, blockSize, parallelization, length];
        return await once(password, salt, how, () => engine.scrypt(password, salt, params));
      },
    },
    pbkdf2Sha256: {
      value: async (password: Uint8Array, salt: Uint8Array, iterations: number, length: number) =>
        await once(password, salt, ["pbkdf2", iterations, length], () =>
          engine.pbkdf2Sha256(password, salt, iterations, length),
        ),
    },
  }) as CryptoEngine;
}
