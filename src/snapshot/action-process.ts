/**
 * One action as a process of the operating system.
 * SECURITY: an action runs with all rights of this user. Whoever can write policies into a repository decides what
 * runs, so nothing here is called unless the user has allowed actions for this connection.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorFromUnknown } from "../errors/index.ts";
import type { ActionCommand } from "./policy.ts";

/** Of an action that names none. Kopia's command line stores 300. */
const DEFAULT_TIMEOUT_S = 180;
/** The longest that a timer can wait. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/** What an action prints beyond this is not looked at. */
const MAX_OUTPUT_CHARACTERS = 1 << 20;
const IS_WINDOWS = process.platform === "win32";

export interface ActionProcess {
  /** `before-folder`: the name of the script file. */
  readonly name: string;
  readonly command: ActionCommand;
  /** Exists; the process starts in it. */
  readonly directory: string;
  /** All of its environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface ActionResult {
  /** Standard output; standard error goes to ours. */
  readonly output: string;
  /** Why it failed: `exit status 1`; `undefined`: it did not. */
  readonly failure: string | undefined;
}

/** Runs it to its end, or to its timeout. @throws the signal's reason, when that stops it; SEJF_IO, SEJF_PERMISSION. */
export async function runAction(
  action: ActionProcess,
  signal?: AbortSignal,
): Promise<ActionResult> {
  signal?.throwIfAborted();
  const child = await start(action, "pipe");
  const timeoutMs = (action.command.timeout || DEFAULT_TIMEOUT_S) * 1000;
  let late = false;
  const stop = (): void => killGroup(child);
  const timer = setTimeout(
    () => {
      late = true;
      stop();
    },
    Math.min(timeoutMs, MAX_TIMEOUT_MS),
  );
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const result = await resultOf(child);
    signal?.throwIfAborted();
    return late
      ? { ...result, failure: `it was stopped after ${Math.round(timeoutMs / 1000)} seconds` }
      : result;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/**
 * Starts it and does not wait: it may outlive this program, and only then `onEnd` is never called. Gives why it could
 * not be started. @throws SEJF_IO, SEJF_PERMISSION.
 */
export async function startAction(
  action: ActionProcess,
  onEnd: () => void,
): Promise<string | undefined> {
  const child = await start(action, "ignore");
  child.unref();
  child.once("exit", onEnd);
  return await new Promise((resolve) => {
    child.once("spawn", () => resolve(undefined));
    child.once("error", (error) => resolve(error.message));
  });
}

async function start(action: ActionProcess, stdout: "pipe" | "ignore"): Promise<ChildProcess> {
  const [file, ...args] = await commandLine(action);
  return spawn(file as string, args, {
    cwd: action.directory,
    env: action.env,
    stdio: ["ignore", stdout, "inherit"],
    // A group of its own: Ctrl+C stops the upload, after which the action that ends it must still run.
    detached: !IS_WINDOWS,
    windowsHide: true,
  });
}

async function commandLine({
  name,
  command,
  directory,
  env,
}: ActionProcess): Promise<readonly string[]> {
  const { script = "", path = "", args = [] } = command;
  if (script === "") return [path, ...args];
  const file = join(directory, `${name}${IS_WINDOWS ? ".cmd" : ".sh"}`);
  try {
    await writeFile(file, script, { mode: 0o700 });
  } catch (error) {
    throw errorFromUnknown(error, `writing the script of the ${name} action`);
  }
  if (IS_WINDOWS) return [env["COMSPEC"] ?? "cmd.exe", "/c", file];
  return script.startsWith("#!") ? [file] : ["sh", "-e", file];
}

function resultOf(child: ChildProcess): Promise<ActionResult> {
  let output = "";
  child.stdout?.setEncoding("utf8");
  child.stdout?.on("data", (text: string) => {
    if (output.length < MAX_OUTPUT_CHARACTERS) output += text;
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ output, failure: error.message }));
    child.once("close", (code, signal) => {
      const failure = signal === null ? `exit status ${code}` : `it was ended by ${signal}`;
      resolve({ output, failure: code === 0 ? undefined : failure });
    });
  });
}

/** The process and all it has started. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (IS_WINDOWS) child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // it has ended already
  }
}
