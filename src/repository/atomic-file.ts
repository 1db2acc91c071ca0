/** Small private files written whole: a reader sees the old or the new one, and a crash leaves one of the two. */
import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { errorFromUnknown } from "../errors/index.ts";

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/**
 * Replaces a file (mode 0600) by way of a temporary one, making missing folders (mode 0700).
 * @throws SEJF_NO_SPACE, SEJF_PERMISSION, SEJF_IO.
 */
export async function writeFileAtomically(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.tmp.${randomBytes(8).toString("hex")}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    const file = await open(temporary, "wx", FILE_MODE);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw errorFromUnknown(error, `writing ${path}`);
  }
}
