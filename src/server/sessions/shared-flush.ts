/**
 * Flushing for everybody at once. A flush closes the packs being filled, so a flush for each of many sessions would
 * make many small packs; those who ask while one runs share the next. What threads hold of contents is stored before any
 * manifest is written that names it, and one index makes all of them visible, when every pack is there.
 */
import type { DirectRepository } from "../../repository/index.ts";
import type { SharedFlush } from "../types.ts";

interface Round {
  readonly stages: (() => Promise<void>)[];
  readonly done: Promise<void>;
}

export function createSharedFlush(
  repository: Pick<DirectRepository, "contents" | "manifests">,
): SharedFlush {
  return new GroupFlush(repository);
}

class GroupFlush implements SharedFlush {
  readonly #repository: Pick<DirectRepository, "contents" | "manifests">;
  #last: Promise<void> = Promise.resolve();
  /** Not begun yet: who comes now joins it. */
  #next: Round | undefined;

  constructor(repository: Pick<DirectRepository, "contents" | "manifests">) {
    this.#repository = repository;
  }

  async flush(stage?: () => Promise<void>): Promise<void> {
    this.#next ??= this.#newRound();
    if (stage !== undefined) this.#next.stages.push(stage);
    await this.#next.done;
  }

  #newRound(): Round {
    const stages: (() => Promise<void>)[] = [];
    const done = this.#last.then(async () => {
      this.#next = undefined;
      await this.#run(stages);
    });
    this.#last = done.catch(() => undefined);
    return { stages, done };
  }

  async #run(stages: readonly (() => Promise<void>)[]): Promise<void> {
    const { contents, manifests } = this.#repository;
    await contents.storeHeld();
    for (const stage of stages) await stage();
    await manifests.flush();
    await contents.flush();
  }
}
