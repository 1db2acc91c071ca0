/**
 * Runs a real kopia, and our own program the same way, each with a home of its own: configuration, caches and logs
 * lie in a temporary folder, nothing of the user's is read or written. Where there is no kopia, `KOPIA_SKIP` says why.
 */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TemporaryDirectory, temporaryDirectory } from "./temp.ts";

export interface CommandResult {
  /** -1 when a signal ended it; standard error then says which. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The bytes of `stdout`, where they are not text. */
  readonly stdoutBytes: Uint8Array;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  readonly input?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ClientOptions {
  /** Default `fixture-password`. */
  readonly password?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** `KOPIA_EXE`, else the first `kopia` in the PATH. */
export const KOPIA_EXE: string | undefined = findProgram("kopia", "KOPIA_EXE");

/** For `test(name, { skip: KOPIA_SKIP }, …)`: false when a kopia is there, else the reason. */
export const KOPIA_SKIP: string | false =
  KOPIA_EXE === undefined ? "no kopia in the PATH and KOPIA_EXE is not set" : false;

/** The launcher of the checkout. */
export const SEJF_EXE: string = fileURLToPath(new URL("../../bin/sejf", import.meta.url));

/** What each program that a test starts has of the environment of the tests; the rest is the test's. */
export function inheritedEnvironment(): Readonly<Record<string, string>> {
  const names = ["PATH", "NODE_OPTIONS", "NODE_COMPILE_CACHE", "SEJF_TEST_KEYS"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** One installation of a program: its configuration file, caches and home; disposing removes them. */
export class CommandClient implements AsyncDisposable {
  readonly exe: string;
  readonly home: TemporaryDirectory;
  readonly configFile: string;
  /** The whole environment of its processes. */
  readonly env: Readonly<Record<string, string>>;

  constructor(exe: string, home: TemporaryDirectory, options: ClientOptions) {
    const password = options.password ?? "fixture-password";
    this.exe = exe;
    this.home = home;
    this.configFile = join(home.path, "config", "repository.config");
    this.env = {
      ...inheritedEnvironment(),
      TZ: "UTC",
      HOME: home.path,
      TMPDIR: join(home.path, "tmp"),
      XDG_CACHE_HOME: join(home.path, "cache"),
      XDG_CONFIG_HOME: join(home.path, "config"),
      KOPIA_CHECK_FOR_UPDATES: "false",
      KOPIA_CACHE_DIRECTORY: join(home.path, "cache", "repository"),
      KOPIA_LOG_DIR: join(home.path, "logs"),
      KOPIA_USE_KEYRING: "false",
      KOPIA_PASSWORD: password,
      SEJF_CACHE_DIRECTORY: join(home.path, "cache", "repository"),
      SEJF_LOG_DIR: join(home.path, "logs"),
      SEJF_PASSWORD: password,
      ...options.env,
    };
  }

  /** Runs a command to its end, whatever its exit status; `--config-file` is given already. */
  async run(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const env = { ...this.env, ...options.env };
    return runCommand(this.exe, [...args, `--config-file=${this.configFile}`], {
      ...options,
      env,
    });
  }

  /** As `run`, but a failure of the command is a failure of the test. */
  async ok(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const result = await this.run(args, options);
    if (result.exitCode !== 0) {
      throw new Error(
        `${this.exe} ${args.join(" ")}: exit status ${result.exitCode}\n${result.stderr}\n${result.stdout}`,
      );
    }
    return result;
  }

  /** The parsed standard output of a command that succeeds. */
  async json<T>(args: readonly string[], options: CommandOptions = {}): Promise<T> {
    const result = await this.ok(args, options);
    return JSON.parse(result.stdout) as T;
  }

  /** Another installation that has all that this one has, a repository in its home too. Nothing of it may be running. */
  async copy(): Promise<CommandClient> {
    const home = await temporaryDirectory("home");
    const [from, to] = [this.home.path, home.path];
    const elsewhere = (text: string): string => text.replaceAll(from, to);
    await cp(from, to, { recursive: true, preserveTimestamps: true });
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.env)) env[name] = elsewhere(value);
    const copy = new CommandClient(this.exe, home, { env });
    const connection = elsewhere(await readFile(this.configFile, "utf8"));
    await writeFile(copy.configFile, connection);
    return copy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]();
  }
}

/** A fresh kopia, connected to nothing. Only for tests that are skipped with `KOPIA_SKIP`. */
export async function openKopia(options: ClientOptions = {}): Promise<CommandClient> {
  if (KOPIA_EXE === undefined) throw new Error(String(KOPIA_SKIP));
  return openClient(KOPIA_EXE, options);
}

/** A fresh installation of our own program, connected to nothing. */
export async function openSejf(options: ClientOptions = {}): Promise<CommandClient> {
  return openClient(SEJF_EXE, options);
}

async function openClient(exe: string, options: ClientOptions): Promise<CommandClient> {
  const home = await temporaryDirectory("home");
  for (const name of ["tmp", "cache", "config", "logs"]) await mkdir(join(home.path, name));
  return new CommandClient(exe, home, options);
}

/** Runs a program to its end and collects what it says. */
export async function runCommand(
  exe: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(exe, args, {
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => stdout.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => stderr.push(bytes));
  child.stdin.on("error", () => {}); // the program may end without reading its input
  child.stdin.end(options.input ?? "");
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (signal !== null) stderr.push(Buffer.from(`\n(ended by ${signal})\n`));
      resolve(code ?? -1);
    });
  });
  const stdoutBytes = Uint8Array.from(Buffer.concat(stdout));
  return {
    exitCode,
    stdout: new TextDecoder().decode(stdoutBytes),
    stderr: Buffer.concat(stderr).toString("utf8"),
    stdoutBytes,
  };
}

/** What the variable names, else the first of that name in the PATH. */
export function findProgram(name: string, variable: string): string | undefined {
  const given = process.env[variable];
  if (given !== undefined && given !== "") return given;
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
