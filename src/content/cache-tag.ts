/** The mark by which backup programs leave a cache folder out, sejf itself among them. Spec: bford.info/cachedir. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const NAME = "CACHEDIR.TAG";
const TEXT =
  "Signature: 8a477f597d28d172789f06886806bc55\n# Local copies made by sejf; may be deleted at any time.\n";

/** Marks a folder that exists. Where that is not possible it stays without. */
export function markCacheFolder(path: string): void {
  try {
    writeFileSync(join(path, NAME), TEXT, { mode: 0o600, flag: "wx" });
  } catch {
    // marked already, or a folder that cannot be written to
  }
}
