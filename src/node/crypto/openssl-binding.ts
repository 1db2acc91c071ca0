/**
 * The OpenSSL inside of Node, called directly through koffi. node:crypto answers with fresh arrays and sets up a stream
 * for each message; the plain functions write where they are told and keep their contexts: five times faster on large
 * contents, ten times on small ones. `openssl.ts` decides whether they are used.
 *
 * SECURITY: pointers and lengths go to C unchecked. Only `openssl-aead.ts` and `openssl-mac.ts` call these functions,
 * each with lengths taken from the arrays themselves.
 */
import { loadKoffi } from "../native.ts";

/** A pointer, as koffi hands it out. */
export type Pointer = { readonly __brand: "Pointer" };

type Memory = Uint8Array | Int32Array | BigUint64Array;

/** An entry of OSSL_PARAM; the last one has no key. */
export interface OsslParam {
  readonly key: string | null;
  readonly data_type: number;
  readonly data: Memory | null;
  readonly data_size: number;
  readonly return_size: number;
}

/** The functions, by their names in C. Those that return a number return 1 for success. */
export interface OpenSsl {
  readonly EVP_CIPHER_CTX_new: () => Pointer | null;
  readonly EVP_CIPHER_CTX_ctrl: (
    context: Pointer,
    type: number,
    length: number,
    data: Memory | null,
  ) => number;
  readonly EVP_aes_256_gcm: () => Pointer | null;
  readonly EVP_chacha20_poly1305: () => Pointer | null;
  readonly EVP_CipherInit_ex: (
    context: Pointer,
    cipher: Pointer | null,
    engine: null,
    key: Uint8Array | null,
    nonce: Uint8Array | null,
    encrypt: number,
  ) => number;
  readonly EVP_CipherUpdate: (
    context: Pointer,
    out: Uint8Array | null,
    outLength: Int32Array,
    data: Uint8Array,
    length: number,
  ) => number;
  readonly EVP_CipherFinal_ex: (context: Pointer, out: Uint8Array, outLength: Int32Array) => number;
  readonly EVP_MAC_fetch: (library: null, name: string, properties: null) => Pointer | null;
  readonly EVP_MAC_CTX_new: (mac: Pointer) => Pointer | null;
  readonly EVP_MAC_init: (
    context: Pointer,
    key: Uint8Array | null,
    length: number,
    parameters: readonly OsslParam[] | null,
  ) => number;
  readonly EVP_MAC_update: (context: Pointer, data: Uint8Array, length: number) => number;
  readonly EVP_MAC_final: (
    context: Pointer,
    out: Uint8Array,
    outLength: BigUint64Array,
    size: number,
  ) => number;
}

/** The bound functions; `undefined` where they are missing. */
export function bindOpenSsl(): OpenSsl | undefined {
  const koffi = loadKoffi();
  if (koffi === undefined) return undefined;
  try {
    const library = koffi.load(null);
    const parameter = koffi.struct({
      key: "const char *",
      data_type: "uint",
      data: "void *",
      data_size: "size_t",
      return_size: "size_t",
    });
    const parameters = koffi.pointer(parameter);
    const bound: Record<keyof OpenSsl, unknown> = {
      EVP_CIPHER_CTX_new: library.func("void *EVP_CIPHER_CTX_new()"),
      EVP_CIPHER_CTX_ctrl: library.func(
        "int EVP_CIPHER_CTX_ctrl(void *context, int type, int length, void *data)",
      ),
      EVP_aes_256_gcm: library.func("void *EVP_aes_256_gcm()"),
      EVP_chacha20_poly1305: library.func("void *EVP_chacha20_poly1305()"),
      EVP_CipherInit_ex: library.func(
        "int EVP_CipherInit_ex(void *context, void *cipher, void *engine, const void *key, const void *nonce, int encrypt)",
      ),
      EVP_CipherUpdate: library.func(
        "int EVP_CipherUpdate(void *context, void *out, void *outLength, const void *data, int length)",
      ),
      EVP_CipherFinal_ex: library.func(
        "int EVP_CipherFinal_ex(void *context, void *out, void *outLength)",
      ),
      EVP_MAC_fetch: library.func(
        "void *EVP_MAC_fetch(void *library, const char *name, const char *properties)",
      ),
      EVP_MAC_CTX_new: library.func("void *EVP_MAC_CTX_new(void *mac)"),
      EVP_MAC_init: library.func("EVP_MAC_init", "int", ["void *", "void *", "size_t", parameters]),
      EVP_MAC_update: library.func(
        "int EVP_MAC_update(void *context, const void *data, size_t length)",
      ),
      EVP_MAC_final: library.func(
        "int EVP_MAC_final(void *context, void *out, void *outLength, size_t size)",
      ),
    };
    return bound as OpenSsl;
  } catch {
    return undefined; // no koffi for this platform, or an OpenSSL without these functions: slower, not wrong
  }
}
