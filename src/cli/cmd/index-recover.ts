/** `index recover`: rebuilds the index from what packs say of themselves. */
import { toBlobId } from "../../blob/index.ts";
import type { RecoverIndexesResult } from "../../content/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag, integer, texts } from "../flags.ts";
import { usageError } from "../usage-error.ts";

const TELL_EVERY_MS = 1000;

const flags = {
  blobPrefixes: texts("Prefixes of pack blobs to recover from (default all packs)", {
    placeholder: "PREFIX",
  }),
  blobs: texts("Names of pack blobs to recover from (default all packs)", { placeholder: "ID" }),
  parallel: integer("Recover parallelism", { default: 1 }),
  ignoreErrors: flag("Ignore errors when recovering"),
  deleteIndexes: flag(
    "Delete all indexes once the recovered one is written; only when every pack can be read",
  ),
  commit: flag("Commit recovered content"),
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "Recover indexes from pack blobs",
  description:
    "For when index blobs were lost or damaged; damaged ones are left out when the repository is opened. Contents that were deleted come back to life, until maintenance finds them unused again. Shows only what would be recovered unless --commit is given.",
  flags,
  async run(context, values) {
    context.assertDangerousAllowed();
    const packs = values.blobs.map(toBlobId);
    checkUsage(values);
    await using repository = await context.openDirectRepository({ leaveOutBadIndexes: true });
    let nextMs = context.clock.nowMs() + TELL_EVERY_MS;
    const result = await repository.contents.recoverIndexes({
      packs: packs.length === 0 ? undefined : packs,
      prefixes: values.blobPrefixes.length === 0 ? undefined : values.blobPrefixes,
      commit: values.commit,
      onlyComplete: !values.ignoreErrors,
      replaceIndexes: values.deleteIndexes,
      parallel: values.parallel,
      signal: context.signal,
      onProgress(done, entries) {
        if (context.clock.nowMs() < nextMs) return;
        nextMs = context.clock.nowMs() + TELL_EVERY_MS;
        context.log.info(`Recovered ${entries} index entries from ${done} blobs...`);
      },
    });
    tell(context, result, values);
    return 0;
  },
});

function checkUsage(values: Values): void {
  if (values.parallel < 1) throw usageError("--parallel: expected 1 or more");
  const isPart = values.blobs.length > 0 || values.blobPrefixes.length > 0;
  if (values.deleteIndexes && (isPart || values.ignoreErrors))
    throw usageError(
      "--delete-indexes needs all packs",
      "leave out --blobs, --blob-prefixes and --ignore-errors: what is in other packs would be lost",
    );
  const wrong = values.blobPrefixes.find((prefix) => !/^[pq]/.test(prefix));
  if (wrong !== undefined)
    throw usageError(`--blob-prefixes: ${JSON.stringify(wrong)} names no packs, expected p or q`);
}

function tell(context: CommandContext, result: RecoverIndexesResult, values: Values): void {
  const { log } = context;
  const { contents, packs, unreadable, replaced } = result;
  for (const { packId, message } of unreadable)
    log.warn(message.includes(packId) ? message : `pack ${packId}: ${message}`);
  if (unreadable.length > 0 && !values.ignoreErrors) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `${unreadable.length} of ${packs} packs could not be read, nothing was recovered`,
      { hint: "restore them from another copy, or recover the rest with --ignore-errors" },
    );
  }
  const good = packs - unreadable.length;
  for (const id of replaced)
    log.info(
      values.commit
        ? `deleted old index blob: ${id}`
        : `would delete old index: ${id} (pass --commit to approve)`,
    );
  if (contents === 0) log.info("No contents recovered.");
  else if (values.commit) log.info(`Recovered ${contents} contents from ${good} blobs.`);
  else
    log.info(
      `Found ${contents} contents to recover from ${good} blobs, but not committed. Re-run with --commit`,
    );
}
