/** Verification of trees: the walk, the files read in full, and which roots are hurt by what was found. */
import { SejfError } from "../errors/index.ts";
import type { Repository } from "../repository/index.ts";
import { HurtSearch } from "./verify-hurt.ts";
import { openPresence } from "./verify-presence.ts";
import { FileReader } from "./verify-read.ts";
import { VerifyTally } from "./verify-tally.ts";
import type { HurtRoot, VerifyOptions, SnapshotVerification, VerifyRoot } from "./verify-types.ts";
import { VerifyWalk } from "./verify-walk.ts";

/**
 * Each object below the roots once: directories are read, of files every content must be in the index and in a pack
 * that exists and is long enough; a share of the files is read in full. What is broken is a result, not an error.
 * @throws SEJF_INVALID_ARGUMENT; what listing the storage gives.
 */
export async function verifyTrees(
  repository: Repository,
  roots: readonly VerifyRoot[],
  options: VerifyOptions = {},
): Promise<SnapshotVerification> {
  const { filesPercent = 0, random } = options;
  if (!(filesPercent >= 0 && filesPercent <= 100))
    throw new SejfError("SEJF_INVALID_ARGUMENT", `${filesPercent} is not a percentage`);
  if (filesPercent > 0 && filesPercent < 100 && random === undefined)
    throw new TypeError("a share of the files cannot be chosen without randomness");
  const tally = new VerifyTally(options);
  const presence = await openPresence(repository, options);
  if (presence.packs !== undefined) options.onEvent?.({ kind: "listed", packs: presence.packs });
  for (const root of roots) tally.expect(root);
  const chosen = new VerifyWalk(repository, presence, tally, options).run(roots);
  if (filesPercent > 0) await new FileReader(repository, presence, tally, options).run(chosen);
  else
    for await (const _ of chosen) {
      // Nothing was chosen: the walk alone does the work.
    }
  const hurt = await hurtRoots(repository, roots, tally, options);
  tally.progress();
  return {
    counters: tally.counters(),
    problems: tally.problems,
    problemCount: tally.problemCount,
    hurt,
    isBroken: (object) => tally.isBroken(object),
  };
}

/** After an early end only those roots are known below which a problem was met. */
async function hurtRoots(
  repository: Repository,
  roots: readonly VerifyRoot[],
  tally: VerifyTally,
  options: VerifyOptions,
): Promise<readonly HurtRoot[]> {
  if (tally.problemCount === 0) return [];
  if (!tally.stopped) return await new HurtSearch(repository, tally, options).run(roots);
  return roots.flatMap((root) => {
    const damaged = tally.byRoot.get(root);
    return damaged === undefined ? [] : [{ root, damaged }];
  });
}
