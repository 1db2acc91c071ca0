/**
 * The server's half of OPAQUE (RFC 9807), and its secrets, which lie in the repository. SECURITY: who has them and a
 * record can try passwords offline, but for the account key, which only devices and people have. Unknown accounts get the
 * library's simulated answers. Spec: sealed 3.
 */
import * as opaque from "@serenity-kit/opaque";
import { SejfError } from "../../errors/index.ts";
import { identifiersOf, type LoginPurpose } from "../../sealing/index.ts";

/** Of one message in base64url; real ones have a few hundred characters. */
const MAX_MESSAGE_CHARACTERS = 2048;

export async function opaqueReady(): Promise<void> {
  await opaque.ready;
}

export function newSetup(): string {
  return opaque.server.createSetup();
}

/** What clients pin. */
export function publicKeyOf(setup: string): string {
  return opaque.server.getPublicKey(setup);
}

/** @throws SEJF_INVALID_ARGUMENT for what is no registration request. */
export function answerRegistration(
  setup: string,
  account: string,
  purpose: LoginPurpose,
  registrationRequest: string,
): string {
  const userIdentifier = identifiersOf(account, purpose).client;
  return guarded(registrationRequest, "registration request", () =>
    opaque.server.createRegistrationResponse({
      serverSetup: setup,
      userIdentifier,
      registrationRequest,
    }),
  ).registrationResponse;
}

/** @throws SEJF_INVALID_ARGUMENT for what no login could be checked against. */
export function assertRecord(setup: string, account: string, registrationRecord: string): void {
  guarded(registrationRecord, "registration record", () => {
    const { startLoginRequest } = opaque.client.startLogin({ password: "any" });
    return opaque.server.startLogin({
      serverSetup: setup,
      userIdentifier: account,
      registrationRecord,
      startLoginRequest,
    });
  });
}

export interface BegunLogin {
  readonly response: string;
  /** SECURITY: only until the login ends. */
  readonly state: string;
}

/** `record` undefined: nobody can end it, and nobody can tell. @throws SEJF_INVALID_ARGUMENT. */
export function beginLogin(
  setup: string,
  account: string,
  purpose: LoginPurpose,
  { record, request }: { readonly record: string | undefined; readonly request: string },
): BegunLogin {
  const identifiers = identifiersOf(account, purpose);
  const { loginResponse, serverLoginState } = guarded(request, "login request", () =>
    opaque.server.startLogin({
      serverSetup: setup,
      userIdentifier: identifiers.client,
      registrationRecord: record,
      startLoginRequest: request,
      identifiers,
    }),
  );
  return { response: loginResponse, state: serverLoginState };
}

/** The session key, base64url; `undefined`: a wrong password, or another message than a client sends. */
export function endLogin(
  state: string,
  account: string,
  purpose: LoginPurpose,
  finishLoginRequest: string,
): string | undefined {
  if (finishLoginRequest.length > MAX_MESSAGE_CHARACTERS) return undefined;
  try {
    return opaque.server.finishLogin({
      serverLoginState: state,
      finishLoginRequest,
      identifiers: identifiersOf(account, purpose),
    }).sessionKey;
  } catch {
    // The library does not tell one reason from another, and neither do we.
    return undefined;
  }
}

/** The library's messages are not told: they may repeat some of the text. */
function guarded<T>(message: string, what: string, work: () => T): T {
  if (message.length <= MAX_MESSAGE_CHARACTERS) {
    try {
      return work();
    } catch {
      // told below
    }
  }
  throw new SejfError("SEJF_INVALID_ARGUMENT", `this is no ${what}`);
}
