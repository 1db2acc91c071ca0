/** A question on standard output and one line of answer, from a terminal or from a pipe. */
import { readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandContext } from "../context.ts";

const NEWLINE = 0x0a;
const MAX_ANSWER_BYTES = 4096;
const RETRY_MS = 20;

/** Without the newline; `undefined` at the end of the input. @throws the signal's reason. */
export async function askLine(
  { out, signal }: CommandContext,
  question: string,
): Promise<string | undefined> {
  out.write(question);
  out.flush();
  return process.stdin.isTTY ? await lineOfTerminal(signal) : await lineOfPipe(signal);
}

/** The terminal hands over whole lines. Paused afterwards, so that an editor has it for itself. */
async function lineOfTerminal(signal: AbortSignal): Promise<string | undefined> {
  const { stdin } = process;
  stdin.setEncoding("utf8");
  try {
    return await new Promise((resolve, reject) => {
      stdin.once("data", (text: string) => resolve(text.replace(/\r?\n$/, "")));
      stdin.once("end", () => resolve(undefined));
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  } finally {
    stdin.removeAllListeners("data").removeAllListeners("end").pause();
  }
}

/** Byte by byte: what follows belongs to the editor or to the next question. */
async function lineOfPipe(signal: AbortSignal): Promise<string | undefined> {
  const bytes: number[] = [];
  const one = new Uint8Array(1);
  while (bytes.length < MAX_ANSWER_BYTES) {
    signal.throwIfAborted();
    const count = tryRead(one);
    if (count === undefined) await sleep(RETRY_MS);
    else if (count === 0) {
      if (bytes.length === 0) return undefined;
      break;
    } else if (one[0] === NEWLINE) break;
    else bytes.push(one[0] as number);
  }
  return new TextDecoder().decode(Uint8Array.from(bytes)).trim();
}

/** `undefined`: nothing there yet. */
function tryRead(into: Uint8Array): number | undefined {
  try {
    return readSync(process.stdin.fd, into);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN") return undefined;
    if (code === "EOF") return 0; // Windows
    throw error;
  }
}
