/** The path under which a server files a sealed source: a keyed hash, equal for equal paths of one account. Spec: sealed 5. */
import type { CryptoEngine } from "../crypto/index.ts";
import { accountAndPath } from "./account-keys.ts";
import { base32 } from "./base32.ts";

/** Sources of sealed accounts begin so. */
export const SEALED_ROOT = "/sealed";
const LETTERS = 20;

/** `/sealed/` and 20 letters. `account` is `user@host`. */
export function blindedPath(
  engine: CryptoEngine,
  pathKey: Uint8Array,
  account: string,
  path: string,
): string {
  const hash = engine.hmacSha256(pathKey, accountAndPath(account, path));
  return `${SEALED_ROOT}/${base32(hash).slice(0, LETTERS)}`;
}
