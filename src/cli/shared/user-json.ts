/** An account as `server user info` and `server user list` show it: Kopia's members, ours where they say something. */
import { bytesToBase64 } from "../../bytes/index.ts";
import type { SealedAccountInfo, StoredAccount } from "../../server/index.ts";

/** `sealed`: of an account of that kind. */
export function userJson(
  account: StoredAccount,
  sealed?: SealedAccountInfo,
): Readonly<Record<string, unknown>> {
  const { name, password, appendOnly, quotaBytes, encryption, problem } = account;
  return {
    username: name,
    ...(password === undefined
      ? { passwordHash: null }
      : {
          passwordHashVersion: password.version,
          passwordHash: bytesToBase64(password.saltAndKey),
        }),
    ...(appendOnly ? { appendOnly } : {}),
    ...(encryption === "server" ? {} : { encryption }),
    ...(quotaBytes === undefined ? {} : { quotaBytes }),
    ...(problem === undefined ? {} : { problem }),
    ...(sealed === undefined ? {} : { sealed: { ...sealed, enrolled: sealed.enrolled ?? null } }),
  };
}
