/**
 * Whether a destructive operation was authorised with the delete password: once, for exactly this operation, within a minute.
 * SECURITY: the operation that is checked is made here from what the request will do; of the client comes its MAC alone.
 * Spec: sealed 9.
 */
import { base64UrlToBytes, bytesToHex, type OwnedBytes } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import {
  isAuthorized,
  type StepUpOperation,
  type StepUpProof,
  type StepUpVerb,
} from "../../sealed/index.ts";
import { assertSession, type ServiceParts, type TokenCaller } from "./service-parts.ts";
import type { StepUps } from "./step-ups.ts";

/** What is about to be done. */
export interface Destruction {
  readonly verb: StepUpVerb;
  /** Sorted, each once. */
  readonly targets: readonly string[];
  readonly params?: StepUpOperation["params"] | undefined;
}

export class Authority {
  readonly #parts: ServiceParts;
  readonly #stepUps: StepUps;

  constructor(parts: ServiceParts, stepUps: StepUps) {
    this.#parts = parts;
    this.#stepUps = stepUps;
  }

  /** Whatever comes of it, the step-up is used up. @throws SEJF_ACCESS_DENIED. */
  async assert(
    caller: TokenCaller,
    proof: StepUpProof | undefined,
    destruction: Destruction,
  ): Promise<void> {
    assertSession(caller);
    const stepUp = proof === undefined ? undefined : this.#stepUps.take(proof.stepUpId);
    const { login } = await this.#parts.enrolled(caller.account);
    if (login.delete === undefined)
      throw this.#denied(caller, destruction, `${caller.account} has no delete password`, {
        hint: "`sejf account password --delete-password` sets one",
      });
    if (proof === undefined)
      throw this.#denied(caller, destruction, "this needs the delete password");
    if (stepUp === undefined)
      throw this.#denied(
        caller,
        destruction,
        "this login with the delete password was used, is over or never was",
      );
    const { account, nonce, expires, sessionKey } = stepUp;
    const operation: StepUpOperation = {
      account: caller.account,
      expires,
      nonce,
      params: destruction.params ?? {},
      repository: bytesToHex(this.#parts.options.repository.access.uniqueId),
      targets: destruction.targets,
      verb: destruction.verb,
    };
    const mac = bytesOf(proof.mac);
    const { engine } = this.#parts.options;
    const isRight =
      account === caller.account &&
      mac !== undefined &&
      isAuthorized(engine, sessionKey, operation, mac);
    if (!isRight)
      throw this.#denied(caller, destruction, "another operation was authorised than this one");
  }

  #denied(
    caller: TokenCaller,
    { verb, targets }: Destruction,
    why: string,
    options?: { readonly hint: string },
  ): SejfError {
    const { account: who, from } = caller;
    const target = targets.slice(0, MAX_TOLD).join(" ");
    this.#parts.audit(caller, { action: verb, who, result: "denied", target, detail: why });
    this.#parts.options.log.warn({ who, from }, `${verb} refused: ${why}`);
    return new SejfError("SEJF_ACCESS_DENIED", `access denied: ${why}`, options);
  }
}

const MAX_TOLD = 10;

function bytesOf(text: string): OwnedBytes | undefined {
  try {
    return base64UrlToBytes(text);
  } catch {
    return undefined;
  }
}
