/** The delaying relay in a process of its own: what it costs is not part of anything that is measured. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PROGRAM = join(import.meta.dirname, "relay-program.ts");

export class DelayingRelay implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
  }

  /** To a port of 127.0.0.1; `roundTripMs` are added. */
  static async start(toPort: number, roundTripMs: number): Promise<DelayingRelay> {
    const child = spawn(process.execPath, [PROGRAM, String(toPort), String(roundTripMs)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const port = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => reject(new Error("the relay ended")));
      createInterface(child.stdout).once("line", (line) => resolve(Number(line)));
    });
    return new DelayingRelay(child, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#process.once("close", () => resolve()));
    this.#process.stdin?.end();
    await closed;
  }
}
