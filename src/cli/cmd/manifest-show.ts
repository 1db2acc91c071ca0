/** `manifest show`: the JSON of labelled items, as stored. */
import type { ManifestId } from "../../manifest/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { indentJson } from "../output/json-indent.ts";

export const command: Command = defineCommand({
  summary: "Show manifest items",
  flags: {},
  arguments: [{ name: "item", help: "List of items", required: true, variadic: true }],
  async run(context, _flags, args) {
    const { out, signal } = context;
    await using repository = await context.openRepository();
    for (const id of args) {
      const item = await repository.manifests.get(id as ManifestId, { signal });
      out.line(`// id: ${item.id}`);
      out.line(`// length: ${item.lengthBytes}`);
      out.line(`// modified: ${context.time(item.modified)}`);
      for (const [key, value] of Object.entries(item.labels)) out.line(`// label ${key}:${value}`);
      out.line(indentJson(item.text, `manifest ${item.id}`));
    }
    return 0;
  },
});
