/** Sealed accounts on the command line, as their users type: the trees they back up, and what they look at. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import type { SourcesClient } from "../cli/support.ts";

export const ACCOUNT_PASSWORD = "nobody guesses this one";
export const MARKER = "PLAINTEXT-MARKER-OF-THE-TEST";
export const ALICE = "alice@laptop";

/** Names and texts with "secret" in them, and a megabyte that does not compress. */
export function makeTree(root: string, seed = 1): string {
  mkdirSync(join(root, "secret-folder"), { recursive: true });
  writeFileSync(join(root, "secret-name.txt"), `${MARKER}\n`.repeat(100));
  writeFileSync(join(root, "secret-folder", "big.bin"), new SeededRandom(seed).bytes(1_000_000));
  for (let i = 0; i < 5; i++)
    writeFileSync(join(root, "secret-folder", `small-${i}`), `${MARKER} ${i}`);
  return root;
}

export interface ListedSnapshot {
  readonly id: string;
  readonly source: { readonly path: string };
  readonly rootEntry: { readonly obj: string };
}

export async function listed(client: SourcesClient): Promise<readonly ListedSnapshot[]> {
  return await client.json<readonly ListedSnapshot[]>(["snapshot", "list", "--all", "--json"]);
}

/** What differs between the tree and a restore of this snapshot. */
export async function restoredDifferences(
  client: SourcesClient,
  id: string,
  tree: string,
): Promise<readonly string[]> {
  const target = join(client.home, `restored-${id}`);
  await client.ok(["restore", id, target]);
  return compareTrees(tree, target).differences;
}

/** The account key on a recovery kit. */
export function accountKeyOf(kitFile: string): string {
  const [, key] = /^((?:[a-z2-7]{4}-){7}[a-z2-7]{4})$/m.exec(readFileSync(kitFile, "utf8")) ?? [];
  if (key === undefined) throw new Error("the kit has no account key");
  return key;
}

/** The identity line on it. */
export function identityOf(kitFile: string): string {
  const [line] = /^AGE-SECRET-KEY-PQ-1\S+$/m.exec(readFileSync(kitFile, "utf8")) ?? [];
  if (line === undefined) throw new Error("the kit has no identity");
  return line;
}
