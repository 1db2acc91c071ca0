/** Temporary folders of tests. Every test that touches the disk gets its own and leaves nothing behind. */
import { readdirSync } from "node:fs";
import { chmod, lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}

/** A new empty folder under the system's temporary one; disposing removes it, read-only folders inside included. */
export async function temporaryDirectory(label = "test"): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), `sejf-${label}-`));
  return {
    path,
    async [Symbol.asyncDispose](): Promise<void> {
      await makeRemovable(path);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Paths of all files below a folder; of those in a list of sealed contents, whichever leaves chance has cut it into. */
export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Gives the owner all rights on every folder below, so that its entries can be removed. */
async function makeRemovable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const stat = await lstat(path).catch(() => undefined);
    if (stat?.isDirectory() === true) await makeRemovable(path);
  }
}
