/** `repository repair filesystem`: finds a lost `kopia.repository` in the packs of an old repository. */
import { getBlobIfPresent } from "../../blob/index.ts";
import { FORMAT_BLOB_ID } from "../../format/index.ts";
import { recoverFormatBlob } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice, flag, texts } from "../flags.ts";
import { openUnconnected } from "../shared/connect-flags.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";

export const command: Command = defineCommand({
  summary: "Recover the format blob of a repository in a filesystem",
  description: "Only repositories of format version 1 keep copies of it in their packs.",
  flags: {
    recoverFormat: choice("Recover format blob from a copy", ["auto", "yes", "no"], {
      default: "auto",
    }),
    recoverFormatBlockPrefixes: texts("Prefixes of file names", { placeholder: "PREFIX" }),
    dryRun: flag("Do not modify repository", { short: "n" }),
    ...FILESYSTEM_FLAGS,
  },
  async run(context, flags) {
    context.assertDangerousAllowed();
    await using storage = await openUnconnected(context, filesystemConnection(flags, context.env));
    const { signal } = context;
    if (flags.recoverFormat === "no") return 0;
    if (flags.recoverFormat === "auto") {
      context.log.info("looking for format blob...");
      if ((await getBlobIfPresent(storage, FORMAT_BLOB_ID, { signal })) !== undefined) {
        context.log.info("format blob already exists, not recovering, pass --recover-format=yes");
        return 0;
      }
    }
    const pack = await recoverFormatBlob(storage, {
      prefixes:
        flags.recoverFormatBlockPrefixes.length === 0
          ? undefined
          : flags.recoverFormatBlockPrefixes,
      dryRun: flags.dryRun,
      signal,
      onBlob: (id) => context.log.info(`looking for replica of format blob in ${id}...`),
    });
    context.log.info(`recovered replica block from ${pack}`);
    return 0;
  },
});
