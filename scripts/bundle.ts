/**
 * Bundles the command line into dist/bundle: a pointer `main.js`, replaced in one step, and a folder named after the
 * contents, so that a running program keeps the chunks it will import later. Native packages stay outside.
 */
import { createHash } from "node:crypto";
import {
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

const ROOT = join(import.meta.dirname, "..");
const OUT = join(ROOT, "dist", "bundle");
const KEEP_OLD_MS = 24 * 3600_000;
/** What so many commands share is one chunk: to load a chunk costs more than code in it that is not used. */
const COMMON_SHARE = 50;

const temporary = join(OUT, `.new-${process.pid}`);
try {
  await build(temporary);
  const name = contentHash(temporary);
  publish(temporary, name);
  removeOld(name);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

async function build(directory: string): Promise<void> {
  const bundle = await rolldown({
    input: {
      main: join(ROOT, "src/cli/main.ts"),
      "benchmark-worker": join(ROOT, "src/node/benchmark/benchmark-worker.ts"),
      "bulk-worker": join(ROOT, "src/node/engine/bulk-worker.ts"),
      "htpasswd-worker": join(ROOT, "src/server/accounts/htpasswd-worker.ts"),
    },
    platform: "node",
    external: [/^node:/, "koffi", /^@napi-rs\//],
    logLevel: "warn",
  });
  await bundle.write({
    dir: directory,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    codeSplitting: { groups: [{ name: "common", test: /\/src\//, minShareCount: COMMON_SHARE }] },
    sourcemap: false,
    minify: { compress: true, mangle: false, codegen: true },
  });
  await bundle.close();
}

function contentHash(directory: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(directory).sort()) {
    hash
      .update(name)
      .update("\0")
      .update(readFileSync(join(directory, name)));
  }
  return hash.digest("hex").slice(0, 16);
}

function publish(directory: string, name: string): void {
  const target = join(OUT, name);
  try {
    renameSync(directory, target);
  } catch (error) {
    if (!isTaken(error)) throw error;
    const now = new Date();
    utimesSync(target, now, now);
  }
  const pointer = join(OUT, `.main-${process.pid}.js`);
  writeFileSync(
    pointer,
    [
      'import { enableCompileCache } from "node:module";',
      'import { join } from "node:path";',
      `enableCompileCache(join(import.meta.dirname, "${name}", ".cache"));`,
      `await import("./${name}/main.js");`,
      "",
    ].join("\n"),
  );
  renameSync(pointer, join(OUT, "main.js"));
}

function isTaken(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ENOTEMPTY" || error.code === "EEXIST")
  );
}

function removeOld(current: string): void {
  const before = Date.now() - KEEP_OLD_MS;
  for (const name of readdirSync(OUT)) {
    const path = join(OUT, name);
    if (name === current || !/^[0-9a-f]{16}$/.test(name) || statSync(path).mtimeMs > before)
      continue;
    rmSync(path, { recursive: true, force: true });
  }
}
