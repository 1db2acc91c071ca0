/** `repository connect from-config`: connects by a token or by another connection file. */
import { type Command, defineCommand } from "../command.ts";
import {
  CONNECT_FLAGS,
  connect,
  connectToServer,
  openUnconnected,
} from "../shared/connect-flags.ts";
import { describedConnection, TOKEN_FLAGS } from "../shared/token-flags.ts";

export const command: Command = defineCommand({
  summary: "Connect to repository in the provided configuration file",
  flags: { ...TOKEN_FLAGS, ...CONNECT_FLAGS },
  async run(context, flags) {
    const described = await describedConnection(context, flags);
    if ("server" in described) {
      const { server, username, hostname, password } = described;
      await connectToServer(context, server, password, {
        ...flags,
        overrideUsername: flags.overrideUsername ?? username,
        overrideHostname: flags.overrideHostname ?? hostname,
      });
      return 0;
    }
    await using storage = await openUnconnected(context, described.storage);
    await connect(
      context,
      storage,
      described.password ?? (await context.passwordToConnect()),
      flags,
    );
    return 0;
  },
});
