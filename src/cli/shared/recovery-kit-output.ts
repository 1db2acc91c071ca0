/** Where the recovery kit goes: a private new file, the terminal, or nowhere because the user said so. */
import { type FileHandle, open, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { formatTimestamp } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import type { AccountKeys } from "../../sealed/index.ts";
import { type HttpsServer, type RecoveryKitParts, recoveryKitText } from "../../sealing/index.ts";
import type { CommandContext } from "../context.ts";
import { usageError } from "../usage-error.ts";

const FILE_MODE = 0o600;

export interface KitOutput extends AsyncDisposable {
  /** `former`: identities that the account had before. */
  write(
    account: string,
    keys: AccountKeys,
    server: HttpsServer | undefined,
    former?: readonly string[],
  ): Promise<void>;
}

/**
 * Before anything is made, so that no account exists whose kit cannot be written. `false`: none is wanted. Disposing
 * removes a file that nothing was written to. @throws SEJF_INVALID_ARGUMENT without a place; SEJF_ALREADY_EXISTS.
 */
export async function openKitOutput(
  context: CommandContext,
  file: string | false | undefined,
  options: { readonly mayBeRefused?: boolean | undefined } = {},
): Promise<KitOutput> {
  if (file === false)
    return {
      // oxlint-disable-next-line require-await
      async write(): Promise<void> {
        context.log.warn(
          "There is no recovery kit: with the password, or with the account key on this device, everything is lost. `sejf account recovery-kit` makes one.",
        );
      },
      // oxlint-disable-next-line require-await
      async [Symbol.asyncDispose](): Promise<void> {},
    };
  if (file !== undefined) return await fileOutput(context, resolve(file));
  if (process.stdout.isTTY !== true)
    throw usageError(
      "a recovery kit is needed, and there is no place for it",
      `name a new file with --recovery-kit FILE, or run the command on a terminal${options.mayBeRefused === false ? "" : "; without a kit (--no-recovery-kit) a forgotten password is the end of all backups"}`,
    );
  return {
    // oxlint-disable-next-line require-await
    async write(account, keys, server, former = []): Promise<void> {
      context.out.line(kitText(context, { account, keys, server, former }));
      context.out.flush();
    },
    // oxlint-disable-next-line require-await
    async [Symbol.asyncDispose](): Promise<void> {},
  };
}

async function fileOutput(context: CommandContext, path: string): Promise<KitOutput> {
  let file: FileHandle;
  try {
    file = await open(path, "wx", FILE_MODE);
  } catch (error) {
    throw errorFromUnknown(error, `making ${path}`);
  }
  let isWritten = false;
  return {
    async write(account, keys, server, former = []): Promise<void> {
      await file.writeFile(kitText(context, { account, keys, server, former }));
      await file.sync();
      isWritten = true;
      context.log.info(
        `The recovery kit is in ${path}. Print it, keep it away from this computer, and delete the file.`,
      );
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await file.close();
      if (!isWritten) await rm(path, { force: true });
    },
  };
}

function kitText({ clock }: CommandContext, parts: Omit<RecoveryKitParts, "made">): string {
  const made = formatTimestamp(BigInt(Math.floor(clock.nowMs() / 1000)) * 1_000_000_000n);
  return recoveryKitText(nodeCryptoEngine, { ...parts, made });
}
