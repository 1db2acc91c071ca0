/** For processes that will have much to do, while they have nothing to do yet. */
import { loadDirectZstd } from "./compress/index.ts";
import { loadOpenSsl, nativeBlake } from "./crypto/index.ts";

/** Loads at once what others load when enough was asked for. What cannot be loaded here is done without. */
export function loadNatives(): void {
  loadOpenSsl();
  loadDirectZstd();
  nativeBlake();
}
