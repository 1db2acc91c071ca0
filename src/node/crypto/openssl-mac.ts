/** Keyed hashes by direct calls: one context for each function, kept by the thread and given the key each time. */
import type { HashFunction } from "../../crypto/index.ts";
import { assert } from "../../errors/index.ts";
import type { OpenSsl, OsslParam, Pointer } from "./openssl-binding.ts";

/** Functions that OpenSSL has keyed. */
export type MacFunction = Exclude<HashFunction, "blake2b" | "blake3">;

const UNSIGNED_INTEGER = 2;
const UTF8_STRING = 4;
const END: OsslParam = { key: null, data_type: 0, data: null, data_size: 0, return_size: 0 };

const DIGESTS: Readonly<Record<Exclude<MacFunction, "blake2s">, string>> = {
  "hmac-sha224": "SHA2-224",
  "hmac-sha256": "SHA2-256",
  "hmac-sha3-224": "SHA3-224",
  "hmac-sha3-256": "SHA3-256",
};

/** To HMAC an empty key is the same as a zero byte; OpenSSL wants a pointer to something. */
const EMPTY_KEY = new Uint8Array(1);

const contexts = new Map<string, Pointer>();
const outLength = new BigUint64Array(1);

/** The digest of `data` into `out`, which has the length of the digest. BLAKE2s needs a key of 1 to 32 bytes. */
export function opensslMac(
  openSsl: OpenSsl,
  mac: MacFunction,
  key: Uint8Array,
  data: Uint8Array,
  out: Uint8Array,
): void {
  const name = `${mac} ${out.byteLength}`;
  let context = contexts.get(name);
  if (context === undefined) {
    context = createContext(openSsl, mac, out.byteLength);
    contexts.set(name, context);
  }
  const realKey = key.byteLength === 0 ? EMPTY_KEY : key;
  check(openSsl.EVP_MAC_init(context, realKey, realKey.byteLength, null));
  if (data.byteLength > 0) check(openSsl.EVP_MAC_update(context, data, data.byteLength));
  check(openSsl.EVP_MAC_final(context, out, outLength, out.byteLength));
  assert(outLength[0] === BigInt(out.byteLength), "a digest of the length asked for");
}

function createContext(openSsl: OpenSsl, mac: MacFunction, digestBytes: number): Pointer {
  const algorithm = openSsl.EVP_MAC_fetch(null, mac === "blake2s" ? "BLAKE2SMAC" : "HMAC", null);
  assert(algorithm !== null, "OpenSSL has its keyed hashes");
  const context = openSsl.EVP_MAC_CTX_new(algorithm);
  assert(context !== null, "OpenSSL has memory");
  const parameter = mac === "blake2s" ? sizeParameter(digestBytes) : digestParameter(DIGESTS[mac]);
  check(openSsl.EVP_MAC_init(context, EMPTY_KEY, EMPTY_KEY.byteLength, [parameter, END]));
  return context;
}

function digestParameter(name: string): OsslParam {
  const data = new TextEncoder().encode(`${name}\0`);
  return { key: "digest", data_type: UTF8_STRING, data, data_size: name.length, return_size: 0 };
}

function sizeParameter(bytes: number): OsslParam {
  const data = BigUint64Array.of(BigInt(bytes));
  return {
    key: "size",
    data_type: UNSIGNED_INTEGER,
    data,
    data_size: data.byteLength,
    return_size: 0,
  };
}

function check(result: number): void {
  assert(result === 1, `OpenSSL answered ${result}`);
}
