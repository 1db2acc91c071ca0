/** `server user add` and `server user set`: one command, but for what has to be there. Reference: kopia cli/command_user_add_set.go. */
import { isSejfError, SejfError } from "../../errors/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  type AccountBook,
  type AccountChange,
  type EnrollmentCode,
  issueEnrollmentCode,
  openAccounts,
  parseAccountName,
  parsePasswordHash,
} from "../../server/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { choice, duration, flag, type FlagValues, optionalFlag, text } from "../flags.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { askNewPassword } from "../password-prompt.ts";
import { usageError } from "../usage-error.ts";
import { parseByteCount } from "./byte-count.ts";

const DEFAULT_CODE_VALIDITY_NS: bigint = 7n * 86_400n * 1_000_000_000n;

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
  enrollmentCodeValidity: duration("How long the enrollment code of a sealed account counts", {
    default: DEFAULT_CODE_VALIDITY_NS,
  }),
  ...JSON_FLAGS,
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
      "With --encryption=server, the default, the server and its operator can read what the account stores. With --encryption=client nobody but its user can: the command prints a code with which he makes his account once (repository connect server --enroll). What only sejf knows of an account (append-only, quota, encryption) counts on a server of sejf, not of kopia.",
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
      const change = { ...settings, ...(await passwordOf(context, flags, name, isNew)) };
      if (Object.values(change).every((value) => value === undefined))
        throw new SejfError("SEJF_INVALID_ARGUMENT", "no change", {
          hint: "give a new password or a setting, see --help",
        });
      await accounts.set(name, change, { signal: context.signal });
      const code = await codeFor(context, repository, name, change, flags);
      await repository.flush({ signal: context.signal });
      tell(context, flags, name, code);
      return 0;
    },
  });
}

/** For a sealed account that nobody enrolled yet. @throws SEJF_ALREADY_EXISTS when a code is all that was asked for. */
async function codeFor(
  { clock, random }: CommandContext,
  { manifests }: Repository,
  name: string,
  { encryption, ...others }: AccountChange,
  flags: Values,
): Promise<EnrollmentCode | undefined> {
  if (encryption !== "client") return undefined;
  const validMs = Number(flags.enrollmentCodeValidity / 1_000_000n);
  if (validMs <= 0) throw usageError("--enrollment-code-validity is not longer than nothing");
  const tools = { manifests, engine: nodeCryptoEngine, clock, random, validMs };
  try {
    return await issueEnrollmentCode(tools, name);
  } catch (error) {
    const isChanged = Object.values(others).some((value) => value !== undefined);
    if (isChanged && isSejfError(error, "SEJF_ALREADY_EXISTS")) return undefined;
    throw error;
  }
}

function tell(
  { log, out }: CommandContext,
  flags: Values,
  name: string,
  code: EnrollmentCode | undefined,
): void {
  if (flags.json || flags.jsonIndent) {
    const enrollment =
      code === undefined ? {} : { enrollmentCode: code.code, enrollmentExpires: code.expires };
    out.write(jsonText({ username: name, ...enrollment }, flags));
  } else if (code !== undefined) {
    log.info(`Enrollment code of ${name}, which counts once and until ${code.expires}:\n`);
    out.line(code.code);
    out.flush();
    log.info(
      `\nIts user makes the account with it, on his own machine, where \`ask\` has the code typed in:\n$ sejf repository connect server --url=URL --server-cert-fingerprint=FINGERPRINT --account=${name} --enroll=ask --recovery-kit=FILE\nGive him URL and FINGERPRINT as 'sejf server start' says them. This server never learns his password.`,
    );
  }
  log.info(
    "\nUpdated user credentials will take effect in a few minutes or when the server is restarted.\nTo refresh credentials in a running server use 'sejf server refresh' command.\n",
  );
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
  const { userPassword = "", userPasswordHash = "", askPassword, encryption } = flags;
  if (encryption === "client" && (userPassword !== "" || userPasswordHash !== "" || askPassword))
    throw usageError("--encryption=client and a password exclude each other: its user chooses it");
  if (encryption === "client") return {};
  if (userPassword !== "" && userPasswordHash !== "")
    throw usageError("--user-password and --user-password-hash exclude each other");
  if (userPasswordHash !== "" && !askPassword)
    return { passwordHash: parsePasswordHash(userPasswordHash) };
  if (userPassword !== "" && !askPassword) return { password: userPassword };
  if (!isNew && !askPassword) return {};
  context.signal.throwIfAborted();
  const missing = new SejfError("SEJF_INVALID_ARGUMENT", `no password was given for ${name}`, {
    hint: "run the command on a terminal, which asks for it, or give --user-password-hash=HASH, as `server user hash-password` prints it, or --user-password",
  });
  return { password: await askNewPassword(`Enter new password for user ${name}: `, missing) };
}
