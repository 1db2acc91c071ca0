/**
 * Logins with the delete password, each for one operation. SECURITY: the password is asked for when something is to be taken
 * away, is kept in memory for as long as the program does that, and is stored nowhere. Spec: sealed 9.
 */
import { bytesToBase64Url, type Clock, type OwnedBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  authorizeOperation,
  type StepUpOperation,
  type StepUpProof,
  type StepUpVerb,
} from "../sealed/index.ts";
import type { HttpsServer } from "./https-json.ts";
import { logInToDelete } from "./unlock.ts";

export interface DeleteLoginOptions {
  readonly engine: CryptoEngine;
  readonly clock: Clock;
  readonly account: string;
  readonly accountKey: Uint8Array;
  readonly opaqueKey: string | undefined;
  readonly server: HttpsServer;
  /** Unique ID as hex: what was pinned. */
  readonly repository: string;
  /** On a terminal or a page of this computer alone. */
  readonly askDeletePassword: () => Promise<string>;
}

interface ReadyLogin {
  readonly stepUpId: string;
  readonly nonce: string;
  readonly expires: string;
  readonly sessionKey: OwnedBytes;
  readonly sinceMs: number;
}

/** The server counts a minute from its answer. */
const USABLE_MS = 40_000;

export class DeleteLogin {
  readonly #options: DeleteLoginOptions;
  #password: string | undefined;
  #ready: ReadyLogin | undefined;

  constructor(options: DeleteLoginOptions) {
    this.#options = options;
  }

  /** Asks, and tries: so that nothing is begun that a wrong password would leave half done. @throws SEJF_INVALID_PASSWORD, SEJF_LOCKED. */
  async prepare(): Promise<void> {
    await this.#login();
  }

  /** `targets` sorted, each once. @throws as `prepare`. */
  async authorize(
    verb: StepUpVerb,
    targets: readonly string[],
    params: StepUpOperation["params"] = {},
  ): Promise<StepUpProof> {
    const { stepUpId, nonce, expires, sessionKey } = await this.#login();
    this.#ready = undefined;
    const { engine, account, repository } = this.#options;
    const operation = { account, expires, nonce, params, repository, targets, verb };
    return { stepUpId, mac: bytesToBase64Url(authorizeOperation(engine, sessionKey, operation)) };
  }

  async #login(): Promise<ReadyLogin> {
    const { clock, server, account } = this.#options;
    const age = this.#ready === undefined ? USABLE_MS : clock.nowMs() - this.#ready.sinceMs;
    if (this.#ready !== undefined && age >= 0 && age < USABLE_MS) return this.#ready;
    this.#password ??= await this.#options.askDeletePassword();
    const sinceMs = clock.nowMs();
    try {
      const login = await logInToDelete(this.#options, server, this.#password);
      this.#ready = { ...login, sinceMs };
      return this.#ready;
    } catch (error) {
      if (!isSejfError(error, "SEJF_INVALID_PASSWORD")) throw error;
      this.#password = undefined;
      throw new SejfError(
        "SEJF_INVALID_PASSWORD",
        `this is not the delete password of ${account}`,
        {
          hint: "an account that was made without one gets it with `sejf account password --delete-password`",
        },
      );
    }
  }
}
