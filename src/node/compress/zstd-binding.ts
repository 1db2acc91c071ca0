/**
 * The Zstandard inside of Node, called directly through koffi. node:zlib sets up a stream and a context for each
 * content and answers with fresh memory; the plain functions keep their contexts and write where they are told.
 *
 * SECURITY: pointers and lengths go to C unchecked. Only `zstd-direct.ts` calls these functions, with lengths taken
 * from the arrays themselves.
 */
import { loadKoffi } from "../native.ts";

/** A pointer, as koffi hands it out. */
export type ZstdContext = { readonly __brand: "ZstdContext" };

/** The functions, by their names in C. Lengths and errors come as size_t; `ZSTD_isError` tells them apart. */
export interface Zstd {
  readonly ZSTD_createCCtx: () => ZstdContext | null;
  readonly ZSTD_createDCtx: () => ZstdContext | null;
  readonly ZSTD_CCtx_setParameter: (
    context: ZstdContext,
    parameter: number,
    value: number,
  ) => number;
  readonly ZSTD_compress2: (
    context: ZstdContext,
    target: Uint8Array,
    capacity: number,
    source: Uint8Array,
    length: number,
  ) => number;
  readonly ZSTD_decompressDCtx: (
    context: ZstdContext,
    target: Uint8Array,
    capacity: number,
    source: Uint8Array,
    length: number,
  ) => number;
  readonly ZSTD_isError: (result: number) => number;
}

/** The bound functions; `undefined` without koffi or where Node does not show its Zstandard. */
export function bindZstd(): Zstd | undefined {
  const koffi = loadKoffi();
  if (koffi === undefined) return undefined;
  try {
    const library = koffi.load(null);
    const bound: Record<keyof Zstd, unknown> = {
      ZSTD_createCCtx: library.func("void *ZSTD_createCCtx()"),
      ZSTD_createDCtx: library.func("void *ZSTD_createDCtx()"),
      ZSTD_CCtx_setParameter: library.func(
        "int64_t ZSTD_CCtx_setParameter(void *context, int parameter, int value)",
      ),
      ZSTD_compress2: library.func(
        "int64_t ZSTD_compress2(void *context, void *target, size_t capacity, const void *source, size_t length)",
      ),
      ZSTD_decompressDCtx: library.func(
        "int64_t ZSTD_decompressDCtx(void *context, void *target, size_t capacity, const void *source, size_t length)",
      ),
      ZSTD_isError: library.func("unsigned int ZSTD_isError(int64_t result)"),
    };
    return bound as Zstd;
  } catch {
    return undefined; // slower, not wrong
  }
}
