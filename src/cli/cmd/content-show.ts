/** `content show` (`cat`): the plain bytes of contents. */
import type { ContentRef } from "../../format/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";
import { contentIds } from "../shared/content-ids.ts";
import { showBytes } from "../shared/show-bytes.ts";

export const command: Command = defineCommand({
  summary: "Show contents by ID",
  flags: {
    json: flag("Pretty-print JSON content", { short: "j" }),
    unzip: flag("Transparently decompress the content", { short: "z" }),
  },
  arguments: [{ name: "id", help: "IDs of contents to show", required: true, variadic: true }],
  async run(context, flags, args) {
    const ids = contentIds(args);
    await using repository = await context.openDirectRepository();
    for (const id of ids) {
      const ref = id as string as ContentRef;
      const data = await repository.contents.read(ref, { signal: context.signal });
      await showBytes(context, data, `content ${id}`, { unzip: flags.unzip, indent: flags.json });
    }
    return 0;
  },
});
