/** `repository repair`: finds a lost `kopia.repository` in the packs of an old repository. */
import { type ConnectionInfo, getBlobIfPresent } from "../../blob/index.ts";
import { FORMAT_BLOB_ID } from "../../format/index.ts";
import { recoverFormatBlob } from "../../repository/index.ts";
import type { CommandContext } from "../context.ts";
import { choice, type FlagValues, flag, texts } from "../flags.ts";
import { openUnconnected } from "./connect-flags.ts";

const flags = {
  recoverFormat: choice("Recover format blob from a copy", ["auto", "yes", "no"], {
    default: "auto",
  }),
  recoverFormatBlockPrefixes: texts("Prefixes of file names", { placeholder: "PREFIX" }),
  dryRun: flag("Do not modify repository", { short: "n" }),
};

type AllFlags = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
/** Beside those of the storage. */
export const REPAIR_FLAGS: AllFlags = flags;
export const REPAIR_HELP =
  "Only repositories of format version 1 keep copies of it in their packs.";

export async function repairFormat(
  context: CommandContext,
  info: ConnectionInfo,
  values: FlagValues<AllFlags>,
): Promise<void> {
  context.assertDangerousAllowed();
  await using storage = await openUnconnected(context, info);
  const { signal } = context;
  if (values.recoverFormat === "no") return;
  if (values.recoverFormat === "auto") {
    context.log.info("looking for format blob...");
    if ((await getBlobIfPresent(storage, FORMAT_BLOB_ID, { signal })) !== undefined) {
      context.log.info("format blob already exists, not recovering, pass --recover-format=yes");
      return;
    }
  }
  const pack = await recoverFormatBlob(storage, {
    prefixes:
      values.recoverFormatBlockPrefixes.length === 0
        ? undefined
        : values.recoverFormatBlockPrefixes,
    dryRun: values.dryRun,
    signal,
    onBlob: (id) => context.log.info(`looking for replica of format blob in ${id}...`),
  });
  context.log.info(`recovered replica block from ${pack}`);
}
