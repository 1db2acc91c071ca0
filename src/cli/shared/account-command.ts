/** What the commands of a sealed account share: the account, opened with its password. */
import type { ChangeOptions, OpenSealed } from "../../sealing/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { CommandContext } from "../context.ts";
import { askNewPassword } from "../password-prompt.ts";
import { ENROLL_TOOLS } from "./sealed-open.ts";

/** Asks for the password, and closes what was opened. */
export async function withAccount<T>(
  context: CommandContext,
  use: (change: ChangeOptions, open: OpenSealed) => Promise<T>,
): Promise<T> {
  const open = await context.openSealed("full");
  await using _repository = open.repository;
  const change: ChangeOptions = {
    tools: ENROLL_TOOLS,
    account: open.device.secrets.account,
    unlocked: await open.unlocked(),
    documents: open.documents,
    heads: open.device.heads,
    guard: async () => await open.guard(),
  };
  return await use(change, open);
}

/** Never the one that opens: from `SEJF_NEW_PASSWORD`, or typed twice. */
export async function newPasswordOf(context: CommandContext, account: string): Promise<string> {
  const given = context.env["SEJF_NEW_PASSWORD"]?.trim();
  if (given !== undefined && given !== "") return given;
  return await askNewPassword(
    `Choose a new password for ${account}: `,
    new SejfError("SEJF_INVALID_ARGUMENT", "no new password was given", {
      hint: "give it in SEJF_NEW_PASSWORD, or run the command on a terminal",
    }),
  );
}

/** SECURITY: from a terminal alone, so that no file and no environment on this computer holds what deletes. */
export async function newDeletePassword(context: CommandContext): Promise<string> {
  context.out.flush();
  return await askNewPassword(
    "Choose another password, for deleting: ",
    new SejfError("SEJF_INVALID_ARGUMENT", "the delete password is typed on a terminal", {
      hint: "it is never taken from the environment, a file or a pipe",
    }),
  );
}

/** After a reset with the recovery kit. `lost`: why what the lost keyring knew is gone. */
export function tellReset({ log }: CommandContext, lost: string | undefined): void {
  log.info(
    "The new password counts from now on, on every device; the devices go on backing up without it.",
  );
  if (lost !== undefined)
    log.warn(
      `Groups and escrow recipients did not come back (${lost}): join the groups again; new snapshots have no escrow recipient.`,
    );
}
