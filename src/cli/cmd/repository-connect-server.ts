/** `repository connect server`: connects to a repository server. Reference: kopia cli/command_repository_connect_server.go. */
import { CACHE_KEY_ALGORITHMS, parseApiServer } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice, text } from "../flags.ts";
import { CONNECT_FLAGS, connectToServer } from "../shared/connect-flags.ts";
import { SEALED_SERVER_FLAGS, sealedWish } from "../shared/sealed-flags.ts";

export const command: Command = defineCommand({
  summary: "Connect to a repository API Server",
  description:
    "The password is the one of this user's account on the server. The connection is tried first; one that was there before stays when it fails. A server whose certificate is of its own making is known by the fingerprint that it printed when it started. A sealed account, which the server cannot read, connects with --enroll and the code from whoever runs the server, its further devices with --account-key; --sealed USER@HOST is for a server that knows no sealed accounts, where the account has a password beside the server's (SEJF_ACCOUNT_PASSWORD for scripts).",
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
    ...SEALED_SERVER_FLAGS,
  },
  async run(context, flags) {
    const server = parseApiServer({
      url: flags.url,
      fingerprint: flags.serverCertFingerprint,
      cacheKeyAlgorithm: flags.localCacheKeyDerivationAlgorithm,
    });
    const wish = await sealedWish(flags);
    if (wish === undefined) {
      await connectToServer(context, server, undefined, flags);
      return 0;
    }
    const connect = await import("../shared/sealed-connect.ts");
    if (wish.place === "server") await connect.connectSealedOnServer(context, server, wish, flags);
    else {
      const password = await context.passwordToConnect();
      await connect.connectSealedInRepository(context, server, password, wish, flags);
    }
    return 0;
  },
});
