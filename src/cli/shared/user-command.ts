/** `server user add` and `server user set`: one command, but for what has to be there. Reference: kopia cli/command_user_add_set.go. */
import { SejfError } from "../../errors/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  type AccountBook,
  type AccountChange,
  openAccounts,
  parseAccountName,
  parsePasswordHash,
} from "../../server/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { choice, flag, type FlagValues, optionalFlag, text } from "../flags.ts";
import { askNewPassword } from "../password-prompt.ts";
import { usageError } from "../usage-error.ts";
import { parseByteCount } from "./byte-count.ts";

const FLAGS = {
  askPassword: flag("Ask for user password"),
  userPassword: text("Password", { placeholder: "PASSWORD" }),
  userPasswordHash: text("Password hash", { placeholder: "HASH" }),
  appendOnly: optionalFlag(
    "The account may add snapshots; it deletes, replaces and shortens nothing",
  ),
  quota: text("How much data the account may hold, such as 10GB; 'none' for no limit", {
    placeholder: "BYTES",
  }),
  encryption: choice("Who can read the data: the server and its operator, or the client alone", [
    "server",
    "client",
  ]),
};

type Values = FlagValues<typeof FLAGS>;

export function accountsOf(context: CommandContext, repository: Repository): AccountBook {
  const { clock, random } = context;
  return openAccounts({ manifests: repository.manifests, clock, random });
}

export function userNotFound(name: string): SejfError {
  return new SejfError("SEJF_NOT_FOUND", `${name}: user not found`, {
    hint: "`server user list` shows the accounts",
  });
}

export function userCommand(isNew: boolean, summary: string): Command {
  return defineCommand({
    summary,
    description:
      "The server and its operator can read what the account stores. What only sejf knows of an account (append-only, quota) counts on a server of sejf, not of kopia.",
    flags: FLAGS,
    arguments: [{ name: "username", help: "user@hostname", required: true }],
    async run(context, flags, [given = ""]) {
      const name = parseAccountName(given);
      const settings = settingsOf(flags);
      await using repository = await openFor(context, settings);
      const accounts = accountsOf(context, repository);
      await assertExists(accounts, name, isNew);
      const { problem, appendOnly } = await accounts.settingsOf(name);
      if (isNew && settings.appendOnly === undefined && problem === undefined && appendOnly)
        context.log.info(`${name} was append-only before and stays so; --no-append-only ends it`);
      if (settings.quotaBytes !== undefined && settings.quotaBytes !== null)
        context.log.warn("the quota is recorded with the account; servers do not enforce it yet");
      const change = { ...settings, ...(await passwordOf(context, flags, name, isNew)) };
      if (Object.values(change).every((value) => value === undefined))
        throw new SejfError("SEJF_INVALID_ARGUMENT", "no change", {
          hint: "give a new password or a setting, see --help",
        });
      await accounts.set(name, change, { signal: context.signal });
      await repository.flush({ signal: context.signal });
      context.log.info(
        "\nUpdated user credentials will take effect in a few minutes or when the server is restarted.\nTo refresh credentials in a running server use 'sejf server refresh' command.\n",
      );
      return 0;
    },
  });
}

function settingsOf(flags: Values): AccountChange {
  const { appendOnly, encryption, quota } = flags;
  if (quota === undefined) return { appendOnly, encryption };
  return {
    appendOnly,
    encryption,
    quotaBytes: quota === "none" ? null : parseByteCount("--quota", quota),
  };
}

/** Settings are the operator's: only who holds the storage changes them. */
async function openFor(context: CommandContext, settings: AccountChange): Promise<Repository> {
  const hasSettings = Object.values(settings).some((value) => value !== undefined);
  return hasSettings ? await context.openDirectRepository() : await context.openManagedRepository();
}

async function assertExists(accounts: AccountBook, name: string, isNew: boolean): Promise<void> {
  const exists = (await accounts.find(name)) !== undefined;
  if (isNew && exists)
    throw new SejfError("SEJF_ALREADY_EXISTS", `${name}: user already exists`, {
      hint: "`server user set` changes it",
    });
  if (!isNew && !exists) throw userNotFound(name);
}

async function passwordOf(
  context: CommandContext,
  flags: Values,
  name: string,
  isNew: boolean,
): Promise<AccountChange> {
  const { userPassword = "", userPasswordHash = "", askPassword } = flags;
  if (userPassword !== "" && userPasswordHash !== "")
    throw usageError("--user-password and --user-password-hash exclude each other");
  if (userPasswordHash !== "" && !askPassword)
    return { passwordHash: parsePasswordHash(userPasswordHash) };
  if (userPassword !== "" && !askPassword) return { password: userPassword };
  if (!isNew && !askPassword) return {};
  context.signal.throwIfAborted();
  return { password: await askNewPassword(`Enter new password for user ${name}: `) };
}
