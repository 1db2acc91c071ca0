/** The client's half of OPAQUE (RFC 9807), with what we give it instead of a password. Spec: sealed 3. */
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { loginInput, type RegistrationStarted } from "../sealed/index.ts";

export type LoginPurpose = "login" | "delete";

/** Of both programs: RFC 9807's ristretto255-SHA512 with Argon2id. */
const KEY_STRETCHING = {
  "argon2id-custom": { memory: 65_536, iterations: 3, parallelism: 4 },
} as const;
const SERVER_IDENTIFIER = "sejf server v1";

const HINTS = {
  login:
    "if it is right, the account was given new keys: `sejf repository disconnect`, and add this device again with the account key from the new recovery kit",
  delete: undefined,
} as const satisfies Readonly<Record<LoginPurpose, string | undefined>>;

export interface OpaqueAccount {
  readonly engine: CryptoEngine;
  /** `user@host`. */
  readonly account: string;
  readonly accountKey: Uint8Array;
}

/** One registration under way. */
export interface StartedRegistration {
  readonly request: string;
  /** The record for the server, and the server's key, to be pinned. */
  finish(response: string): { readonly record: string; readonly serverKey: string };
}

/** One login under way. */
export interface StartedLogin {
  readonly request: string;
  /** @throws SEJF_INVALID_PASSWORD; SEJF_ACCESS_DENIED for a server with another key than the pinned one. */
  finish(
    response: string,
    pinnedKey: string | undefined,
  ): { readonly request: string; readonly sessionKey: string };
}

export interface Passwords {
  readonly password: string;
  /** For destructive operations; absent: none is registered. */
  readonly deletePassword?: string | undefined;
}

/** Both of an account's passwords under way. */
export interface StartedRegistrations {
  readonly requests: { readonly login: string; readonly delete?: string | undefined };
  /** @throws SEJF_CORRUPT for an answer that does not fit. */
  finish(started: RegistrationStarted): {
    readonly login: string;
    readonly delete?: string | undefined;
  };
}

export async function startRegistrations(
  who: OpaqueAccount,
  { password, deletePassword }: Passwords,
): Promise<StartedRegistrations> {
  const login = await startRegistration(who, "login", password);
  const removal =
    deletePassword === undefined
      ? undefined
      : await startRegistration(who, "delete", deletePassword);
  return {
    requests: { login: login.request, delete: removal?.request },
    finish(started) {
      const { record, serverKey } = login.finish(started.login);
      if (serverKey !== started.repository.opaqueKey)
        throw new SejfError("SEJF_CORRUPT", "the server names two different keys of its own");
      if (removal === undefined) return { login: record };
      if (started.delete === undefined)
        throw new SejfError("SEJF_CORRUPT", "the server forgot the delete password");
      return { login: record, delete: removal.finish(started.delete).record };
    },
  };
}

export async function startRegistration(
  who: OpaqueAccount,
  purpose: LoginPurpose,
  password: string,
): Promise<StartedRegistration> {
  const opaque = await loadOpaque();
  const input = loginInput(who.engine, who.accountKey, password, purpose);
  const { clientRegistrationState, registrationRequest } = opaque.client.startRegistration({
    password: input,
  });
  return {
    request: registrationRequest,
    finish(registrationResponse) {
      const { registrationRecord, serverStaticPublicKey } = opaque.client.finishRegistration({
        password: input,
        registrationResponse,
        clientRegistrationState,
        identifiers: identifiersOf(who.account, purpose),
        keyStretching: KEY_STRETCHING,
      });
      return { record: registrationRecord, serverKey: serverStaticPublicKey };
    },
  };
}

export async function startLogin(
  who: OpaqueAccount,
  purpose: LoginPurpose,
  password: string,
): Promise<StartedLogin> {
  const opaque = await loadOpaque();
  const input = loginInput(who.engine, who.accountKey, password, purpose);
  const { clientLoginState, startLoginRequest } = opaque.client.startLogin({ password: input });
  return {
    request: startLoginRequest,
    finish(loginResponse, pinnedKey) {
      const done = opaque.client.finishLogin({
        password: input,
        loginResponse,
        clientLoginState,
        identifiers: identifiersOf(who.account, purpose),
        keyStretching: KEY_STRETCHING,
      });
      if (done === undefined)
        throw new SejfError("SEJF_INVALID_PASSWORD", `wrong password for ${who.account}`, {
          hint: HINTS[purpose],
        });
      if (pinnedKey !== undefined && done.serverStaticPublicKey !== pinnedKey)
        throw new SejfError(
          "SEJF_ACCESS_DENIED",
          "the server proves itself with another key than at enrollment",
          { hint: "somebody may stand in its place: ask who runs it" },
        );
      return { request: done.finishLoginRequest, sessionKey: done.sessionKey };
    },
  };
}

/** Only who logs in needs it: loading it takes longer than all else that an unattended backup of few files does. */
async function loadOpaque(): Promise<typeof import("@serenity-kit/opaque")> {
  const opaque = await import("@serenity-kit/opaque");
  await opaque.ready;
  return opaque;
}

/** What both sides bind the login to. */
export function identifiersOf(
  account: string,
  purpose: LoginPurpose,
): { readonly client: string; readonly server: string } {
  return {
    client: purpose === "delete" ? `${account}#delete` : account,
    server: SERVER_IDENTIFIER,
  };
}
