/**
 * What a keyring knows beside the keys, for who lost the password and has the recovery kit: sealed to the account itself,
 * and signed by it. It lies in the keyring's file, as `copy`. SECURITY: whoever knows the recipient can seal to it, so the
 * signature alone tells that it is the account's; an older one a server can show. Spec: `docs/sealed.md`, "Keys".
 */
import { base64UrlToBytes, bytesToBase64Url, bytesToUtf8, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { AccountKeys } from "./account-keys.ts";
import { openSealed, sealTo } from "./age.ts";
import { JsonShape } from "./json-shape.ts";
import { decodeKeyring, type Keyring } from "./keyring.ts";
import { parsePayload, payloadOf, signLine, verifyLine } from "./signed.ts";

const COPY_LABEL = "sejf keyring copy v1";

/** The keyring without the account's present identity. */
export type KeyringCopy = Omit<Keyring, "identity">;

/** base64url of an age file. `keys`: the account's. */
export async function writeKeyringCopy(
  keys: AccountKeys,
  account: string,
  keyring: Keyring,
): Promise<string> {
  const payload = payloadOf({ ...keyring, v: 1, account, identity: "" });
  const line = signLine(COPY_LABEL, keys.signingSeed, payload);
  return bytesToBase64Url(await sealTo([keys.recipient], utf8ToBytes(line)));
}

/** @throws SEJF_CORRUPT for one that is damaged, or that this account did not sign; SEJF_UNSUPPORTED_FORMAT. */
export async function openKeyringCopy(
  keys: AccountKeys,
  account: string,
  text: string,
): Promise<KeyringCopy> {
  const line = bytesToUtf8(await openSealed([keys.identity], "the keyring's copy", decoded(text)));
  const payload = verifyLine(COPY_LABEL, keys.signingPublicKey, line);
  const shape = new JsonShape("the keyring's copy", parsePayload(COPY_LABEL, payload));
  if (shape.text("account") !== account)
    throw new SejfError("SEJF_CORRUPT", "the keyring's copy is another account's");
  const { identity: _identity, ...copy } = decodeKeyring(payload, 0);
  return copy;
}

/** Of a keyring's file as stored; `undefined`: it has none. */
export function keyringCopyIn(file: string): string | undefined {
  try {
    const shape = new JsonShape("the keyring file", JSON.parse(file));
    return shape.has("copy") ? shape.text("copy") : undefined;
  } catch (error) {
    if (!isSejfError(error) && !(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function decoded(text: string): Uint8Array {
  try {
    return base64UrlToBytes(text);
  } catch (error) {
    if (!isSejfError(error)) throw error;
    throw new SejfError("SEJF_CORRUPT", "the keyring's copy is not base64url");
  }
}
