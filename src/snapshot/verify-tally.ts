/** What a verification has found so far: totals, problems, and which objects and contents are broken. */
import { type ContentRef, IdSet } from "../format/index.ts";
import type { ObjectId } from "../object/index.ts";
import type { VerifyCounters, VerifyOptions, VerifyProblem, VerifyRoot } from "./verify-types.ts";

/** More are counted, not kept. */
const MAX_KEPT_PROBLEMS = 10_000;

export class VerifyTally implements VerifyCounters {
  processedObjects = 0;
  processedBytes = 0;
  readFiles = 0;
  readBytes = 0;
  expectedObjects = 0;
  expectedFiles = 0;
  expectedBytes = 0;
  problemCount = 0;
  /** Objects in the biggest tree, by its summary: about how many different ones there are. */
  biggestRoot = 0;
  readonly problems: VerifyProblem[] = [];
  /** Contents that turned out damaged when they were read. */
  readonly brokenContents: IdSet = new IdSet();
  /** Problems by the root they were first met in. */
  readonly byRoot: Map<VerifyRoot, number> = new Map();
  readonly #brokenObjects: IdSet = new IdSet();
  readonly #options: VerifyOptions;

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  /** As many problems as were wanted. */
  get stopped(): boolean {
    const { maxErrors = 0 } = this.#options;
    return maxErrors > 0 && this.problemCount >= maxErrors;
  }

  isBroken(object: ObjectId): boolean {
    return this.#brokenObjects.size > 0 && this.#brokenObjects.has(object);
  }

  hasBrokenContent(content: ContentRef): boolean {
    return this.brokenContents.size > 0 && this.brokenContents.has(content);
  }

  expect(root: VerifyRoot): void {
    const { summary } = root.entry;
    if (summary === undefined) return;
    const objects = summary.files + summary.directories + summary.symlinks;
    this.biggestRoot = Math.max(this.biggestRoot, objects);
    this.expectedObjects += objects;
    this.expectedFiles += summary.files;
    this.expectedBytes += summary.sizeBytes;
  }

  /** One problem an object: the second one of the same object is not counted. */
  report(root: VerifyRoot, problem: VerifyProblem): void {
    if (this.stopped || !this.#brokenObjects.add(problem.object)) return;
    this.problemCount++;
    this.byRoot.set(root, (this.byRoot.get(root) ?? 0) + 1);
    if (this.problems.length < MAX_KEPT_PROBLEMS) this.problems.push(problem);
    this.#options.onEvent?.({ kind: "problem", problem });
  }

  progress(): void {
    this.#options.onEvent?.({ kind: "progress", counters: this });
  }

  counters(): VerifyCounters {
    const { processedObjects, processedBytes, readFiles, readBytes } = this;
    const { expectedObjects, expectedFiles, expectedBytes } = this;
    return {
      processedObjects,
      processedBytes,
      readFiles,
      readBytes,
      expectedObjects,
      expectedFiles,
      expectedBytes,
    };
  }
}
