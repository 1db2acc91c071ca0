/** `cache sync`: brings all metadata packs into the cache. */
import { type Command, defineCommand } from "../command.ts";
import { integer } from "../flags.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Synchronizes the metadata cache with blobs in storage",
  flags: { parallel: integer("Fetch parallelism", { default: 16 }) },
  async run(context, flags) {
    if (flags.parallel < 1) throw usageError("--parallel: expected 1 or more");
    await using repository = await context.openDirectRepository();
    const { signal } = context;
    const { packs, cached } = await repository.contents.fillMetadataCache({
      parallel: flags.parallel,
      signal,
    });
    context.log.info(`${cached} of ${packs} metadata packs are in the cache.`);
    if (cached === 0 && packs > 0)
      context.log.info(
        "Nothing is cached of a repository in a local folder, or when caching is off.",
      );
    return 0;
  },
});
