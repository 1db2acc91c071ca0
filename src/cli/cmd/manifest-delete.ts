/** `manifest delete`: removes labelled items, whatever they are for. */
import type { ManifestId } from "../../manifest/index.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  summary: "Remove manifest items",
  description:
    "Dangerous: policies and snapshots have their own commands, which know what they are for. An item that does not exist is an error, and then none is removed.",
  flags: {},
  arguments: [{ name: "item", help: "Items to remove", required: true, variadic: true }],
  async run(context, _flags, args) {
    context.assertDangerousAllowed();
    const { signal } = context;
    await using repository = await context.openRepository();
    const ids = args as readonly ManifestId[];
    for (const id of ids) await repository.manifests.get(id, { signal });
    for (const id of ids) await repository.manifests.delete(id, { signal });
    await repository.flush({ signal });
    return 0;
  },
});
