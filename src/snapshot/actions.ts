/**
 * Actions of policies around folders and whole snapshots: the one before may tell to read somewhere else, the one
 * after runs once everything was read, also when the upload failed or was stopped. Spec: kopia-snapshots 4.10.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { bytesToHex, type Random } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import { type EntryStat, statExact } from "../node/index.ts";
import { type ActionProcess, runAction, startAction } from "./action-process.ts";
import type { ActionEvent, ActionName, ActionSettings } from "./create-types.ts";
import type { ActionCommand } from "./policy.ts";

const REDIRECT = "KOPIA_SNAPSHOT_PATH";
const ID_BYTES = 8;

/** A folder, or a whole snapshot, that actions may be run around. */
export interface ActionScope {
  readonly kind: "folder" | "snapshot-root";
  /** Its path on this machine, for the actions and for messages. */
  readonly sourcePath: string;
  readonly before: ActionCommand | undefined;
  readonly after: ActionCommand | undefined;
}

/** What actions share from before to after. */
interface OpenScope extends ActionScope {
  readonly id: string;
  readonly directory: string;
  snapshotPath: string;
  /** Asynchronous actions that run in it: the directory is theirs until they end. */
  running: number;
  left: boolean;
}

/** A scope whose actions before have run. */
export interface EnteredScope {
  /** What is to be read instead. */
  readonly redirect: { readonly local: string; readonly stat: EntryStat } | undefined;
  /** Runs the action after it. Once; never throws. */
  leave(): Promise<void>;
}

const NOTHING: EnteredScope = { redirect: undefined, leave: async () => {} };

/** All actions of one upload. Disposing leaves what is still open, the innermost first. */
export class SnapshotActions implements AsyncDisposable {
  readonly #settings: ActionSettings | undefined;
  readonly #random: Random;
  readonly #tell: (event: ActionEvent) => void;
  readonly #open: OpenScope[] = [];

  /** Without settings none is run. */
  constructor(
    settings: ActionSettings | undefined,
    random: Random,
    tell: (event: ActionEvent) => void,
  ) {
    this.#settings = settings;
    this.#random = random;
    this.#tell = tell;
  }

  /**
   * Runs the action before. @throws SEJF_SOURCE when an essential one fails, or sends us to what is no directory; the
   * signal's reason; SEJF_IO, SEJF_PERMISSION.
   */
  async enter(scope: ActionScope, signal?: AbortSignal): Promise<EnteredScope> {
    const { kind, sourcePath, before, after } = scope;
    if (before === undefined && after === undefined) return NOTHING;
    if (this.#settings?.allowActions !== true) {
      for (const [name, command] of [
        [`before-${kind}`, before],
        [`after-${kind}`, after],
      ] as const)
        if (command !== undefined)
          this.#tell({ kind: "action", action: name, path: sourcePath, state: "disabled" });
      return NOTHING;
    }
    const open = await this.#openScope(scope);
    const output = before === undefined ? "" : await this.#runBefore(open, before, signal);
    this.#open.push(open);
    try {
      const redirect = this.#redirect(open, redirectIn(output));
      return { redirect, leave: async () => this.#leave(open) };
    } catch (error) {
      await this.#leave(open);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let last = this.#open.at(-1); last !== undefined; last = this.#open.at(-1))
      await this.#leave(last);
  }

  async #openScope(scope: ActionScope): Promise<OpenScope> {
    try {
      return {
        ...scope,
        id: bytesToHex(this.#random.bytes(ID_BYTES)),
        directory: await mkdtemp(join(tmpdir(), "sejf-action-")),
        snapshotPath: scope.sourcePath,
        running: 0,
        left: false,
      };
    } catch (error) {
      throw errorFromUnknown(error, "making a working directory for actions");
    }
  }

  async #runBefore(open: OpenScope, command: ActionCommand, signal?: AbortSignal): Promise<string> {
    try {
      return await this.#run(open, `before-${open.kind}`, command, signal);
    } catch (error) {
      await discard(open);
      throw error;
    }
  }

  #redirect(open: OpenScope, path: string | undefined): EnteredScope["redirect"] {
    if (path === undefined) return undefined;
    const local = resolve(path);
    open.snapshotPath = local;
    const stat = statExact(local);
    if (stat?.kind === "directory") return { local, stat };
    throw new SejfError(
      "SEJF_SOURCE",
      `the before-${open.kind} action of ${open.sourcePath} gave ${local} to be read, which is no directory`,
    );
  }

