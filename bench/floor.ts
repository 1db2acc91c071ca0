/** The floor of a restore of many small files: threads that create the same files with bytes already at hand. */
import {
  closeSync,
  fchmodSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

interface Job {
  readonly target: string;
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[];
}

/** Milliseconds that two threads need to create the files of `source` below `target`, which does not exist before. */
export async function createFloor(source: string, target: string): Promise<number> {
  const halves: { path: string; bytes: Uint8Array }[][] = [[], []];
  const directories: string[] = [];
  const entries = readdirSync(source, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) directories.push(relative(source, path));
  }
  const order = new Map(directories.map((directory, index) => [directory, index]));
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = relative(source, join(entry.parentPath, entry.name));
    halves[(order.get(dirname(path)) ?? 0) % 2]?.push({
      path,
      bytes: readFileSync(join(source, path)),
    });
  }
  const threads = halves.map(
    (files) => new Worker(import.meta.filename, { workerData: { target, files } satisfies Job }),
  );
  await Promise.all(
    threads.map((thread) => new Promise((resolve) => thread.once("message", resolve))),
  );
  const begun = performance.now();
  mkdirSync(target);
  for (const directory of directories.toSorted()) mkdirSync(join(target, directory));
  await Promise.all(threads.map(run));
  const tookMs = performance.now() - begun;
  return tookMs;
}

async function run(thread: Worker): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    thread.once("error", reject);
    thread.once("exit", () => resolve());
    thread.postMessage("go");
  });
}

if (!isMainThread && parentPort !== null) {
  const { target, files } = workerData as Job;
  parentPort.once("message", () => {
    for (const { path, bytes } of files) {
      const fd = openSync(join(target, path), "wx", 0o600);
      writeSync(fd, bytes);
      fchmodSync(fd, 0o644);
      futimesSync(fd, 1767323045, 1767323045);
      closeSync(fd);
    }
  });
  parentPort.postMessage("ready");
}
