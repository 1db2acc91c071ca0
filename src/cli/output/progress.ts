/** Progress on standard error: a bar or a line rewritten in place on a terminal, a line now and then elsewhere. */
import type { SingleBar } from "cli-progress";
import type { CommandContext } from "../context.ts";

const PLAIN_INTERVAL_MS = 10_000;
const BAR_WIDTH = 24;

/** Made only when it is shown. */
type ProgressText = () => string;

interface Payload {
  readonly text: ProgressText;
}

export interface Progress extends Disposable {
  /** `fraction`: 0…1 where the whole is known. */
  update(text: ProgressText, fraction?: number): void;
  /** Shows the latest state and ends the line, so that others can be written below it. */
  end(): void;
  /** A line above the progress. */
  interrupt(write: () => void): void;
}

const SILENT: Progress = {
  update: () => {},
  end: () => {},
  interrupt: (write) => write(),
  [Symbol.dispose]: () => {},
};

/** Loads what draws only where progress is wanted. */
export async function openProgress(context: CommandContext): Promise<Progress> {
  if (!context.showsProgress) return SILENT;
  const { default: cliProgress } = await import("cli-progress");
  const intervalMs = Math.max(50, Number(context.globals.progressUpdateInterval / 1_000_000n));
  const bar = new cliProgress.SingleBar({
    format: (_options, params, payload: Payload) =>
      line(payload, params.total > 1 ? params.progress : undefined),
    stream: process.stderr,
    fps: 1000 / intervalMs,
    hideCursor: true,
    noTTYOutput: process.stderr.isTTY !== true,
    notTTYSchedule: Math.max(intervalMs, PLAIN_INTERVAL_MS),
    emptyOnZero: true,
  });
  return new BarProgress(bar);
}

/** Fractions are counted in thousands; a total of 1 stands for an unknown whole. */
const WHOLE = 1000;

class BarProgress implements Progress {
  readonly #bar: SingleBar;
  #running = false;

  constructor(bar: SingleBar) {
    this.#bar = bar;
  }

  update(text: ProgressText, fraction?: number): void {
    const payload: Payload = { text };
    const value =
      fraction === undefined ? 0 : Math.floor(Math.min(Math.max(fraction, 0), 1) * WHOLE);
    if (!this.#running) {
      this.#running = true;
      this.#bar.start(fraction === undefined ? 1 : WHOLE, value, payload);
      return;
    }
    if (fraction !== undefined) this.#bar.setTotal(WHOLE);
    this.#bar.update(value, payload);
  }

  end(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#bar.stop();
  }

  interrupt(write: () => void): void {
    if (process.stderr.isTTY === true && this.#running) process.stderr.write("\r\u001b[K");
    write();
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

function line(payload: Payload, fraction: number | undefined): string {
  if (fraction === undefined) return payload.text();
  const done = Math.round(fraction * BAR_WIDTH);
  return `[${"=".repeat(done)}${" ".repeat(BAR_WIDTH - done)}] ${(fraction * 100).toFixed(1)}%${payload.text()}`;
}
