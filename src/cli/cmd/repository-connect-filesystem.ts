/** `repository connect filesystem`: connects to a repository in a folder. */
import { type Command, defineCommand } from "../command.ts";
import { CONNECT_FLAGS, connect, openUnconnected } from "../shared/connect-flags.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";
import { SEALED_FLAGS, sealedWish } from "../shared/sealed-flags.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Connect to repository in a filesystem",
  description:
    "With --sealed this client stores what only its account can read. The repository's password is asked for as ever; the account has one of its own (SEJF_ACCOUNT_PASSWORD for scripts).",
  flags: { ...FILESYSTEM_FLAGS, ...CONNECT_FLAGS, ...SEALED_FLAGS },
  async run(context, flags) {
    const wish = await sealedWish(flags);
    await using storage = await openUnconnected(context, filesystemConnection(flags, context.env));
    const password = await context.passwordToConnect();
    if (wish === undefined) {
      await connect(context, storage, password, flags);
      return 0;
    }
    if (wish.place === "server")
      throw usageError("--account-key needs --sealed USER@HOST here: no server keeps the account");
    const { connectSealedInRepository } = await import("../shared/sealed-connect.ts");
    await connectSealedInRepository(context, storage, password, wish, flags);
    return 0;
  },
});
