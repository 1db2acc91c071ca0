/** Golden files: bytes and values made by a real kopia, which our code must reproduce. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** `test/golden` of the checkout. */
export const GOLDEN_DIRECTORY: string = fileURLToPath(
  new URL("../../test/golden/", import.meta.url),
);

/** Where the repositories of the reference client lie, one folder a case, each with `repo/` and `expected.json`. */
export const GOLDEN_REPOSITORIES: string = join(GOLDEN_DIRECTORY, "kopia-2026.08");

/** A path below `test/golden`. */
export function goldenPath(...parts: readonly string[]): string {
  return join(GOLDEN_DIRECTORY, ...parts);
}

let vectors: Readonly<Record<string, unknown>> | undefined;

/** One section of `vectors.json`, in the shape that the caller knows it to have. */
export function goldenVectors<T>(section: string): T {
  vectors ??= JSON.parse(readFileSync(goldenPath("vectors.json"), "utf8")) as Readonly<
    Record<string, unknown>
  >;
  const found = vectors[section];
  if (found === undefined) throw new Error(`vectors.json has no section ${section}`);
  return found as T;
}

export interface GoldenRepository {
  readonly name: string;
  /** Root of the filesystem store. Read only: copy it before writing. */
  readonly path: string;
  readonly password: string;
  /** All of `expected.json`; see `test/golden/kopia-2026.08/README.md`. */
  readonly expected: Readonly<Record<string, unknown>>;
}

/** All repositories made by the reference client, by name. */
export function goldenRepositories(): readonly GoldenRepository[] {
  if (!existsSync(GOLDEN_REPOSITORIES)) return [];
  return readdirSync(GOLDEN_REPOSITORIES)
    .filter((name) => existsSync(join(GOLDEN_REPOSITORIES, name, "expected.json")))
    .toSorted()
    .map(goldenRepository);
}

export function goldenRepository(name: string): GoldenRepository {
  const folder = join(GOLDEN_REPOSITORIES, name);
  const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Readonly<
    Record<string, unknown>
  >;
  return { name, path: join(folder, "repo"), password: String(expected["password"]), expected };
}
