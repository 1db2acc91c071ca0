/** `blob list`: what the storage holds. Reference: kopia cli/command_blob_list.go. */
import type { BlobMetadata } from "../../blob/index.ts";
import { formatTimestamp } from "../../bytes/index.ts";
import { type BlobKind, blobKind } from "../../format/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { type FlagValues, flag, integer, text, texts } from "../flags.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";

const flags = {
  prefix: text("Blob ID prefix", { placeholder: "PREFIX" }),
  excludePrefix: texts("Blob ID prefixes to exclude", { placeholder: "PREFIX" }),
  minSize: integer("Minimum size", { placeholder: "BYTES" }),
  maxSize: integer("Maximum size", { placeholder: "BYTES" }),
  dataOnly: flag("Only list data blobs"),
  ...JSON_FLAGS,
};

export const command: Command = defineCommand({
  summary: "List BLOBs",
  flags,
  async run(context, values) {
    await using connection = await context.openConnection();
    const { signal } = context;
    const list = values.json ? new JsonList(context.out, values) : undefined;
    for await (const page of connection.storage.list(values.prefix ?? "", { signal })) {
      for (const blob of page) {
        if (!isWanted(blob, values)) continue;
        if (list === undefined) {
          const length = String(blob.lengthBytes).padStart(10);
          context.out.line(`${blob.id.padEnd(70)} ${length} ${context.time(blob.timestamp)}`);
        } else {
          const timestamp = formatTimestamp(blob.timestamp);
          list.add({ id: blob.id, length: blob.lengthBytes, timestamp });
        }
      }
    }
    list?.end();
    return 0;
  },
});

/** What is left is packs, sessions and what is not known: it may hold data. */
const NOT_DATA: ReadonlySet<BlobKind> = new Set([
  "format",
  "blob-config",
  "format-backup",
  "maintenance",
  "uncompacted-index",
  "single-epoch-index",
  "range-index",
  "epoch-marker",
  "watermark",
  "old-index",
  "log",
]);

/** A bound of 0 is none. */
function isWanted(blob: BlobMetadata, values: FlagValues<typeof flags>): boolean {
  if (values.dataOnly && (NOT_DATA.has(blobKind(blob.id)) || blob.id.startsWith("kopia.")))
    return false;
  if (values.maxSize && blob.lengthBytes > values.maxSize) return false;
  if (values.minSize && blob.lengthBytes < values.minSize) return false;
  return !values.excludePrefix.some((prefix) => blob.id.startsWith(prefix));
}
