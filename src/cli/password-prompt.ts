/**
 * Asks for a password on the terminal, without echo. SECURITY: the text is shown nowhere; without a terminal nothing
 * is read, so that a script never hangs and never takes a password from a pipe by accident.
 */
import type { ReadStream } from "node:tty";
import { SejfError } from "../errors/index.ts";

const MAX_ATTEMPTS = 5;
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const BACKSPACES: ReadonlySet<string> = new Set(["\b", "\u007f"]);

/** An existing password, once. @throws SEJF_CANCELLED; without a terminal `missing`. */
export async function askPassword(
  prompt: string,
  missing: SejfError = noPassword(),
): Promise<string> {
  const terminal = terminalInput(missing);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const answer = await readHidden(terminal, prompt);
    if (answer !== "") return answer;
  }
  throw missing;
}

/** A code that somebody types from paper. `elsewhere`: how else it can be given. */
export async function askCode(prompt: string, elsewhere: string): Promise<string> {
  return await askPassword(
    prompt,
    new SejfError("SEJF_INVALID_ARGUMENT", "`ask` has a code typed in, and there is no terminal", {
      hint: elsewhere,
    }),
  );
}

/** SECURITY: from a terminal alone, so that no file and no environment on this computer holds what deletes. */
export async function askDeletePassword(account: string): Promise<string> {
  return await askPassword(
    `Enter the delete password of ${account}: `,
    new SejfError("SEJF_INVALID_ARGUMENT", "the delete password is typed on a terminal", {
      hint: "it is never taken from the environment, a file or a pipe; `sejf account password --delete-password` sets one where there is none",
    }),
  );
}

/** A new password, twice until both agree. */
export async function askNewPassword(
  prompt: string,
  missing: SejfError = noPassword(),
): Promise<string> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const first = await askPassword(prompt, missing);
    const second = await askPassword("Re-enter password for verification: ", missing);
    if (first === second) return first;
    process.stderr.write("Passwords don't match!\n");
  }
  throw missing;
}

function terminalInput(missing: SejfError): ReadStream {
  if (process.stdin.isTTY) return process.stdin;
  throw missing;
}

function noPassword(): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", "no repository password was given", {
    hint: "give it with --password, in SEJF_PASSWORD or KOPIA_PASSWORD, or run the command on a terminal",
  });
}

async function readHidden(terminal: ReadStream, prompt: string): Promise<string> {
  process.stderr.write(prompt);
  terminal.setRawMode(true);
  terminal.setEncoding("utf8");
  try {
    return await readLine(terminal);
  } finally {
    terminal.setRawMode(false);
    terminal.pause();
    process.stderr.write("\n");
  }
}

function readLine(terminal: ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let line: string[] = [];
    const finish = (settle: () => void): void => {
      terminal.off("data", onData);
      settle();
    };
    const onData = (chunk: string): void => {
      for (const character of chunk) {
        if (character === "\r" || character === "\n") return finish(() => resolve(line.join("")));
        if (character === CTRL_C || character === CTRL_D) {
          return finish(() => reject(new SejfError("SEJF_CANCELLED", "no password was entered")));
        }
        if (BACKSPACES.has(character)) line = line.slice(0, -1);
        else line.push(character);
      }
    };
    terminal.on("data", onData);
    terminal.resume();
  });
}
