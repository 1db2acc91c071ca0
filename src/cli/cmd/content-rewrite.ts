/** `content rewrite`: copies contents into new packs, so that short packs become few and old formats disappear. */
import {
  type ContentInfo,
  FULL_REWRITE_AGE_MS,
  rewriteContents,
  type RewriteContentsResult,
} from "../../content/index.ts";
import { type ErrorCode, errorFromUnknown, SejfError } from "../../errors/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { flag, integer, text } from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import { contentIds } from "../shared/content-ids.ts";
import { contentRange, RANGE_FLAGS } from "../shared/content-range.ts";
import { SAFETY_FLAG } from "../shared/safety.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Rewrite content using most recent format",
  description:
    "Contents are named, or found with --short or --format-version; the other flags narrow down what is found.",
  flags: {
    parallelism: integer("Number of parallel workers", { default: 16 }),
    short: flag("Rewrite contents from short packs"),
    formatVersion: integer("Rewrite contents using the provided format version", { default: -1 }),
    packPrefix: text("Only rewrite contents from pack blobs with a given prefix", {
      placeholder: "PREFIX",
    }),
    dryRun: flag("Do not actually rewrite, only print what would happen", { short: "n" }),
    safety: SAFETY_FLAG,
    ...RANGE_FLAGS,
  },
  arguments: [{ name: "content-id", help: "IDs of contents to rewrite", variadic: true }],
  async run(context, flags, args) {
    context.assertDangerousAllowed();
    const ids = contentIds(args);
    const range = contentRange(flags);
    if (flags.parallelism < 1) throw usageError("--parallelism: expected 1 or more");
    const isSearching = flags.short || flags.formatVersion > 0;
    if (ids.length === 0 && !isSearching)
      throw usageError("nothing to rewrite", "name contents, or use --short or --format-version");
    await using repository = await context.openDirectRepository();
    let code: ErrorCode | undefined;
    const result = await rewriteContents(repository.contents, {
      ids,
      shortPacks: flags.short,
      formatVersion: flags.formatVersion > 0 ? flags.formatVersion : undefined,
      packPrefix: flags.packPrefix,
      ...range,
      clock: context.clock,
      minAgeMs: flags.safety === "none" ? 0 : FULL_REWRITE_AGE_MS,
      dryRun: flags.dryRun,
      parallel: flags.parallelism,
      signal: context.signal,
      onContent: (info, isRetained) => tellContent(context, info, isRetained, flags.dryRun),
      onFailure(info, error) {
        const failure = errorFromUnknown(error, "reading it");
        code ??= failure.code;
        context.log.error(`unable to rewrite content ${info.id}: ${failure.message}`);
      },
    });
    tellResult(context, result, flags.dryRun);
    if (code === undefined) return 0;
    throw new SejfError(code, `failed to rewrite ${result.failed} contents`, {
      hint: "nothing was flushed; contents that cannot be read are named above",
    });
  },
});

function tellContent(
  context: CommandContext,
  info: ContentInfo,
  isRetained: boolean,
  isDry: boolean,
): void {
  const deleted = info.deleted ? " (deleted)" : "";
  const what = `content ${info.id} (${info.packedLength} bytes) from pack ${info.packId}${deleted}`;
  if (isRetained) context.log.info(`Not rewriting ${what}: it is too young`);
  else context.log.info(`${isDry ? "Would rewrite" : "Rewriting"} ${what}`);
}

function tellResult(context: CommandContext, result: RewriteContentsResult, isDry: boolean): void {
  const { contents, packedBytes, retained } = result;
  const young = retained === 0 ? "" : `, ${retained} were too young`;
  context.log.info(
    `${isDry ? "Would rewrite" : "Rewrote"} ${contents} contents (${formatBytes(packedBytes)})${young}`,
  );
}
