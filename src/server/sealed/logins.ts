/** OPAQUE logins: of a person, for a session; with the delete password, for one operation. Spec: sealed 3, 9. */
import { bytesToHex } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { ManifestChange, ManifestId } from "../../manifest/index.ts";
import type {
  LoginFinish,
  LoginStart,
  LoginStarted,
  StepUpReady,
  TokenIssued,
} from "../../sealed/index.ts";
import type { AccountName } from "../types.ts";
import { isAccountName } from "../accounts/index.ts";
import { LoginTries } from "./login-tries.ts";
import { beginLogin, endLogin } from "./opaque-server.ts";
import { encode, labelsOf, timeText } from "./record-codec.ts";
import type { LoginRecord } from "./record-types.ts";
import { accessDenied, type Caller, type ServiceParts } from "./service-parts.ts";
import type { StepUps } from "./step-ups.ts";

const PENDING_MS = 60_000;
const MAX_PENDING = 10_000;
const SESSION_MS = 24 * 3_600_000;
/** Streams that began with a session go on for so long after it expired. */
const KEEP_EXPIRED_MS: number = 7 * 24 * 3_600_000;
const MAX_SESSIONS = 50;
const MAX_SHOWN_NAME = 200;

interface Pending {
  readonly account: string;
  readonly purpose: LoginStart["purpose"];
  readonly state: string;
  /** `undefined`: there is no such account, and the login cannot succeed. */
  readonly record: ManifestId | undefined;
  readonly untilMs: number;
  readonly caller: Caller;
  readonly succeeded: () => void;
}

export class Logins {
  readonly tries: LoginTries;
  readonly #parts: ServiceParts;
  readonly #stepUps: StepUps;
  /** Oldest first. */
  readonly #pending = new Map<string, Pending>();

  constructor(parts: ServiceParts, stepUps: StepUps) {
    this.#parts = parts;
    this.#stepUps = stepUps;
    this.tries = new LoginTries(parts.options.clock, parts.options.audit);
  }

  /**
   * The same for accounts that there are, that are not enrolled yet, and that there are not.
   * @throws SEJF_LOCKED, SEJF_INVALID_ARGUMENT.
   */
  async start(caller: Caller, body: LoginStart): Promise<LoginStarted> {
    const { account, purpose, startLoginRequest: request } = body;
    this.#prune();
    const succeeded = this.tries.begin(shown(account), purpose, caller);
    const login = await this.#recordOf(account);
    const record = purpose === "login" ? login?.login : login?.delete;
    const { setup } = await this.#parts.setup();
    const own = login === undefined ? setup : await this.#parts.setupOf(login);
    const { response, state } = beginLogin(own, account, purpose, { record, request });
    const loginId = bytesToHex(this.#parts.options.random.bytes(16));
    this.#pending.set(loginId, {
      account,
      purpose,
      state,
      record: record === undefined ? undefined : login?.id,
      untilMs: this.#parts.nowMs + PENDING_MS,
      caller,
      succeeded,
    });
    return { loginId, loginResponse: response };
  }

  /** @throws SEJF_ACCESS_DENIED, whatever the reason. */
  async finish(caller: Caller, body: LoginFinish): Promise<TokenIssued | StepUpReady> {
    this.#prune();
    const pending = this.#pending.get(body.loginId);
    this.#pending.delete(body.loginId);
    if (pending === undefined) throw accessDenied();
    const { account, purpose, state, record } = pending;
    const sessionKey = endLogin(state, account, purpose, body.finishLoginRequest);
    const now = await this.#recordOf(account);
    if (sessionKey === undefined || record === undefined || now?.id !== record) {
      this.#record(pending, "denied", "wrong password");
      throw accessDenied();
    }
    pending.succeeded();
    this.#record({ ...pending, caller }, "ok");
    const name = account as AccountName;
    return purpose === "delete"
      ? this.#stepUps.issue(name, sessionKey)
      : await this.#newSession(name, record);
  }

  async #newSession(account: AccountName, login: ManifestId): Promise<TokenIssued> {
    const { records, repository } = this.#parts.options;
    if (repository.readOnly)
      throw new SejfError(
        "SEJF_READ_ONLY",
        "the server cannot write its repository: nobody can log in",
      );
    const { token, sha256 } = this.#parts.newToken();
    const expiresMs = this.#parts.nowMs + SESSION_MS;
    const known = (await records.account(account))?.sessions ?? [];
    const live = known.filter(
      (one) => one.login === login && this.#parts.nowMs < one.expiresMs + KEEP_EXPIRED_MS,
    );
    const kept = new Set(live.slice(Math.max(0, live.length - MAX_SESSIONS + 1)));
    const gone = known.filter((one) => !kept.has(one));
    const changes: ManifestChange[] = gone.map(({ id }) => ({ kind: "delete", id }));
    changes.push({
      kind: "put",
      id: records.newId(),
      labels: labelsOf.session(account),
      data: encode.session(sha256, expiresMs, login),
    });
    await records.write(changes);
    return { token, scope: "session", expires: timeText(expiresMs) };
  }

  /** Of an account that there is, sealed and enrolled. */
  async #recordOf(account: string): Promise<LoginRecord | undefined> {
    if (!isAccountName(account)) return undefined;
    const { accounts, records } = this.#parts.options;
    const found = await accounts.find(account);
    const login = (await records.account(account))?.login;
    const isSealed = found?.encryption === "client" && found.problem === undefined;
    return isSealed ? login : undefined;
  }

  /** Those that nobody ended: most likely the client knows by now that its guess was wrong. */
  #prune(): void {
    const now = this.#parts.nowMs;
    for (const [id, pending] of this.#pending) {
      const isLive = now < pending.untilMs && pending.untilMs - now <= PENDING_MS;
      if (isLive && this.#pending.size < MAX_PENDING) break;
      this.#pending.delete(id);
      this.#record(
        pending,
        "denied",
        "begun and not ended: a wrong password, or a lost connection",
      );
    }
  }

  #record({ account, purpose, caller }: Pending, result: "ok" | "denied", detail?: string): void {
    const who = shown(account);
    this.#parts.audit(caller, { action: `login.${purpose}`, who, result, detail });
    if (result === "denied")
      this.#parts.options.log.warn({ who, from: caller.from }, `login refused: ${detail}`);
  }
}

function shown(name: string): string {
  return name.slice(0, MAX_SHOWN_NAME);
}
