/**
 * For sealed accounts whose servers and clients are all in this process: what makes guessing a password slow takes no
 * time. A password is as right or wrong as it is otherwise; only programs, which do the work, cannot open such accounts.
 */
import { registerHooks } from "node:module";
import { concatBytes, utf8ToBytes } from "../bytes/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import type { Argon2id } from "../sealed/index.ts";

const CLIENT = new URL("../sealing/opaque-client.ts", import.meta.url).href;
const QUICK = new URL("quick-opaque.ts", import.meta.url).href;

let isQuick = false;

/** Before the first account is made: key stretching is a matter of OPAQUE's client alone, and ours takes another one. */
export function useQuickOpaque(): void {
  if (isQuick) return;
  isQuick = true;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "@serenity-kit/opaque" && context.parentURL === CLIENT
        ? { url: QUICK, shortCircuit: true }
        : next(specifier, context),
  });
}

/** Depends on the same inputs. */
export const quickArgon2id: Argon2id = async (password, salt, params) => {
  const parameters = utf8ToBytes(`${JSON.stringify(params)} ${password.byteLength} `);
  const hashed = nodeCryptoEngine.sha256(concatBytes(parameters, salt, password));
  return await Promise.resolve(hashed);
};
