/** A small tree with everything an ordinary snapshot keeps: kinds, modes, times, names, sizes around segment borders. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import { setFileTimes } from "../../src/node/index.ts";

/** Bytes that do not compress and are the same in every run. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** Fills the existing folder `root`. */
export async function writeSampleTree(root: string): Promise<void> {
  for (const directory of ["empty", "docs", "docs/deep", "docs/deep/er", "odd <&> names", "big"]) {
    mkdirSync(join(root, directory));
  }
  const files: readonly (readonly [string, Uint8Array | string, number])[] = [
    ["empty.txt", "", 0o644],
    ["hello.txt", "hello kopia\n", 0o600],
    ["docs/readme.md", "# sejf\n".repeat(4000), 0o644],
    ["docs/deep/er/a.json", '{"a":1}\n', 0o640],
    ["docs/deep/run.sh", "#!/bin/sh\nexit 0\n", 0o4755],
    ["docs/nobody", "may not be read by others", 0o000],
    ['odd <&> names/h<t>m&l "q" \\b.txt', "escapes", 0o644],
    ["odd <&> names/e\u0301 \u2028 \u{1f512}.txt", "text", 0o644],
    ["odd <&> names/new\nline\ttab", "controls", 0o644],
    ["big/noise-5m.bin", noise(5_000_000, 1), 0o644],
    ["big/noise-700k.bin", noise(700_000, 2), 0o644],
    ["big/zeros.bin", new Uint8Array(3 << 20), 0o644],
    [
      "big/text.log",
      "2026-11-25 12:00:00 INFO the same line again and again\n".repeat(60_000),
      0o644,
    ],
  ];
  for (const [name, data, mode] of files) {
    writeFileSync(join(root, name), data);
    await chmod(join(root, name), mode);
  }
  for (let i = 0; i < 300; i++)
    writeFileSync(join(root, "docs/deep/er", `small-${i}`), noise(20 + i * 7, i));
  symlinkSync("hello.txt", join(root, "link"));
  symlinkSync("no/such/target", join(root, "docs/broken"));
  symlinkSync("deep", join(root, "docs/folder-link"));
  await chmod(join(root, "docs/deep"), 0o2775);
  await chmod(join(root, "empty"), 0o1777);
  if (process.getuid?.() === 0) {
    await chown(join(root, "docs/readme.md"), 1001, 1002);
    await chown(join(root, "docs"), 1000, 1000);
  }
  setFileTimes(join(root, "hello.txt"), { mtimeNs: 1767323045123456789n });
  setFileTimes(join(root, "empty.txt"), { mtimeNs: -86400_000000001n });
  setFileTimes(join(root, "docs/readme.md"), { mtimeNs: 1767323045000000000n });
}
