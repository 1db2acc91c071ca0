/** `blob delete`: removes blobs from the storage, without asking what needs them. */
import { statExisting, toBlobId } from "../../blob/index.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  summary: "Delete blobs by ID",
  description:
    "Dangerous: nothing checks whether the blob is needed. Without kopia.repository the repository is lost. A blob that does not exist is an error, and then none is deleted.",
  flags: {},
  arguments: [{ name: "blob-ids", help: "Blob IDs", required: true, variadic: true }],
  async run(context, _flags, args) {
    context.assertDangerousAllowed();
    const ids = args.map(toBlobId);
    const { signal } = context;
    await using connection = await context.openConnection();
    for (const id of ids) await statExisting(connection.storage, id, { signal });
    for (const id of ids) await connection.storage.delete(id, { signal });
    return 0;
  },
});
