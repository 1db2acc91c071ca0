/** `server user hash-password`: what `--user-password-hash` takes. Reference: kopia cli/command_user_hash_password.go. */
import { SejfError } from "../../errors/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import { formatPasswordHash, hashPassword } from "../../server/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { askNewPassword } from "../password-prompt.ts";

const MISSING = new SejfError("SEJF_INVALID_ARGUMENT", "no password to hash was given", {
  hint: "run the command on a terminal, which asks for it, or give --user-password",
});

export const command: Command = defineCommand({
  summary: "Hash a user password that can be passed to the 'server user add/set' command",
  description: "Needs no repository.",
  flags: { userPassword: text("Password", { placeholder: "PASSWORD" }) },
  async run(context, { userPassword = "" }) {
    const password =
      userPassword === ""
        ? await askNewPassword("Enter password to hash: ", MISSING)
        : userPassword;
    const hash = await hashPassword(password, nodeCryptoEngine, context.random);
    context.out.line(formatPasswordHash(hash));
    return 0;
  },
});
