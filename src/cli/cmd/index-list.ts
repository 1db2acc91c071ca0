/** `index list`: the index blobs, active or all. Reference: kopia cli/command_index_list.go. */
import { formatTimestamp } from "../../bytes/index.ts";
import type { IndexBlobInfo } from "../../content/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice, flag } from "../flags.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";

type Order = "time" | "size" | "name";

export const command: Command = defineCommand({
  summary: "List content indexes",
  flags: {
    summary: flag("Display index blob summary"),
    superseded: flag("Include inactive index files superseded by compaction"),
    sort: choice("Index blob sort order", ["time", "size", "name"], { default: "time" }),
    ...JSON_FLAGS,
  },
  async run(context, flags) {
    const { out, signal } = context;
    await using repository = await context.openDirectRepository();
    const found = await repository.contents.indexBlobs({
      includeInactive: flags.superseded,
      signal,
    });
    const blobs = found.toSorted((a, b) => compareBy(flags.sort, a, b));
    if (flags.json) {
      const list = new JsonList(out, flags);
      for (const { id, lengthBytes, timestamp } of blobs) {
        const time = formatTimestamp(timestamp);
        list.add({ id, length: lengthBytes, timestamp: time, Superseded: null });
      }
      list.end();
      return 0;
    }
    for (const { id, lengthBytes, timestamp } of blobs) {
      const length = String(lengthBytes).padStart(10);
      out.line(`${id.padEnd(60)} ${length} ${context.timePrecise(timestamp)} []`);
    }
    if (flags.summary) out.line(`total ${blobs.length} indexes`);
    return 0;
  },
});

function compareBy(order: Order, a: IndexBlobInfo, b: IndexBlobInfo): number {
  switch (order) {
    case "time":
      return a.timestamp === b.timestamp ? 0 : a.timestamp < b.timestamp ? -1 : 1;
    case "size":
      return a.lengthBytes - b.lengthBytes;
    case "name":
      return a.id < b.id ? -1 : 1;
  }
}
