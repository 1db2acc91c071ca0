/**
 * One program of a device signs at a time: from the moment a snapshot gets its number until it is durable no other one may
 * give the same number to another. Backups of one folder may overlap, when the first of them takes long. Spec: sealed 10.
 */
import { randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { errorFromUnknown } from "../errors/index.ts";
import { isAbsent } from "../repository/index.ts";
import { deviceFileOf, loadDevice } from "./device-file.ts";
import type { HeadMemory } from "./head-memory.ts";

const RETRY_MS = 100;
/** Nobody takes longer between the two; a process of another machine, or a new one under an old number, is not waited for. */
const MAX_WAIT_MS = 10 * 60_000;
/** Written a moment after it is made. */
const MAX_EMPTY_MS = 5000;

/** Of this process. */
const held = new Set<string>();

export class SigningTurn {
  readonly #configFile: string;
  readonly #heads: HeadMemory;
  readonly #name: string = `${process.pid} ${randomUUID()}`;
  #taken: Promise<void> | undefined;

  /** `heads`: learns what other programs of the device have signed. */
  constructor(configFile: string, heads: HeadMemory) {
    this.#configFile = configFile;
    this.#heads = heads;
  }

  /** Waits for it; nothing where this one has it already. @throws SEJF_PERMISSION, SEJF_IO; the signal's reason. */
  async take(signal?: AbortSignal): Promise<void> {
    this.#taken ??= this.#take(signal);
    try {
      await this.#taken;
    } catch (error) {
      this.#taken = undefined;
      throw error;
    }
  }

  async release(): Promise<void> {
    if (this.#taken === undefined) return;
    this.#taken = undefined;
    held.delete(this.#name);
    // Whoever waited too long has another one there.
    if ((await this.#holder()) === this.#name) await rm(this.#path, { force: true });
  }

  async #take(signal: AbortSignal | undefined): Promise<void> {
    for (let waitedMs = 0; !(await this.#make()); waitedMs += RETRY_MS) {
      const holder = await this.#holder();
      const isOver =
        waitedMs > MAX_WAIT_MS || (holder === "" ? waitedMs > MAX_EMPTY_MS : isDead(holder));
      if (isOver && (await this.#holder()) === holder) await rm(this.#path, { force: true });
      else await sleep(RETRY_MS);
      signal?.throwIfAborted();
    }
    held.add(this.#name);
    const stored = await loadDevice(this.#configFile);
    if (stored !== undefined) this.#heads.merge(stored.heads.toJson());
  }

  /** Whether there was none. */
  async #make(): Promise<boolean> {
    try {
      await writeFile(this.#path, this.#name, { flag: "wx", mode: 0o600 });
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
      throw errorFromUnknown(error, `making ${this.#path}`);
    }
  }

  /** Empty: it is being made. `undefined`: nobody has it. */
  async #holder(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, "utf8");
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw errorFromUnknown(error, `reading ${this.#path}`);
    }
  }

  get #path(): string {
    return `${deviceFileOf(this.#configFile)}.signing`;
  }
}

function isDead(holder: string | undefined): boolean {
  if (holder === undefined) return false;
  const pid = Number.parseInt(holder, 10);
  if (!(pid > 0)) return true;
  // In a container each program may have the number of the one before.
  if (pid === process.pid) return !held.has(holder);
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}
