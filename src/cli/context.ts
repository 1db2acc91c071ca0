/** What a running command has: its output, its log, the repository of the connection, and the signal to stop. */
import { access } from "node:fs/promises";
import type { CallOptions, Clock, Random } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import { boundHeapGrowth } from "../node/index.ts";
import {
  assertNotSealed,
  type Connection,
  type ConnectionConfig,
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
  sealedAccountOf,
  storageOf,
} from "../repository/index.ts";
import type { RemoteRepository } from "../rpc/client/index.ts";
import type { DeviceState, OpenSealed } from "../sealing/index.ts";
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
  #accountPassword: string | undefined;
  #engine: CryptoEngine | undefined;
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

  /** For what is made, connected to and opened by one command: a key is derived once. */
  async engine(): Promise<CryptoEngine> {
    const { derivingOnce, nodeCryptoEngine } = await import("../node/index.ts");
    return (this.#engine ??= derivingOnce(nodeCryptoEngine));
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

  /** The account's own password, which never leaves this computer: given, or asked for once. */
  async passwordOfAccount(account: string, place: DeviceState["place"]): Promise<string> {
    this.#accountPassword ??=
      this.givenAccountPassword(place) ??
      (await askPassword(`Enter the password of ${account}: `, noAccountPassword(place)));
    return this.#accountPassword;
  }

  /**
   * Where a sejf server keeps the account it is the only password there is; elsewhere that one opens the repository or
   * the server, and the account has its own.
   */
  givenAccountPassword(place: DeviceState["place"]): string | undefined {
    if (place === "server") return this.#given();
    const given = this.env["SEJF_ACCOUNT_PASSWORD"]?.trim();
    return given === "" ? undefined : given;
  }

  /**
   * The repository of the connection: direct, behind a server, or a sealed account's over either. The caller disposes
   * it. `write`: for what only adds; a sealed account's device needs no password for that, and sees what it stored last.
   */
  async openRepository(use: "write" | "full" = "full"): Promise<Repository> {
    const config = await loadConfig(this.configFile, this.env);
    if (sealedAccountOf(config) !== undefined) return (await this.openSealed(use)).repository;
    return await this.#openManaged(config);
  }

  /** As `openRepository`, for what a sealed account cannot do. @throws SEJF_UNSUPPORTED for one. */
  async openManagedRepository(): Promise<Repository> {
    const config = await loadConfig(this.configFile, this.env);
    assertNotSealed(config, this.configFile);
    return await this.#openManaged(config);
  }

  /** The caller disposes the repository in it. @throws SEJF_UNSUPPORTED for a connection that is not sealed. */
  async openSealed(use: "write" | "full" = "full"): Promise<OpenSealed> {
    const { config, device } = await this.sealedConnection();
    const { openSealedConnection } = await import("./shared/sealed-open.ts");
    return await opened(openSealedConnection(this, config, device, use));
  }

  /** @throws SEJF_UNSUPPORTED for a connection that is not sealed; SEJF_NOT_CONNECTED, SEJF_CORRUPT. */
  async sealedConnection(): Promise<{
    readonly config: ConnectionConfig;
    readonly device: DeviceState;
  }> {
    const config = await loadConfig(this.configFile, this.env);
    const account = sealedAccountOf(config);
    if (account === undefined)
      throw new SejfError(
        "SEJF_UNSUPPORTED",
        `${this.configFile} is not the connection of a sealed account`,
        { hint: "see docs/sealed-accounts.md" },
      );
    const { deviceOf } = await import("./shared/sealed-open.ts");
    return { config, device: await deviceOf(this, account) };
  }

  async #openManaged({ apiServer }: ConnectionConfig): Promise<Repository> {
    const options = await this.openOptions();
    if (apiServer === undefined) return await opened(openRepository(options));
    return await this.#openServer(options);
  }

  /** @throws SEJF_ALREADY_EXISTS: what it was enrolled with would be lost, or a sealed connection become another. */
  async assertNoDeviceFile(): Promise<void> {
    const path = `${this.configFile}.sejf-sealed`;
    try {
      await access(path);
    } catch {
      return;
    }
    throw new SejfError("SEJF_ALREADY_EXISTS", `${path} is the device of a sealed account`, {
      hint: "name another connection with --config-file, or `sejf repository disconnect` first: the account stays, and the device can be added again",
    });
  }

  /** For what only the holder of the storage can do. @throws SEJF_UNSUPPORTED for a connection to a server. */
  async openDirectRepository(
    options: Pick<OpenRepositoryOptions, "leaveOutBadIndexes"> = {},
  ): Promise<DirectRepository> {
    await this.#assertDirect();
    return await opened(openRepository({ ...(await this.openOptions()), ...options }));
  }

  /** For a server: its limits can be changed while it is open. `signal` stops the opening only. */
  async openServedRepository(
    options: Pick<OpenRepositoryOptions, "readOnly" | "signal">,
  ): Promise<DirectRepository> {
    await this.#assertDirect();
    return await openRepository({
      ...(await this.openOptions()),
      adjustableLimits: true,
      ...options,
    });
  }

  /** @throws SEJF_UNSUPPORTED for a direct connection. */
  async openServerRepository(options: CallOptions = {}): Promise<RemoteRepository> {
    assertNotSealed(await loadConfig(this.configFile, this.env), this.configFile);
    return await this.#openServer({ ...(await this.openOptions()), ...options });
  }

  /** Only storage and format: for commands that look at the repository as a whole. The caller disposes it. */
  async openConnection(): Promise<Connection> {
    await this.#assertDirect();
    return await opened(openConnection(await this.openOptions()));
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

  async #assertDirect(): Promise<void> {
    const config = await loadConfig(this.configFile, this.env);
    assertNotSealed(config, this.configFile);
    storageOf(config, this.configFile);
  }

  async #openServer(options: OpenOptions): Promise<RemoteRepository> {
    const { openServerRepository } = await import("../rpc/client/index.ts");
    const purpose = `cli:${this.path}`;
    const repository = await opened(
      openServerRepository({ ...options, purpose, clientVersion: VERSION }),
    );
    this.#hasUsedServer = true;
    return repository;
  }

  /** `token`: in place of the connection's password. */
  async openOptions(token?: string): Promise<OpenOptions> {
    await loadConfig(this.configFile, this.env); // before a password is asked for in vain
    return {
      configFile: this.configFile,
      password: token ?? (await this.password()),
      earlyKey: this.#earlyKey,
      env: this.env,
      clock: this.clock,
      signal: this.signal,
      upgradeOwnerId: this.globals.upgradeOwnerId,
      log: (level, message) => this.log[level](message),
    };
  }
}

/** What is loaded from now on is little. */
async function opened<T>(opening: Promise<T>): Promise<T> {
  const repository = await opening;
  boundHeapGrowth();
  return repository;
}

function noAccountPassword(place: DeviceState["place"]): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", "the account's password was not given", {
    hint:
      place === "server"
        ? "give it in SEJF_PASSWORD, or run the command on a terminal"
        : "give it in SEJF_ACCOUNT_PASSWORD, or run the command on a terminal",
  });
}
