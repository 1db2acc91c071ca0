/** `content list`: what the index says of contents. Reference: kopia cli/command_content_list.go. */
import { COMPRESSORS } from "../../compress/index.ts";
import type { ContentInfo } from "../../content/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag } from "../flags.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";
import { formatSavedPercent, sizeText } from "../output/sizes.ts";
import { formatCount } from "../output/units.ts";
import { contentRange, RANGE_FLAGS } from "../shared/content-range.ts";

const flags = {
  long: flag("Long output", { short: "l" }),
  compression: flag("Compression", { short: "c" }),
  deleted: flag("Include deleted content"),
  deletedOnly: flag("Only show deleted content"),
  summary: flag("Summarize the list", { short: "s" }),
  human: flag("Human-readable output", { short: "h" }),
  ...RANGE_FLAGS,
  ...JSON_FLAGS,
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "List contents",
  flags,
  async run(context, values) {
    const range = contentRange(values);
    await using repository = await context.openDirectRepository();
    const list = values.json ? new JsonList(context.out, values) : undefined;
    const includeDeleted = values.deleted || values.deletedOnly;
    let count = 0;
    let packedBytes = 0;
    const pages = repository.contents.list({ ...range, includeDeleted, signal: context.signal });
    for await (const page of pages) {
      for (const info of page) {
        if (values.deletedOnly && !info.deleted) continue;
        count++;
        packedBytes += info.packedLength;
        if (list === undefined) context.out.line(line(context, info, values));
        else list.add(contentJson(info));
      }
    }
    list?.end();
    if (values.summary && list === undefined) {
      const counted = values.human ? formatCount(count) : String(count);
      context.out.line(
        `Total: ${counted} contents, ${sizeText(packedBytes, !values.human)} total size`,
      );
    }
    return 0;
  },
});

function line(context: CommandContext, info: ContentInfo, values: Values): string {
  const size = (bytes: number): string => sizeText(bytes, !values.human);
  const deleted = info.deleted ? " (deleted)" : "";
  if (values.compression) {
    return `${info.id} length ${size(info.originalLength)} packed ${size(info.packedLength)} ${compressionText(info)} ${deleted}`;
  }
  if (!values.long) return info.id;
  const time = context.time(BigInt(info.timestampS) * 1_000_000_000n);
  return `${info.id} ${info.originalLength} ${time} ${info.packId} ${info.packOffset}+${size(info.packedLength)}${deleted} ${compressionText(info)}`;
}

function compressionText(info: ContentInfo): string {
  if (info.compressionId === 0) return "-";
  const known = COMPRESSORS.find(({ id }) => id === info.compressionId)?.name;
  const name = known ?? `compression-${info.compressionId.toString(16)}`;
  return info.originalLength === 0
    ? name
    : `${name} ${formatSavedPercent(info.originalLength, info.packedLength)}`;
}

/** Kopia's members in its order. */
function contentJson(info: ContentInfo): Record<string, unknown> {
  return {
    packFile: info.packId,
    time: info.timestampS,
    originalLength: info.originalLength,
    length: info.packedLength,
    packOffset: info.packOffset,
    ...(info.compressionId === 0 ? {} : { compression: info.compressionId }),
    contentID: info.id,
    deleted: info.deleted,
    formatVersion: info.formatVersion,
  };
}
