/** Runs one command line from its arguments to the exit status. Only here are all parts of a run put together. */
import { systemClock, systemRandom } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { endAtOnce } from "../node/index.ts";
import { type EarlyKey, logDirectory, resolveConfigFile } from "../repository/index.ts";
import type { Command, ExitStatus } from "./command.ts";
import { CommandContext } from "./context.ts";
import { startEarly } from "./early-start.ts";
import { describeFailure, type Failure, isBrokenPipe } from "./failure.ts";
import { findCommand } from "./find-command.ts";
import type { GlobalValues } from "./globals.ts";
import { ConsoleLog } from "./log/console-log.ts";
import { FileLog } from "./log/file-log.ts";
import { withoutKeys } from "./log/without-keys.ts";
import { Output } from "./output/output.ts";
import { checkTimeZone } from "./output/time.ts";
import type { Parsed } from "./parse.ts";
import type { RegisteredCommand } from "./registry.ts";
import { usageError } from "./usage-error.ts";
import { VERSION } from "./version.ts";

/** Never rejects: what goes wrong is told on standard error. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    if (isBrokenPipe(error)) return 1;
    return tell(describeFailure(error));
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  if (args.includes("--version")) return print(`${VERSION}\n`);
  const words = args.filter((word) => !word.startsWith("-"));
  if (args[0] === "help") return print(await (await loadHelp()).helpFor(words.slice(1)));
  if (args.includes("--help-full")) return print((await loadHelp()).groupHelp("", true));
  const found = findCommand(args);
  if (found.kind === "command") return await runCommand(found.command, found.rest);
  const wantsHelp = found.rest.some((word) => word === "--help" || word === "--help-long");
  if (wantsHelp || (found.path === "" && found.rest.length === 0)) {
    return print((await loadHelp()).groupHelp(found.path, false));
  }
  if (found.path === "") throw usageError("no command was given", "see sejf --help");
  throw usageError(`must select a subcommand of '${found.path}'`, `see sejf help ${found.path}`);
}

/** How long what keeps the process may do so. */
const LINGER_MS = 1000;

/** When all is said and written. Where the process cannot be ended at once it ends by itself, or after a second. */
export function end(status: number): void {
  endAtOnce(status);
  process.exitCode = status;
  setTimeout(() => process.exit(status), LINGER_MS).unref();
}

async function loadHelp(): Promise<typeof import("./help.ts")> {
  return await import("./help.ts");
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function runCommand(registered: RegisteredCommand, rest: readonly string[]): Promise<number> {
  const earlyKey = startEarly(registered.path, rest, process.env);
  const [{ command }, { parseCommand, HelpRequested }] = await Promise.all([
    registered.load(),
    import("./parse.ts"),
  ]);
  let parsed: Parsed;
  try {
    parsed = parseCommand(
      registered.path,
      command,
      rest.map((word) => (word === "--help-long" ? "--help" : word)),
      process.env,
    );
  } catch (error) {
    if (error instanceof HelpRequested) return print(error.message);
    throw error;
  }
  checkTimeZone(parsed.globals.timezone);
  const file = openFileLog(registered.path, parsed.globals);
  const log = new ConsoleLog(process.stderr, consoleOptions(parsed.globals), file);
  try {
    return await execute(command, registered.path, parsed, log, earlyKey);
  } finally {
    await file?.close();
  }
}

async function execute(
  command: Command,
  path: string,
  parsed: Parsed,
  log: ConsoleLog,
  earlyKey: EarlyKey | undefined,
): Promise<number> {
  using stop = stopOnSignals();
  const context = new CommandContext({
    path,
    globals: parsed.globals,
    env: process.env,
    configFile: resolveConfigFile(parsed.globals.configFile, process.env),
    out: new Output(process.stdout),
    log,
    clock: systemClock,
    random: systemRandom,
    signal: stop.signal,
    earlyKey,
  });
  log.fileOnly("debug", "command started", {
    command: path,
    node: process.version,
    platform: process.platform,
  });
  const startedMs = systemClock.nowMs();
  let status: ExitStatus = 0;
  try {
    status = (await command.run(context, parsed.flags, parsed.args)) ?? 0;
  } catch (error) {
    context.out.flush();
    if (isBrokenPipe(error)) return 1;
    const failure = describeFailure(error);
    log.fileOnly("error", failure.message, { code: failure.code, details: failure.details });
    if (context.hasUsedServer) {
      const { sendErrorReport } = await import("./shared/notifications.ts");
      await sendErrorReport(context, error, startedMs);
    }
    return tell(failure);
  }
  context.out.flush();
  log.fileOnly("debug", "command finished", { command: path, status });
  return status;
}

function tell(failure: Failure): number {
  const color = process.stderr.isTTY === true;
  const [begin, end] = color ? ["\u001b[91m", "\u001b[0m"] : ["", ""];
  process.stderr.write(`${begin}sejf: error: ${withoutKeys(failure.message)}${end}\n`);
  if (failure.hint !== undefined) process.stderr.write(`  hint: ${withoutKeys(failure.hint)}\n`);
  return failure.status;
}

function openFileLog(path: string, globals: GlobalValues): FileLog | undefined {
  if (globals.disableFileLogging) return undefined;
  return new FileLog({
    file: globals.logFile,
    directory: globals.logDir ?? logDirectory(process.env),
    commandName: path.replaceAll(" ", "-"),
    level: globals.fileLogLevel,
    limits: {
      maxFiles: globals.logDirMaxFiles,
      maxAgeNs: globals.logDirMaxAge,
      maxTotalBytes: globals.logDirMaxTotalSizeMb * 1e6,
    },
    clock: systemClock,
    onProblem: (message) => process.stderr.write(`sejf: ${message}\n`),
  });
}

function consoleOptions(globals: GlobalValues): ConstructorParameters<typeof ConsoleLog>[1] {
  return {
    level: globals.logLevel,
    json: globals.jsonLogConsole,
    timestamps: globals.consoleTimestamps,
    color: globals.forceColor || (!globals.disableColor && process.stderr.isTTY === true),
    clock: systemClock,
  };
}

/** The first SIGINT or SIGTERM asks the command to stop, the second ends the process. */
function stopOnSignals(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      endAtOnce(130);
      process.exit(130);
    }
    controller.abort(new SejfError("SEJF_CANCELLED", "stopped on request"));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose](): void {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
