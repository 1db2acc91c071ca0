/** What a command is: its flags, its arguments and what it does. One file under `cmd/` each. */
import type { CommandContext } from "./context.ts";
import type { Flags, FlagValues } from "./flags.ts";

/** An argument behind the flags, for the usage line and the check of their number. */
export interface Argument {
  readonly name: string;
  readonly help: string;
  readonly required?: boolean | undefined;
  /** The last one may take all that follow. */
  readonly variadic?: boolean | undefined;
}

/** The exit status: 0 done, 1 failed, 2 wrong usage, 3 finished with file errors. */
export type ExitStatus = 0 | 1 | 2 | 3;

export interface CommandDefinition<F extends Flags> {
  /** One sentence, as in the list of commands. */
  readonly summary: string;
  /** More, for the command's own help. */
  readonly description?: string | undefined;
  readonly flags: F;
  readonly arguments?: readonly Argument[] | undefined;
  /** Failure is a thrown SejfError; another status than 0 is returned. */
  readonly run: (
    context: CommandContext,
    flags: FlagValues<F>,
    args: readonly string[],
  ) => Promise<ExitStatus | undefined>;
}

/** A command with its types put away. */
export interface Command {
  readonly summary: string;
  readonly description: string | undefined;
  readonly flags: Flags;
  readonly arguments: readonly Argument[];
  readonly run: (
    context: CommandContext,
    flags: Readonly<Record<string, unknown>>,
    args: readonly string[],
  ) => Promise<ExitStatus | undefined>;
}

/** Ties the types of the flags to what `run` is given. */
export function defineCommand<const F extends Flags>(definition: CommandDefinition<F>): Command {
  return {
    summary: definition.summary,
    description: definition.description,
    flags: definition.flags,
    arguments: definition.arguments ?? [],
    run: (context, flags, args) => definition.run(context, flags as FlagValues<F>, args),
  };
}
