/**
 * Whether OpenSSL is called directly. Optional: without koffi, where Node does not show its OpenSSL, or where that does
 * not pass the self-test (a FIPS build, say), everything works through node:crypto.
 */
import { createCipheriv, createHmac } from "node:crypto";
import { equalBytes } from "../../bytes/index.ts";
import { type AeadName, createPortableHash, TAG_BYTES } from "../../crypto/index.ts";
import { opensslOpen, opensslSeal } from "./openssl-aead.ts";
import { bindOpenSsl, type OpenSsl } from "./openssl-binding.ts";
import { opensslMac } from "./openssl-mac.ts";

/** Loading takes 10 to 20 ms, which the few small blobs of a short command do not bring in. */
const LOAD_AFTER_BYTES = 16 * 1024 * 1024;

/** What a call saves beside its bytes, expressed in bytes. */
const CALL_BYTES = 32 * 1024;

let asked = 0;
let loaded: { readonly openSsl: OpenSsl | undefined } | undefined;

/** The functions, once so much work was asked for that loading them pays; `undefined` before that and where they are missing. */
export function openSslFor(workBytes: number): OpenSsl | undefined {
  if (loaded !== undefined) return loaded.openSsl;
  asked += workBytes + CALL_BYTES;
  return asked < LOAD_AFTER_BYTES ? undefined : loadOpenSsl();
}

/** The functions at once, for threads that will have much to do; `undefined` where they are missing. */
export function loadOpenSsl(): OpenSsl | undefined {
  loaded ??= { openSsl: bindAndTest() };
  return loaded.openSsl;
}

function bindAndTest(): OpenSsl | undefined {
  const openSsl = bindOpenSsl();
  if (openSsl === undefined) return undefined;
  try {
    return passesSelfTest(openSsl) ? openSsl : undefined;
  } catch {
    return undefined; // a function refused: it must not be relied on
  }
}

/** Every function that is used, against node:crypto or noble. */
function passesSelfTest(openSsl: OpenSsl): boolean {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 3 * i);
  const data = Uint8Array.from({ length: 45 }, (_, i) => 5 * i);
  const aeads: readonly AeadName[] = ["aes-256-gcm", "chacha20-poly1305"];
  if (!aeads.every((aead) => sealsAlike(openSsl, aead, key, data))) return false;
  const hmacs = [
    ["hmac-sha224", "sha224"],
    ["hmac-sha256", "sha256"],
    ["hmac-sha3-224", "sha3-224"],
    ["hmac-sha3-256", "sha3-256"],
  ] as const;
  for (const [mac, name] of hmacs) {
    const expected = createHmac(name, key).update(data).digest();
    const found = new Uint8Array(expected.byteLength);
    opensslMac(openSsl, mac, key, data, found);
    if (!equalBytes(found, expected)) return false;
  }
  return ["BLAKE2S-128", "BLAKE2S-256"].every((name) => {
    const expected = createPortableHash(name, key).hash(data);
    const found = new Uint8Array(expected.byteLength);
    opensslMac(openSsl, "blake2s", key, data, found);
    return equalBytes(found, expected);
  });
}

function sealsAlike(openSsl: OpenSsl, aead: AeadName, key: Uint8Array, data: Uint8Array): boolean {
  const nonce = key.slice(0, 12);
  const aad = key.slice(0, 16);
  const expected = sealByNode(aead, key, nonce, data, aad);
  const found = new Uint8Array(expected.byteLength);
  opensslSeal(openSsl, aead, key, nonce, data, aad, found);
  const opened = new Uint8Array(data.byteLength);
  const opens = opensslOpen(openSsl, aead, key, nonce, found, aad, opened);
  found[found.byteLength - TAG_BYTES]! ^= 1;
  const refuses = !opensslOpen(
    openSsl,
    aead,
    key,
    nonce,
    found,
    aad,
    new Uint8Array(data.byteLength),
  );
  found[found.byteLength - TAG_BYTES]! ^= 1;
  return equalBytes(found, expected) && opens && equalBytes(opened, data) && refuses;
}

/** The portable version would cost 50 ms here, since nothing of it is compiled yet. */
function sealByNode(
  aead: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  data: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  // The types know each name with its own options only.
  const cipher = createCipheriv(aead as "aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
}
