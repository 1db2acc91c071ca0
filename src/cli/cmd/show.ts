/** `show` (`cat`): the bytes of an object. */
import { openObject } from "../../object/index.ts";
import { resolveObjectPath } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  summary: "Display the contents of a repository object",
  description:
    "The object is named by its ID, by a snapshot's ID, or by either and a path below it; a directory is shown as its JSON.",
  flags: {},
  arguments: [{ name: "object-path", help: "Path", required: true }],
  async run(context, _flags, args) {
    await using repository = await context.openRepository();
    const { signal } = context;
    const { entry } = await resolveObjectPath(repository, args[0] ?? "", { signal });
    const object = await openObject(repository.contents, entry.object, { signal });
    for await (const data of object.stream({ signal })) await context.out.bytes(data);
    return 0;
  },
});
