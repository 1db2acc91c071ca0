/**
 * The kinds of flags a command can have, in Kopia's manner: `--name=value` or `--name value`, `--no-name` for every
 * switch, repeated flags, environment variables. A flag of Kopia's that means nothing here is `inert` when scripts
 * may pass it without harm, and `refused` when somebody would rely on it: none is parsed and silently ignored.
 */
import { parseDuration } from "../bytes/index.ts";
import { usageError } from "./usage-error.ts";

export type FlagKind = "switch" | "value" | "list";

/** One flag; `T` is what the command gets. */
export interface Flag<T> {
  readonly kind: FlagKind;
  readonly help: string;
  /** One letter. */
  readonly short: string | undefined;
  /** Names of environment variables, the first that is set and not empty counts. */
  readonly env: readonly string[];
  readonly hidden: boolean;
  readonly placeholder: string;
  readonly required: boolean;
  readonly values: readonly string[] | undefined;
  /** For the help text. */
  readonly shownDefault: string | undefined;
  /** A value that has `--no-name` beside it. */
  readonly refusable: boolean;
  /** Why it does nothing here. */
  readonly inert: string | undefined;
  /** Why it cannot be had. */
  readonly refused: string | undefined;
  /** From the texts given, none when the flag is absent. `name` is for error messages: `--parallel`. */
  readonly read: (texts: readonly string[], name: string) => T;
}

/** By the name in camel case: `maxPackSizeMb` is `--max-pack-size-mb`. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;

export type FlagValues<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** What a refused value is read as; no argument of a program can hold it. */
export const NEGATED = "\u0000";

export interface FlagOptions {
  readonly short?: string | undefined;
  /** `PASSWORD` stands for `SEJF_PASSWORD` and `KOPIA_PASSWORD`, in this order. */
  readonly env?: string | undefined;
  /** A variable that other programs read too, under this very name: `AWS_ACCESS_KEY_ID`. */
  readonly commonEnv?: string | undefined;
  readonly hidden?: boolean | undefined;
  readonly placeholder?: string | undefined;
}

/** `--name` or `--no-name`. */
export function flag(
  help: string,
  options: FlagOptions & { readonly default?: boolean | undefined } = {},
): Flag<boolean> {
  return make("switch", help, options, {
    shownDefault: options.default === true ? "true" : undefined,
    read: (texts, name) => readSwitch(texts, name) ?? options.default ?? false,
  });
}

/** A switch that tells whether it was given at all. */
export function optionalFlag(help: string, options: FlagOptions = {}): Flag<boolean | undefined> {
  return make("switch", help, options, { read: readSwitch });
}

export function text(
  help: string,
  options: FlagOptions & ({ readonly required: true } | { readonly default: string }),
): Flag<string>;
export function text(help: string, options?: FlagOptions): Flag<string | undefined>;
export function text(
  help: string,
  options: FlagOptions & { readonly required?: boolean; readonly default?: string } = {},
): Flag<string | undefined> {
  return make("value", help, options, {
    required: options.required ?? false,
    shownDefault: options.default,
    read: (texts) => texts.at(-1) ?? options.default,
  });
}

/** `--name=VALUE`, or `--no-name`, which gives `false`. */
export function refusableText(
  help: string,
  options?: FlagOptions,
): Flag<string | false | undefined> {
  return make("value", help, options ?? {}, {
    refusable: true,
    read: (texts) => (texts.at(-1) === NEGATED ? false : texts.at(-1)),
  });
}

/** A flag that may be given several times. */
export function texts(help: string, options: FlagOptions = {}): Flag<readonly string[]> {
  return make("list", help, options, { read: (given) => given });
}

export function integer(
  help: string,
  options: FlagOptions & { readonly default: number },
): Flag<number>;
export function integer(help: string, options?: FlagOptions): Flag<number | undefined>;
export function integer(
  help: string,
  options: FlagOptions & { readonly default?: number } = {},
): Flag<number | undefined> {
  return number(help, options, /^[+-]?\d{1,15}$/, "an integer");
}

