/**
 * How much an upload will have to do, for its progress: a walk in short steps beside it, or what the volume holds.
 * Spec: kopia-snapshots 4.11.
 */
import { statfsSync } from "node:fs";
import type { LocalName } from "../format/index.ts";
import { pathLike } from "../node/index.ts";
import type { EstimationSettings } from "./create-types.ts";
import { estimateInSteps } from "./estimate.ts";
import type { PolicyTree } from "./policies.ts";

/** Work of a step, and the pause after it, which leaves most of the time to the upload. */
const STEP_MS = 5;
const PAUSE_MS = 20;

/** `tell` is called once, or never: when disposed before, or when the walk fails. */
export function estimateInBackground(
  root: LocalName,
  policies: PolicyTree,
  settings: EstimationSettings,
  tell: (files: number, bytes: number) => void,
): Disposable {
  const volume = settings.type === "classic" ? undefined : volumeOf(root);
  const isSmall = settings.type === "adaptive" && (volume?.files ?? 0) < settings.adaptiveThreshold;
  if (volume !== undefined && !isSmall) {
    tell(volume.files, volume.bytes);
    return { [Symbol.dispose]: () => {} };
  }
  const walk = estimateInSteps(root, policies, { maxExamples: 0 });
  let timer = setTimeout(step, 0);
  function step(): void {
    const end = performance.now() + STEP_MS;
    try {
      do {
        const { done, value } = walk.next();
        if (done === true) {
          tell(value.files, value.bytes);
          return;
        }
      } while (performance.now() < end);
    } catch {
      // The upload meets the same error and tells it.
      return;
    }
    timer = setTimeout(step, PAUSE_MS);
  }
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

function volumeOf(path: LocalName): { readonly files: number; readonly bytes: number } | undefined {
  try {
    const { files, ffree, blocks, bfree, bsize } = statfsSync(pathLike(path));
    return { files: files - ffree, bytes: (blocks - bfree) * bsize };
  } catch {
    return undefined;
  }
}
