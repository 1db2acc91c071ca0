/** `content verify`: every content's pack is there and long enough; a share of the contents, or all, is read. */
import type { VerifyContentsResult } from "../../content/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { decimal, duration, flag, inert } from "../flags.ts";
import { contentRange, RANGE_FLAGS } from "../shared/content-range.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Verify that each content is backed by a valid blob",
  flags: {
    parallel: inert("value", "sejf reads with as many threads as fit the machine"),
    full: flag("Full verification (including download)"),
    includeDeleted: flag("Include deleted contents"),
    downloadPercent: decimal("Download a percentage of files [0.0 .. 100.0]"),
    progressInterval: duration("Progress output interval", { default: 3_000_000_000n }),
    ...RANGE_FLAGS,
  },
  async run(context, flags) {
    const range = contentRange(flags);
    const percent = flags.full ? 100 : (flags.downloadPercent ?? 0);
    if (percent < 0 || percent > 100)
      throw usageError(`--download-percent: ${percent} is not between 0 and 100`);
    await using repository = await context.openDirectRepository();
    context.log.info("Verifying contents...");
    const intervalMs = Number(flags.progressInterval) / 1e6;
    let nextMs = context.clock.nowMs() + intervalMs;
    const result = await repository.contents.verify({
      ...range,
      includeDeleted: flags.includeDeleted,
      fullPercent: percent,
      signal: context.signal,
      onProgress(done, problems) {
        if (context.clock.nowMs() < nextMs) return;
        nextMs = context.clock.nowMs() + intervalMs;
        context.log.info(`  Verified ${done} contents, ${problems} errors...`);
      },
    });
    tellResult(context, result);
    if (result.problemCount === 0) return 0;
    throw new SejfError("SEJF_CORRUPT", `encountered ${result.problemCount} errors in contents`, {
      hint: "restore the packs named above from another copy of the repository, or see index recover where the packs are good",
    });
  },
});

function tellResult(context: CommandContext, result: VerifyContentsResult): void {
  const { log } = context;
  for (const { packId, message } of result.problems)
    log.warn(message.includes(packId) ? message : `pack ${packId}: ${message}`);
  const unlisted = result.problemCount - result.problems.length;
  if (unlisted > 0) log.warn(`... and ${unlisted} more`);
  log.info(
    `Finished verifying contents: ${result.contents} verified, ${result.readInFull} of them read, ${result.problemCount} errors`,
  );
  for (const [packId, problems] of Map.groupBy(result.problems, (problem) => problem.packId))
    log.warn(`pack ${packId}: ${problems.length} contents with errors`);
}
