/** Temporary folders of tests. Every test that touches the disk gets its own and leaves nothing behind. */
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

/** Gives the owner all rights on every folder below, so that its entries can be removed. */
async function makeRemovable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const stat = await lstat(path).catch(() => undefined);
    if (stat?.isDirectory() === true) await makeRemovable(path);
  }
}
