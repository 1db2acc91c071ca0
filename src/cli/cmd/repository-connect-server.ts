/** `repository connect server`: connects to a repository server. Reference: kopia cli/command_repository_connect_server.go. */
import { CACHE_KEY_ALGORITHMS, parseApiServer } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice, text } from "../flags.ts";
import { CONNECT_FLAGS, connectToServer } from "../shared/connect-flags.ts";

export const command: Command = defineCommand({
  summary: "Connect to a repository API Server",
  description:
    "The password is the one of this user's account on the server. The connection is tried first; one that was there before stays when it fails. A server whose certificate is of its own making is known by the fingerprint that it printed when it started.",
  flags: {
    url: text("Server URL: https://host:port, or unix+https:///path", {
      required: true,
      placeholder: "URL",
    }),
    serverCertFingerprint: text(
      "Server certificate fingerprint (SHA-256, with or without colons)",
      {
        placeholder: "HEX",
      },
    ),
    localCacheKeyDerivationAlgorithm: choice(
      "Key derivation algorithm used to derive the local cache encryption key",
      CACHE_KEY_ALGORITHMS,
      { hidden: true, default: CACHE_KEY_ALGORITHMS[0] },
    ),
    ...CONNECT_FLAGS,
  },
  async run(context, flags) {
    const server = parseApiServer({
      url: flags.url,
      fingerprint: flags.serverCertFingerprint,
      cacheKeyAlgorithm: flags.localCacheKeyDerivationAlgorithm,
    });
    await connectToServer(context, server, undefined, flags);
    return 0;
  },
});