  async #leave(open: OpenScope): Promise<void> {
    const at = this.#open.indexOf(open);
    if (at === -1) return;
    this.#open.splice(at, 1);
    try {
      // No signal: what was frozen is thawed also after Ctrl+C.
      if (open.after !== undefined) await this.#run(open, `after-${open.kind}`, open.after);
    } catch (error) {
      const { message } = errorFromUnknown(error, `the after-${open.kind} action`);
      this.#failed(open, `after-${open.kind}`, message);
    }
    await discard(open);
  }

  /** Gives what it prints. */
  async #run(
    open: OpenScope,
    name: ActionName,
    command: ActionCommand,
    signal?: AbortSignal,
  ): Promise<string> {
    this.#tell({ kind: "action", action: name, path: open.sourcePath, state: "running" });
    const action = this.#process(open, name, command);
    if (action === undefined) {
      this.#failedEssential(open, name, command, "it has neither a script nor a command");
      return "";
    }
    if (command.mode === "async") {
      await this.#start(open, action);
      return "";
    }
    const { output, failure } = await runAction(action, signal);
    if (failure !== undefined) this.#failedEssential(open, name, command, failure);
    return output;
  }

  async #start(
    open: OpenScope,
    action: ActionProcess & { readonly name: ActionName },
  ): Promise<void> {
    open.running++;
    const ended = (): void => {
      open.running--;
      if (open.left) void discard(open);
    };
    const failure = await startAction(action, ended);
    if (failure === undefined) return;
    ended();
    this.#failed(open, action.name, failure);
  }

  #process(
    open: OpenScope,
    name: ActionName,
    command: ActionCommand,
  ): (ActionProcess & { readonly name: ActionName }) | undefined {
    if ((command.script ?? "") === "" && (command.path ?? "") === "") return undefined;
    const env = {
      ...this.#settings?.env,
      KOPIA_ACTION: name,
      KOPIA_SNAPSHOT_ID: open.id,
      KOPIA_SOURCE_PATH: open.sourcePath,
      [REDIRECT]: open.snapshotPath,
      KOPIA_VERSION: this.#settings?.version,
    };
    return { name, command, directory: open.directory, env };
  }

  #failedEssential(
    open: OpenScope,
    name: ActionName,
    { mode }: ActionCommand,
    message: string,
  ): void {
    if (mode === "essential")
      throw new SejfError(
        "SEJF_SOURCE",
        `the essential ${name} action of ${open.sourcePath} failed: ${message}`,
      );
    this.#failed(open, name, message);
  }

  #failed(open: OpenScope, action: ActionName, message: string): void {
    this.#tell({ kind: "action", action, path: open.sourcePath, state: "failed", message });
  }
}

/** The value of the last line that names it, where it is not empty. */
function redirectIn(output: string): string | undefined {
  const start = `${REDIRECT}=`;
  const line = output.split(/\r?\n/).findLast((text) => text.startsWith(start));
  const value = line?.slice(start.length) ?? "";
  return value === "" ? undefined : value;
}

async function discard(open: OpenScope): Promise<void> {
  open.left = true;
  if (open.running > 0) return;
  // What cannot be removed is in the system's temporary folder, where it bothers nobody.
  await rm(open.directory, { recursive: true, force: true }).catch(() => undefined);
}
