/** `manifest list`: labelled items. Reference: kopia cli/command_manifest_ls.go. */
import { formatTimestamp } from "../../bytes/index.ts";
import type { Labels, ManifestMetadata } from "../../manifest/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { texts } from "../flags.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "List manifest items",
  flags: {
    filter: texts("List of key:value pairs", { placeholder: "KEY:VALUE" }),
    sort: texts("List of keys to sort by", { placeholder: "KEY" }),
    ...JSON_FLAGS,
  },
  async run(context, flags) {
    const filter = parseFilter(flags.filter);
    await using repository = await context.openRepository();
    const found = await repository.manifests.find(filter, { signal: context.signal });
    const items = found.toSorted((a, b) => compareBy(flags.sort, a, b));
    if (!flags.json) {
      for (const item of items) context.out.line(line(context, item));
      return 0;
    }
    const list = new JsonList(context.out, flags);
    for (const { id, lengthBytes, labels, modified } of items) {
      const mtime = formatTimestamp(modified);
      list.add({ id, length: lengthBytes, labels: sortedLabels(labels), mtime });
    }
    list.end();
    return 0;
  },
});

function parseFilter(pairs: readonly string[]): Labels {
  const filter: Record<string, string> = {};
  for (const pair of pairs) {
    const colon = pair.indexOf(":");
    if (colon <= 0)
      throw usageError(`--filter: ${JSON.stringify(pair)} is not of the form key:value`);
    filter[pair.slice(0, colon)] = pair.slice(colon + 1);
  }
  return filter;
}

/** By the labels named, else oldest first, which is the order that they come in. */
function compareBy(keys: readonly string[], a: ManifestMetadata, b: ManifestMetadata): number {
  for (const key of keys) {
    const [left, right] = [a.labels[key] ?? "", b.labels[key] ?? ""];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

function line(context: CommandContext, item: ManifestMetadata): string {
  const labels = Object.entries(sortedLabels(item.labels))
    .filter(([key]) => key !== "type")
    .map(([key, value]) => `${key}:${value}`)
    .join(" ");
  const length = String(item.lengthBytes).padStart(10);
  return `${item.id} ${length} ${context.time(item.modified)} type:${item.labels["type"] ?? ""} ${labels}`;
}

function sortedLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
