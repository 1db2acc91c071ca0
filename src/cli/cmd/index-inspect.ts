/** `index inspect`: the entries of index blobs. Reference: kopia cli/command_index_inspect.go. */
import { type BlobMetadata, statExisting, toBlobId } from "../../blob/index.ts";
import { mapConcurrent } from "../../bytes/index.ts";
import type { ContentId } from "../../format/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag, integer, texts } from "../flags.ts";
import { contentIds } from "../shared/content-ids.ts";
import { usageError } from "../usage-error.ts";

const flags = {
  all: flag("Inspect all index blobs in the repository, including inactive"),
  active: flag("Inspect all active index blobs"),
  contentId: texts("Only show entries of these contents", { placeholder: "ID" }),
  parallel: integer("Parallelism", { default: 8 }),
};

export const command: Command = defineCommand({
  summary: "Inspect index blob",
  flags,
  arguments: [{ name: "blobs", help: "Names of index blobs to inspect", variadic: true }],
  async run(context, values, args) {
    if (!values.all && !values.active && args.length === 0)
      throw usageError("must pass either --all, --active or provide a list of blob IDs to inspect");
    if (values.parallel < 1) throw usageError("--parallel: expected 1 or more");
    const wanted = new Set(contentIds(values.contentId));
    await using repository = await context.openDirectRepository();
    const blobs = await blobsToInspect(repository, values, args, context.signal);
    const indexes = mapConcurrent(
      blobs,
      values.parallel,
      async (blob, signal) => ({
        blob,
        index: await repository.contents.openIndexBlob(blob.id, { signal }),
      }),
      context.signal,
    );
    for await (const { blob, index } of indexes) {
      for (const entry of index.entries()) {
        if (wanted.size > 0 && !wanted.has(entry.contentId)) continue;
        context.out.line(line(context, blob, entry));
      }
    }
    return 0;
  },
});

async function blobsToInspect(
  repository: DirectRepository,
  values: FlagValues<typeof flags>,
  args: readonly string[],
  signal: AbortSignal,
): Promise<readonly BlobMetadata[]> {
  if (values.all || values.active)
    return await repository.contents.indexBlobs({ includeInactive: values.all, signal });
  const blobs: BlobMetadata[] = [];
  for (const id of args.map(toBlobId))
    blobs.push(await statExisting(repository.storage, id, { signal }));
  return blobs;
}

interface Entry {
  readonly contentId: ContentId;
  readonly packId: string;
  readonly packOffset: number;
  readonly packedLength: number;
  readonly timestampS: number;
  readonly deleted: boolean;
}

function line(context: CommandContext, blob: BlobMetadata, entry: Entry): string {
  const written = context.timePrecise(BigInt(entry.timestampS) * 1_000_000_000n);
  return [
    context.timePrecise(blob.timestamp),
    blob.id,
    entry.contentId,
    entry.deleted ? "deleted" : "created",
    written,
    entry.packId,
    entry.packOffset,
    entry.packedLength,
  ].join(" ");
}
