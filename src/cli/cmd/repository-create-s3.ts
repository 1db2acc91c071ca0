/** `repository create s3`: a new repository in a bucket. */
import { type Command, defineCommand } from "../command.ts";
import { CREATE_FLAGS, create } from "../shared/create-flags.ts";
import { S3_FLAGS, s3Destination } from "../shared/s3-flags.ts";

export const command: Command = defineCommand({
  summary: "Create repository in an S3 bucket",
  description:
    "The bucket has to exist: it is made with the store's own tools. For --retention-mode its Object Lock has to be on.",
  flags: { ...S3_FLAGS, ...CREATE_FLAGS },
  async run(context, flags) {
    await create(context, await s3Destination(flags, "creating a repository"), flags, undefined);
    return 0;
  },
});
