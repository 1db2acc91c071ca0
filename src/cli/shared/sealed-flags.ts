/** The flags that make a connection a sealed account's, and what they may say together. */
import { defaultIdentity } from "../../repository/index.ts";
import { type FlagValues, flag, refusableText, text, texts } from "../flags.ts";
import { askCode } from "../password-prompt.ts";
import { usageError } from "../usage-error.ts";

const flags = {
  sealed: text(
    "Connect as this sealed account, which is kept in the repository itself: nobody else reads what it stores",
    { placeholder: "USER@HOST" },
  ),
  accountKey: text(
    "Account key from the recovery kit or card: this is a further device of the account ('ask': typed in)",
    { placeholder: "CODE", env: "ACCOUNT_KEY" },
  ),
  recoveryKit: refusableText("Write the recovery kit of a new account to this new file", {
    placeholder: "FILE",
  }),
  rememberKey: flag("Keep the account's key on this device, which then reads without a password"),
  escrow: texts("A further age recipient (age1pq1…) that can read every snapshot", {
    placeholder: "RECIPIENT",
  }),
  deviceName: text("How people call this device", { placeholder: "NAME" }),
  yes: flag("The escrow recipients are right: do not ask"),
};

const serverFlags = {
  enroll: text(
    "Enrollment code of a new sealed account, from whoever runs the server ('ask': typed in)",
    { placeholder: "CODE", env: "ENROLLMENT_CODE" },
  ),
  account: text("The sealed account, where it is not this user and host", {
    placeholder: "USER@HOST",
  }),
  deletePassword: flag("Ask for a password that deleting will need, on the terminal alone"),
  ...flags,
};

type Storage = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
type Server = { readonly [K in keyof typeof serverFlags]: (typeof serverFlags)[K] };
/** For a repository that nobody guards. */
export const SEALED_FLAGS: Storage = flags;
/** For servers, which may keep the account. */
export const SEALED_SERVER_FLAGS: Server = serverFlags;
export type SealedFlagValues = FlagValues<Storage>;

/** What the flags ask for; `undefined`: a connection that is not sealed. */
export interface SealedWish {
  /** `user@host`. */
  readonly account: string;
  readonly place: "server" | "repository";
  /** Of a new account on a sejf server. */
  readonly enrollmentCode: string | undefined;
  /** Of an account that exists. */
  readonly accountKey: string | undefined;
  readonly deviceName: string;
}

interface Given extends SealedFlagValues {
  readonly overrideUsername: string | undefined;
  readonly overrideHostname: string | undefined;
  readonly enroll?: string | undefined;
  readonly account?: string | undefined;
  readonly deletePassword?: boolean | undefined;
}

/** @throws SEJF_INVALID_ARGUMENT for flags that do not go together. */
export async function sealedWish(given: Given): Promise<SealedWish | undefined> {
  const { sealed, enroll, accountKey } = given;
  if (sealed === undefined && enroll === undefined && accountKey === undefined) {
    refuseAlone(given);
    return undefined;
  }
  if (enroll !== undefined && (accountKey !== undefined || sealed !== undefined))
    throw usageError(
      `--enroll and ${accountKey === undefined ? "--sealed" : "--account-key"} exclude each other`,
      "an enrollment code makes a new account on a sejf server; an account key adds a device to one that exists",
    );
  if (accountKey !== undefined) refuseForFurther(given);
  if (given.deletePassword === true && enroll === undefined)
    throw usageError("--delete-password goes with --enroll");
  const account = accountOf(given);
  return {
    account,
    place: sealed === undefined ? "server" : "repository",
    enrollmentCode: await typedIn("Enrollment code: ", enroll, "SEJF_ENROLLMENT_CODE"),
    accountKey: await typedIn(`Account key of ${account}: `, accountKey, "SEJF_ACCOUNT_KEY"),
    deviceName: given.deviceName ?? defaultIdentity().hostname,
  };
}

/** `user@host`, from whichever flag says it. */
function accountOf(given: Given): string {
  const { overrideUsername, overrideHostname } = given;
  const { username, hostname } = defaultIdentity();
  const identity = `${overrideUsername ?? username}@${overrideHostname ?? hostname}`;
  const account = (given.sealed ?? given.account ?? identity).toLowerCase();
  if (given.sealed !== undefined && given.account !== undefined && given.account !== given.sealed)
    throw usageError("--account and --sealed name two accounts");
  const [user, host] = account.split("@");
  const isOther =
    (overrideUsername !== undefined && overrideUsername !== user) ||
    (overrideHostname !== undefined && overrideHostname !== host);
  if (isOther)
    throw usageError(
      `the account is ${account}, and --override-username or --override-hostname say otherwise`,
      "a sealed account's snapshots are its own: leave these flags away",
    );
  return account;
}

async function typedIn(
  prompt: string,
  value: string | undefined,
  variable: string,
): Promise<string | undefined> {
  return value === "ask" ? await askCode(prompt, `give it in ${variable}`) : value;
}

/** Flags of a sealed account on a connection that is none would be ignored. */
function refuseAlone(given: Given): void {
  const alone =
    given.recoveryKit !== undefined ||
    given.rememberKey ||
    given.escrow.length > 0 ||
    given.deviceName !== undefined ||
    given.account !== undefined ||
    given.deletePassword === true;
  if (alone)
    throw usageError(
      "there are flags of a sealed account, but none that says which",
      "give --enroll with a code, --account-key, or --sealed USER@HOST",
    );
}

/** What is decided when an account is made. */
function refuseForFurther({ recoveryKit, escrow }: Given): void {
  if (recoveryKit !== undefined || escrow.length > 0)
    throw usageError(
      "--recovery-kit and --escrow are for a new account, and --account-key adds a device to one that exists",
      "`sejf account recovery-kit` makes another kit",
    );
}
