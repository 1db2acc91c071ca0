/**
 * Other passwords for an account: by who is logged in, and by who has the recovery kit, whose key signs the request. The
 * keyring, which is locked with the password, changes with it. Spec: sealed 3.
 */
import { bytesToHex, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import {
  JsonShape,
  keyringCopyIn,
  parsePayload,
  type PasswordChange,
  type PasswordReset,
  type PasswordResetStart,
  type RegistrationStart,
  type RegistrationStarted,
  RESET_LABEL,
  RESET_START_LABEL,
  verifyLine,
  type VersionedDocument,
} from "../../sealed/index.ts";
import type { AccountName } from "../types.ts";
import { assertKeyring, type Documents } from "./documents.ts";
import { assertPasswords, registrationAnswer } from "./enrollment.ts";
import type { LoginTries } from "./login-tries.ts";
import { encode, labelsOf, msOf } from "./record-codec.ts";
import type { LoginRecord, SealedAccountRecords } from "./record-types.ts";
import {
  accessDenied,
  assertSession,
  type Caller,
  type ServiceParts,
  type TokenCaller,
} from "./service-parts.ts";

/** How far the clock of who has the recovery kit may be off. */
const WINDOW_MS = 10 * 60_000;

type Enrolled = SealedAccountRecords & { readonly login: LoginRecord };

export class Passwords {
  readonly #parts: ServiceParts;
  readonly #documents: Documents;
  readonly #tries: LoginTries;

  constructor(parts: ServiceParts, documents: Documents, tries: LoginTries) {
    this.#parts = parts;
    this.#documents = documents;
    this.#tries = tries;
  }

  /** @throws SEJF_ACCESS_DENIED without a session; SEJF_INVALID_ARGUMENT. */
  async start(
    caller: TokenCaller,
    requests: Pick<RegistrationStart, "login" | "delete">,
  ): Promise<RegistrationStarted> {
    assertSession(caller);
    const { login } = await this.#parts.enrolled(caller.account);
    const setup = await this.#parts.setupOf(login);
    const answer = registrationAnswer(this.#parts, setup, caller.account, requests);
    return { ...answer, hasDelete: login.delete !== undefined };
  }

  /**
   * All sessions of the account end. `mayReplaceDelete`: the old delete password was proved.
   * @throws SEJF_ACCESS_DENIED, SEJF_INVALID_ARGUMENT, SEJF_ALREADY_EXISTS for another keyring than the next.
   */
  async finish(
    caller: TokenCaller,
    body: PasswordChange,
    mayReplaceDelete: boolean,
  ): Promise<void> {
    assertSession(caller);
    await this.#change(caller, caller.account, async (old) => {
      if (body.delete !== undefined && old.login.delete !== undefined && !mayReplaceDelete)
        throw new SejfError("SEJF_ACCESS_DENIED", "another delete password needs the present one");
      return { ...body, resetMs: old.login.resetMs };
    });
  }

  /** Signed by the account itself. @throws SEJF_ACCESS_DENIED, SEJF_LOCKED. */
  async startReset(caller: Caller, body: PasswordResetStart): Promise<RegistrationStarted> {
    const { enrolled, shape } = await this.#signed(
      caller,
      body.account,
      RESET_START_LABEL,
      body.signed,
    );
    const requests = {
      login: shape.text("login"),
      delete: shape.has("delete") ? shape.text("delete") : undefined,
    };
    const setup = await this.#parts.setupOf(enrolled.login);
    const keyring = enrolled.documents.get("keyring");
    // SECURITY: of the keyring only what the account's own key opens; the rest could be guessed at.
    const text = keyring && (await this.#parts.options.records.documentText(keyring));
    return {
      ...registrationAnswer(this.#parts, setup, enrolled.name, requests),
      keyringVersion: keyring?.version ?? 0,
      keyringCopy: text === undefined ? undefined : keyringCopyIn(text),
    };
  }

  /** As `startReset`; each signed request counts once. */
  async reset(caller: Caller, body: PasswordReset): Promise<void> {
    const { account, signed, keyring } = body;
    const { enrolled, shape, timeMs } = await this.#signed(caller, account, RESET_LABEL, signed);
    const sha256 = bytesToHex(this.#parts.options.engine.sha256(utf8ToBytes(keyring.text)));
    if (sha256 !== shape.hex("keyringSha256", 32))
      throw new SejfError("SEJF_INVALID_ARGUMENT", "the keyring is another one than was signed");
    await this.#change(caller, enrolled.name, async (old) => {
      // Kept in whole seconds.
      if (Math.floor(timeMs / 1000) * 1000 <= old.login.resetMs)
        throw new SejfError(
          "SEJF_ACCESS_DENIED",
          "this signed request was used, or is older than the last one",
        );
      return {
        login: shape.text("login"),
        delete: shape.has("delete") ? shape.text("delete") : undefined,
        keyring,
        resetMs: timeMs,
      };
    });
  }

  async #signed(
    caller: Caller,
    account: string,
    label: string,
    line: string,
  ): Promise<{ readonly enrolled: Enrolled; readonly shape: JsonShape; readonly timeMs: number }> {
    const shown = account.slice(0, 200);
    const succeeded = this.#tries.begin(shown, "reset", caller);
    try {
      const enrolled = await this.#parts.enrolled(account);
      const payload = verifyLine(label, enrolled.login.signingKey, line);
      const shape = new JsonShape("the signed request", parsePayload(label, payload));
      shape.version(1);
      const timeMs = msOf(shape.text("time"));
      if (shape.text("account") !== account || timeMs === undefined) throw accessDenied();
      if (Math.abs(this.#parts.nowMs - timeMs) > WINDOW_MS)
        throw new SejfError(
          "SEJF_ACCESS_DENIED",
          "the signed request is of another time than it is here",
          {
            hint: "set the clock of this computer",
          },
        );
      succeeded();
      return { enrolled, shape, timeMs };
    } catch (error) {
      this.#parts.audit(caller, { action: "account.reset", who: shown, result: "denied" });
      throw isSejfError(error, "SEJF_CORRUPT") ? accessDenied() : error;
    }
  }

  async #change(
    caller: Caller,
    account: AccountName,
    decide: (old: Enrolled) => Promise<{
      readonly login?: string | undefined;
      readonly delete?: string | undefined;
      readonly keyring: VersionedDocument;
      readonly resetMs: number;
    }>,
  ): Promise<void> {
    const { records, freshness } = this.#parts.options;
    await this.#parts.turns.run(async () => {
      await freshness.ensure();
      const old = await this.#parts.enrolled(account);
      const wanted = await decide(old);
      const login: LoginRecord = {
        ...old.login,
        id: records.newId(),
        login: wanted.login ?? old.login.login,
        delete: wanted.delete ?? old.login.delete,
        resetMs: wanted.resetMs,
      };
      assertPasswords(await this.#parts.setupOf(login), account, login);
      assertKeyring(wanted.keyring.text);
      await records.write([
        ...this.#documents.changes(old, "keyring", wanted.keyring),
        { kind: "put", id: login.id, labels: labelsOf.login(account), data: encode.login(login) },
        { kind: "delete", id: old.login.id },
      ]);
      const action = wanted.resetMs === old.login.resetMs ? "account.password" : "account.reset";
      this.#parts.audit(caller, { action, who: account, result: "ok" });
    });
  }
}
