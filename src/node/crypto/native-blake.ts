/**
 * The prebuilt BLAKE hashes of `@napi-rs/blake-hash`. The package is optional: where it cannot be loaded (another
 * platform, no optional dependencies) `nativeBlake` is undefined and the callers use what is always there.
 */
import { createRequire } from "node:module";

type NativeBlake = typeof import("@napi-rs/blake-hash");

/** The package, loaded when it is first asked for. */
export function nativeBlake(): NativeBlake | undefined {
  loaded ??= { module: load() };
  return loaded.module;
}

let loaded: { readonly module: NativeBlake | undefined } | undefined;

function load(): NativeBlake | undefined {
  try {
    return createRequire(import.meta.url)("@napi-rs/blake-hash") as NativeBlake;
  } catch {
    return undefined; // not installed or not for this platform: slower, not wrong
  }
}