export function decimal(
  help: string,
  options: FlagOptions & { readonly default: number },
): Flag<number>;
export function decimal(help: string, options?: FlagOptions): Flag<number | undefined>;
export function decimal(
  help: string,
  options: FlagOptions & { readonly default?: number } = {},
): Flag<number | undefined> {
  return number(
    help,
    options,
    /^[+-]?(?:\d{1,15}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?$/,
    "a number",
  );
}

/** Go's durations, `1h30m`; in nanoseconds. */
export function duration(
  help: string,
  options: FlagOptions & { readonly default: bigint },
): Flag<bigint>;
export function duration(help: string, options?: FlagOptions): Flag<bigint | undefined>;
export function duration(
  help: string,
  options: FlagOptions & { readonly default?: bigint } = {},
): Flag<bigint | undefined> {
  return make(
    "value",
    help,
    { placeholder: "DURATION", ...options },
    {
      read(given, name) {
        const last = given.at(-1);
        if (last === undefined) return options.default;
        const value = parseDuration(last);
        if (value === undefined)
          throw usageError(
            `${name}: ${JSON.stringify(last)} is not a duration, expected one like 30s or 1h30m`,
          );
        return value;
      },
    },
  );
}

/** One of a few words. */
export function choice<const V extends string>(
  help: string,
  values: readonly V[],
  options: FlagOptions & { readonly default: NoInfer<V> },
): Flag<V>;
export function choice<const V extends string>(
  help: string,
  values: readonly V[],
  options?: FlagOptions,
): Flag<V | undefined>;
export function choice(
  help: string,
  values: readonly string[],
  options: FlagOptions & { readonly default?: string } = {},
): Flag<string | undefined> {
  return make("value", help, options, {
    values,
    shownDefault: options.default,
    read(given, name) {
      const last = given.at(-1);
      if (last === undefined || values.includes(last)) return last ?? options.default;
      throw usageError(
        `${name}: ${JSON.stringify(last)} is not possible, expected one of ${values.join(", ")}`,
      );
    },
  });
}

/** Accepted and without effect, for the reason given. Hidden. */
export function inert(kind: FlagKind, why: string, options: FlagOptions = {}): Flag<undefined> {
  return make(
    kind,
    `Accepted for kopia's sake: ${why}.`,
    { hidden: true, ...options },
    { inert: why, read: () => undefined },
  );
}

/** Not to be had, for the reason given. Hidden. Switched off explicitly it is accepted. */
export function refused(kind: FlagKind, why: string, options: FlagOptions = {}): Flag<undefined> {
  return make(
    kind,
    `Not supported: ${why}.`,
    { hidden: true, ...options },
    {
      refused: why,
      read(given, name) {
        if (given.length === 0 || (kind === "switch" && readSwitch(given, name) === false))
          return undefined;
        throw usageError(`${name} is not supported: ${why}`);
      },
    },
  );
}

/** `maxPackSizeMb` → `max-pack-size-mb`. */
export function flagName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function number(
  help: string,
  options: FlagOptions & { readonly default?: number },
  pattern: RegExp,
  expected: string,
): Flag<number | undefined> {
  return make(
    "value",
    help,
    { placeholder: "N", ...options },
    {
      shownDefault: options.default === undefined ? undefined : String(options.default),
      read(given, name) {
        const last = given.at(-1);
        if (last === undefined) return options.default;
        if (pattern.test(last)) return Number(last);
        throw usageError(`${name}: ${JSON.stringify(last)} is not ${expected}`);
      },
    },
  );
}

/** As Go reads the booleans of environment variables. */
function readSwitch(given: readonly string[], name: string): boolean | undefined {
  const last = given.at(-1);
  if (last === undefined) return undefined;
  if (/^(?:1|t|true)$/i.test(last)) return true;
  if (/^(?:0|f|false)$/i.test(last)) return false;
  throw usageError(`${name}: ${JSON.stringify(last)} is neither true nor false`);
}

function make<T>(
  kind: FlagKind,
  help: string,
  options: FlagOptions,
  rest: Pick<Flag<T>, "read"> & Partial<Flag<T>>,
): Flag<T> {
  return {
    kind,
    help,
    short: options.short,
    env: [
      ...(options.env === undefined ? [] : [`SEJF_${options.env}`, `KOPIA_${options.env}`]),
      ...(options.commonEnv === undefined ? [] : [options.commonEnv]),
    ],
    hidden: options.hidden ?? false,
    placeholder: options.placeholder ?? "VALUE",
    required: false,
    values: undefined,
    shownDefault: undefined,
    refusable: false,
    inert: undefined,
    refused: undefined,
    ...rest,
  };
}
