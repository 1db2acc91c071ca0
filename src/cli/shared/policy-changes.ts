/** Changes to one policy, each told in a line as Kopia does. Reference: kopia cli/command_policy_set.go. */
import { type Policy, policyValue, withPolicyValue } from "../../snapshot/index.ts";
import { usageError } from "../usage-error.ts";
import { DEFAULT, INHERIT } from "./policy-words.ts";

const MAX_INT32 = 2 ** 31 - 1;

export interface NumberOptions {
  /** Also negative ones; what they mean is up to the setting. */
  readonly negative?: boolean;
  /** Largest allowed; default what fits into 32 bits. */
  readonly max?: number;
  /** What is stored is this many times what was given. */
  readonly factor?: number;
  readonly format?: (stored: number) => string;
}

export class PolicyChanges {
  readonly #tell: (line: string) => void;
  #policy: Policy;
  #count = 0;

  constructor(policy: Policy, tell: (line: string) => void) {
    this.#policy = policy;
    this.#tell = tell;
  }

  get policy(): Policy {
    return this.#policy;
  }

  get count(): number {
    return this.#count;
  }

  /** `said` is the line to be printed. */
  set(path: string, value: unknown, said: string): void {
    this.#policy = withPolicyValue(this.#policy, path, value);
    this.note(said);
  }

  setNoParent(noParent: boolean): void {
    const { noParent: _, ...rest } = this.#policy;
    this.#policy = (noParent ? { ...rest, noParent } : rest) as Policy;
    this.#count++;
  }

  /** A change made elsewhere in the policy. */
  replace(policy: Policy, said: string): void {
    this.#policy = policy;
    this.note(said);
  }

  note(said: string): void {
    this.#count++;
    this.#tell(` - ${said}`);
  }

  reset(path: string, what: string): void {
    this.set(path, undefined, `resetting "${what}" to a default value inherited from parent.`);
  }

  /** Nothing for an absent or empty text. @throws SEJF_INVALID_ARGUMENT. */
  number(path: string, what: string, given: string | undefined, options: NumberOptions = {}): void {
    if (given === undefined || given === "") return;
    if (isReset(given)) {
      this.reset(path, what);
      return;
    }
    const { negative = false, max = MAX_INT32, factor = 1, format = String } = options;
    const value = /^[+-]?\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
    if (!(Math.abs(value) <= max) || (value < 0 && !negative)) {
      throw usageError(
        `can't parse the ${what} ${JSON.stringify(given)}`,
        `expected ${negative ? "a whole number" : `a whole number from 0 to ${max}`}, or ${INHERIT}`,
      );
    }
    const stored = value * factor;
    this.set(path, stored, `setting "${what}" to ${format(stored)}.`);
  }

  /** As Go reads booleans. @throws SEJF_INVALID_ARGUMENT. */
  flag(path: string, what: string, given: string | undefined): void {
    if (given === undefined || given === "") return;
    if (isReset(given)) {
      this.reset(path, what);
      return;
    }
    const value = /^(?:1|t|T|TRUE|true|True)$/.test(given);
    if (!value && !/^(?:0|f|F|FALSE|false|False)$/.test(given))
      throw usageError(
        `can't parse the "${what}" ${JSON.stringify(given)}`,
        `expected true, false or ${INHERIT}`,
      );
    this.set(path, value, `setting "${what}" to ${value}.`);
  }

  /** A name, where `inherit` takes it back. */
  name(path: string, what: string, given: string | undefined): void {
    if (given === undefined) return;
    if (given === INHERIT)
      this.set(path, undefined, `resetting ${what} to default value inherited from parent`);
    else this.set(path, given, `setting ${what} to ${given}`);
  }

  /** Cleared first, then added to, then removed from. A list that is changed is sorted, as in Kopia. */
  list(
    path: string,
    what: string,
    add: readonly string[],
    remove: readonly string[],
    clear: boolean,
  ): void {
    if (!clear && add.length === 0 && remove.length === 0) return;
    if (clear) this.note(`removing all from "${what}"`);
    const before = (policyValue(this.#policy, path) ?? []) as readonly string[];
    const entries = new Set(clear ? [] : before);
    for (const entry of add) {
      entries.add(entry);
      this.note(`adding ${JSON.stringify(entry)} to "${what}"`);
    }
    for (const entry of remove) {
      entries.delete(entry);
      this.note(`removing ${JSON.stringify(entry)} from "${what}"`);
    }
    const sorted = [...entries].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const value = sorted.length === 0 ? undefined : sorted;
    this.#policy = withPolicyValue(this.#policy, path, value);
  }
}

export function isReset(given: string): boolean {
  return given === INHERIT || given === DEFAULT;
}
