/** What a running command has: its output, its log, the repository of the connection, and the signal to stop. */
import type { CallOptions, Clock, Random } from "../bytes/index.ts";
import { isSejfError } from "../errors/index.ts";
import {
  type Connection,
  type DirectRepository,
  type EarlyKey,
  type Environment,
  loadConfig,
  loadPersistedPassword,
  openConnection,
  type OpenOptions,
  openRepository,
  type OpenRepositoryOptions,
  type Repository,
  storageOf,
} from "../repository/index.ts";
import type { RemoteRepository } from "../rpc/index.ts";
import type { GlobalValues } from "./globals.ts";
import type { ConsoleLog } from "./log/console-log.ts";
import type { Output } from "./output/output.ts";
import { formatTime, formatTimePrecise } from "./output/time.ts";
import { askNewPassword, askPassword } from "./password-prompt.ts";
import { usageError } from "./usage-error.ts";
import { VERSION } from "./version.ts";

export interface ContextParts {
  /** The command's words. */
  readonly path: string;
  readonly globals: GlobalValues;
  readonly env: Environment;
  /** Absolute. */
  readonly configFile: string;
  readonly out: Output;
  readonly log: ConsoleLog;
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly earlyKey: EarlyKey | undefined;
}

export class CommandContext {
  readonly path: string;
  readonly globals: GlobalValues;
  readonly env: Environment;
  readonly configFile: string;
  readonly out: Output;
  readonly log: ConsoleLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly #earlyKey: EarlyKey | undefined;
  #password: string | undefined;
  #hasUsedServer = false;

  constructor(parts: ContextParts) {
    this.path = parts.path;
    this.globals = parts.globals;
    this.env = parts.env;
    this.configFile = parts.configFile;
    this.out = parts.out;
    this.log = parts.log;
    this.clock = parts.clock;
    this.random = parts.random;
    this.signal = parts.signal;
    this.#earlyKey = parts.earlyKey;
  }

  /** A repository behind a server was opened. */
  get hasUsedServer(): boolean {
    return this.#hasUsedServer;
  }

  /** Whether progress is shown: as asked for, else where standard error is a terminal. */
  get showsProgress(): boolean {
    return this.globals.progress ?? process.stderr.isTTY === true;
  }

  /** Whole seconds in the zone of `--timezone`. */
  time(timeNs: bigint): string {
    return formatTime(timeNs, this.globals.timezone);
  }

  /** With milliseconds. */
  timePrecise(timeNs: bigint): string {
    return formatTimePrecise(timeNs, this.globals.timezone);
  }

  /** The password of the connection there is: given, kept, or asked for. Surrounding space is cut, as Kopia does. */
  async password(): Promise<string> {
    const kept =
      this.#given() ??
      (this.globals.persistCredentials ? await loadPersistedPassword(this.configFile) : undefined);
    this.#password ??= kept ?? (await askPassword("Enter password to open repository: "));
    return this.#password;
  }

  /** The password for a connection that is being made: one kept from before does not count. */
  async passwordToConnect(): Promise<string> {
    return this.#given() ?? (await askPassword("Enter password to open repository: "));
  }

  async passwordToCreate(): Promise<string> {
    return this.#given() ?? (await askNewPassword("Enter password to create new repository: "));
  }

  /** The repository of the connection, direct or behind a server. The caller disposes it. */
  async openRepository(): Promise<Repository> {
    const options = await this.#openOptions();
    const { apiServer } = await loadConfig(this.configFile, this.env);
    if (apiServer === undefined) return await openRepository(options);
    return await this.#openServer(options);
  }

  /** For what only the holder of the storage can do. @throws SEJF_UNSUPPORTED for a connection to a server. */
  async openDirectRepository(
    options: Pick<OpenRepositoryOptions, "leaveOutBadIndexes"> = {},
  ): Promise<DirectRepository> {
    storageOf(await loadConfig(this.configFile, this.env), this.configFile);
    return await openRepository({ ...(await this.#openOptions()), ...options });
  }

  /** For a server: its limits can be changed while it is open. `signal` stops the opening only. */
  async openServedRepository(
    options: Pick<OpenRepositoryOptions, "readOnly" | "signal">,
  ): Promise<DirectRepository> {
    storageOf(await loadConfig(this.configFile, this.env), this.configFile);
    return await openRepository({
      ...(await this.#openOptions()),
      adjustableLimits: true,
      ...options,
    });
  }

  /** @throws SEJF_UNSUPPORTED for a direct connection. */
  async openServerRepository(options: CallOptions = {}): Promise<RemoteRepository> {
    return await this.#openServer({ ...(await this.#openOptions()), ...options });
  }

  /** Only storage and format: for commands that look at the repository as a whole. The caller disposes it. */
  async openConnection(): Promise<Connection> {
    storageOf(await loadConfig(this.configFile, this.env), this.configFile);
    return await openConnection(await this.#openOptions());
  }

  /** @throws SEJF_INVALID_ARGUMENT unless `--dangerous-commands=enabled` was given. */
  assertDangerousAllowed(): void {
    if (this.globals.dangerousCommands === "enabled") return;
    throw usageError(
      "this command is dangerous: it can corrupt the repository and lose data",
      "set --dangerous-commands=enabled to run it all the same",
    );
  }

  /** Stopped on request. */
  isCancelled(error: unknown): boolean {
    return (
      this.signal.aborted && (error === this.signal.reason || isSejfError(error, "SEJF_CANCELLED"))
    );
  }

  #given(): string | undefined {
    const given = this.globals.password?.trim();
    return given === "" ? undefined : given;
  }

  async #openServer(options: OpenOptions): Promise<RemoteRepository> {
    const { openServerRepository } = await import("../rpc/index.ts");
    const purpose = `cli:${this.path}`;
    const repository = await openServerRepository({ ...options, purpose, clientVersion: VERSION });
    this.#hasUsedServer = true;
    return repository;
  }

  async #openOptions(): Promise<OpenOptions> {
    await loadConfig(this.configFile, this.env); // before a password is asked for in vain
    return {
      configFile: this.configFile,
      password: await this.password(),
      earlyKey: this.#earlyKey,
      env: this.env,
      clock: this.clock,
      random: this.random,
      signal: this.signal,
      upgradeOwnerId: this.globals.upgradeOwnerId,
      log: (level, message) => this.log[level](message),
    };
  }
}
