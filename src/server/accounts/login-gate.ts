/**
 * The one place that checks passwords. SECURITY: the attacker is anybody who reaches the port. Roles come from the list
 * that let somebody in: a repository's account is an account whatever it is called, the user of the web interface and
 * the control user come from the operator's own settings, and neither enters by gRPC. Unknown names cost as much as
 * wrong passwords. Spec: kopia-server 7.3, 12.3, 12.11.
 */
import { type Sleep, systemSleep } from "../../blob/index.ts";
import type { CallOptions, Clock, Random } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { SejfError } from "../../errors/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import type { AuditLog, Login, LoginGate, LoginRequest, Principal, ServerLog } from "../types.ts";
import { addressKey } from "./address-key.ts";
import { Authenticators, type Proof, type ServerLogin } from "./authenticators.ts";
import type { HtpasswdFile } from "./htpasswd.ts";
import { LoginQueue } from "./login-queue.ts";
import { LoginThrottle, type ThrottleLimits } from "./login-throttle.ts";
import type { AccountBook, TokenBook } from "./types.ts";
import { VerdictCache } from "./verdict-cache.ts";

export interface LoginGateOptions {
  readonly accounts: AccountBook;
  /** Of sealed accounts. */
  readonly tokens?: TokenBook | undefined;
  readonly htpasswd?: HtpasswdFile | undefined;
  /** The user of the web interface; without a password he comes in through the htpasswd file only. */
  readonly ui?: ServerLogin | undefined;
  readonly control?: ServerLogin | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly audit: AuditLog;
  readonly log: ServerLog;
  readonly limits?: ThrottleLimits | undefined;
  readonly sleep?: Sleep | undefined;
  readonly engine?: CryptoEngine | undefined;
}

/** A failure is answered at a multiple of this after the request: how it failed does not show in the time. */
const FAILURE_STEP_MS = 500;
const MAX_SHOWN_NAME = 200;

export function createLoginGate(options: LoginGateOptions): LoginGate {
  return new PasswordGate(options);
}

/** `undefined` proof: a wrong name or password. */
interface Checked {
  readonly proof: Proof;
  readonly principal: Principal;
}

class PasswordGate implements LoginGate {
  readonly #options: LoginGateOptions;
  readonly #authenticators: Authenticators;
  readonly #verdicts: VerdictCache;
  readonly #throttle: LoginThrottle;
  readonly #queue = new LoginQueue();
  readonly #sleep: Sleep;
  /** Checks under way: sessions that a client opens at once share one. */
  readonly #running = new Map<string, Promise<Checked | undefined>>();

  constructor(options: LoginGateOptions) {
    const engine = options.engine ?? nodeCryptoEngine;
    this.#options = options;
    this.#verdicts = new VerdictCache(engine, options.clock, options.random);
    this.#authenticators = new Authenticators({ ...options, engine });
    this.#throttle = new LoginThrottle(options.clock, options.limits);
    this.#sleep = options.sleep ?? systemSleep;
  }

  async login(request: LoginRequest, options: CallOptions = {}): Promise<Login> {
    const startMs = this.#options.clock.nowMs();
    this.#assertMayTry(request);
    const checked =
      (await this.#remembered(request, options)) ?? (await this.#check(request, options));
    if (checked === undefined) {
      this.#record(request, "denied", "wrong name or password");
      await this.#untilNextStep(startMs, options);
      throw denied(request);
    }
    this.#throttle.succeeded(request.name, addressKey(request.address));
    this.#record(request, "ok");
    const { proof, principal } = checked;
    return {
      principal,
      renew: async (renewOptions = {}) =>
        await this.#authenticators.principalOf(request, proof, renewOptions),
    };
  }

  /** A password that was right a short while ago, for an account that has not changed since. */
  async #remembered(request: LoginRequest, options: CallOptions): Promise<Checked | undefined> {
    const proof = this.#verdicts.find(request);
    if (proof === undefined) return undefined;
    const principal = await this.#authenticators.principalOf(request, proof, options);
    if (principal !== undefined) return { proof, principal };
    this.#verdicts.forget(request);
    return undefined;
  }

  /** Asked by several at once, it is done once, and counts once when it fails. */
  async #check(request: LoginRequest, options: CallOptions): Promise<Checked | undefined> {
    const key = this.#verdicts.keyOf(request);
    let check = this.#running.get(key);
    if (check === undefined) {
      const address = addressKey(request.address);
      check = this.#queue.run(address, async () => await this.#decide(request, address));
      this.#running.set(key, check);
      const done = (): boolean => this.#running.delete(key);
      check.then(done, done);
    }
    const checked = await check;
    options.signal?.throwIfAborted();
    return checked;
  }

  /** Its turn has come: others of the same name or address may have failed meanwhile. */
  async #decide(request: LoginRequest, address: string): Promise<Checked | undefined> {
    this.#assertMayTry(request);
    const proof = await this.#authenticators.prove(request);
    const principal =
      proof === undefined ? undefined : await this.#authenticators.principalOf(request, proof);
    if (proof === undefined || principal === undefined) {
      this.#throttle.failed(request.name, address);
      return undefined;
    }
    this.#verdicts.remember(request, proof);
    return { proof, principal };
  }

  /** @throws SEJF_LOCKED. */
  #assertMayTry(request: LoginRequest): void {
    const { waitMs, first } = this.#throttle.waitMs(request.name, addressKey(request.address));
    if (waitMs === 0) return;
    const waitS = Math.ceil(waitMs / 1000);
    if (first) this.#record(request, "denied", `too many failures, not tried for ${waitS} s`);
    throw new SejfError("SEJF_LOCKED", `too many failed logins of ${shown(request.name)}`, {
      retryable: true,
      hint: `try again in ${waitS} s`,
    });
  }

  async #untilNextStep(startMs: number, options: CallOptions): Promise<void> {
    const elapsed = Math.max(0, this.#options.clock.nowMs() - startMs);
    await this.#sleep(FAILURE_STEP_MS - (elapsed % FAILURE_STEP_MS), options.signal);
  }

  #record(request: LoginRequest, result: "ok" | "denied", detail?: string): void {
    const who = shown(request.name);
    const from = request.address;
    this.#options.audit.record({
      action: "login",
      who,
      from,
      result,
      target: request.door,
      detail,
    });
    if (result === "denied")
      this.#options.log.warn({ who, from, door: request.door }, `login refused: ${detail ?? ""}`);
  }
}

/** As Kopia's server says it, for both reasons. */
function denied({ name }: LoginRequest): SejfError {
  return new SejfError("SEJF_ACCESS_DENIED", `access denied for ${shown(name)}`);
}

function shown(name: string): string {
  return name.slice(0, MAX_SHOWN_NAME);
}
