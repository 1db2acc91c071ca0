/** Random trees for property tests: few names, so that two trees have much in common. */
import fc from "fast-check";
import type { TreeModel } from "./stored-tree.ts";

const NAMES = ["a", "b", "c", "d.tmp", "é", "\u{1f600}", "\ufffd"] as const;

export const treeModels: fc.Arbitrary<TreeModel> = fc.letrec<{ tree: TreeModel }>((tie) => ({
  tree: fc.dictionary(
    fc.constantFrom(...NAMES),
    fc.oneof(
      { depthSize: "small", maxDepth: 4, withCrossShrink: true },
      fc.constantFrom("", "1", "22", "333"),
      fc.record({ link: fc.constantFrom("a", "b/c") }),
      tie("tree"),
    ),
    { maxKeys: 5 },
  ) as fc.Arbitrary<TreeModel>,
})).tree;
