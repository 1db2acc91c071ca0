/** Memory that is kept for later, but not for what is in it: the system gets its pages back (Linux, see `libc.ts`). */
import { libC } from "./libc.ts";

const PAGE_BYTES = 4096;
const MADV_DONTNEED = 4;

/** The address is that of the view's first byte. */
type Madvise = (view: Uint8Array, lengthBytes: number, advice: number) => number;

/** `undefined` until the first use, `null` where it is not to be had. */
let loaded: Madvise | null | undefined;

/**
 * The bytes of the view, which begins at a page, may be gone afterwards: whole pages read as zeros where the system has
 * taken them. Only for memory of `WebAssembly.Memory`, which is made of pages that belong to nobody else.
 */
export function releasePages(view: Uint8Array): void {
  loaded ??= load();
  const whole = view.byteLength - (view.byteLength % PAGE_BYTES);
  if (whole > 0) loaded?.(view, whole, MADV_DONTNEED);
}

function load(): Madvise | null {
  const libc = process.platform === "linux" ? libC() : undefined;
  if (libc === undefined) return null;
  const madvise = libc.func("int madvise(void *address, size_t length, int advice)");
  return (view, lengthBytes, advice) => madvise(view, lengthBytes, advice) as number;
}
