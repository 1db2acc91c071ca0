/** `content delete`: marks contents as deleted, whoever still refers to them. */
import { type Command, defineCommand } from "../command.ts";
import { contentIds } from "../shared/content-ids.ts";

export const command: Command = defineCommand({
  summary: "Remove content",
  description:
    "Dangerous: what refers to the content cannot be read afterwards. The content is only marked; its bytes go at maintenance.",
  flags: {},
  arguments: [{ name: "id", help: "IDs of content to remove", required: true, variadic: true }],
  async run(context, _flags, args) {
    context.assertDangerousAllowed();
    const ids = contentIds(args);
    const { signal } = context;
    await using repository = await context.openDirectRepository();
    for (const id of ids) await repository.contents.delete(id, { signal });
    await repository.flush({ signal });
    return 0;
  },
});
