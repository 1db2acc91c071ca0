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

/**
 * The package asks Node's diagnostic report which C library there is. Such a report looks up the names of all that are
 * connected, one after the other, while everything stands still: a server with many strangers would for minutes.
 */
function load(): NativeBlake | undefined {
  // Not among the types yet.
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    return createRequire(import.meta.url)("@napi-rs/blake-hash") as NativeBlake;
  } catch {
    return undefined; // not installed or not for this platform: slower, not wrong
  } finally {
    report.excludeNetwork = before;
  }
}
