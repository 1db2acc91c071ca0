/**
 * A whole repository server of ours in this process, with sealed and managed accounts, and clients that use it as programs
 * do: the functions of enrollment, a device's file, a session. Each server has its own folder for logs.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../bytes/index.ts";
import {
  nodeCompressionEngine,
  nodeCryptoEngine as engine,
  nodeRandom as random,
} from "../node/index.ts";
import { type DirectRepository, openRepository } from "../repository/index.ts";
import { openRemoteRepository, type RemoteRepository } from "../rpc/index.ts";
import {
  issueEnrollmentCode,
  openAccounts,
  type RunningServer,
  startServer,
} from "../server/index.ts";
import type { AccountChange, StartServerOptions } from "../server/index.ts";
import {
  type Enrolled,
  enrollOnServer,
  type EnrollOptions,
  type EnrollTools,
  type HttpsServer,
  nodeArgon2id,
  openSealed,
  type OpenSealed,
  saveDevice,
} from "../sealing/index.ts";
import type { Argon2id } from "../sealed/index.ts";
import { createServedRepository, SERVER_PASSWORD } from "./account-server.ts";
import { quickArgon2id, useQuickOpaque } from "./quick-passwords.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./temp.ts";
import { SELF_SIGNED } from "./tls.ts";

export const SEALED_PASSWORD = "correct horse battery";
export const DELETE_PASSWORD = "staple, and delete";

export interface SealedServerOptions {
  readonly clock?: Clock | undefined;
  readonly contentAccess?: StartServerOptions["contentAccess"] | undefined;
  readonly trashWindowMs?: number | undefined;
  /** Another server's: both serve its repository. */
  readonly beside?: SealedServer | undefined;
  /** Programs use its accounts too: passwords are as slow to guess as theirs. Of all servers of a test file, or none. */
  readonly forPrograms?: boolean | undefined;
}

export class SealedServer implements AsyncDisposable {
  readonly running: RunningServer;
  /** What it said on the console. */
  readonly lines: string[];
  readonly logDirectory: string;
  readonly #home: TemporaryDirectory;
  readonly #configFile: string;
  readonly #clock: Clock;
  readonly #isGuest: boolean;
  readonly #argon2id: Argon2id;

  private constructor(
    running: RunningServer,
    lines: string[],
    places: { readonly home: TemporaryDirectory; readonly logDirectory: string },
    configFile: string,
    options: SealedServerOptions,
  ) {
    this.running = running;
    this.lines = lines;
    this.logDirectory = places.logDirectory;
    this.#home = places.home;
    this.#configFile = configFile;
    this.#clock = options.clock ?? systemClock;
    this.#isGuest = options.beside !== undefined;
    this.#argon2id = options.forPrograms === true ? nodeArgon2id : quickArgon2id;
  }

  static async start(options: SealedServerOptions = {}): Promise<SealedServer> {
    const { beside } = options;
    if (options.forPrograms !== true) useQuickOpaque();
    const home = beside === undefined ? await temporaryDirectory("sealed-server") : beside.#home;
    const configFile =
      beside === undefined ? await createServedRepository(home.path) : beside.#configFile;
    const logDirectory = join(home.path, beside === undefined ? "logs" : "logs-of-guest");
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const certFile = join(home.path, "cert.pem");
    const keyFile = join(home.path, "key.pem");
    await writeFile(certFile, SELF_SIGNED.cert);
    await writeFile(keyFile, SELF_SIGNED.key);
    const clock = options.clock ?? systemClock;
    const running = await startServer({
      openRepository: async (signal) =>
        await openRepository({ configFile, password: SERVER_PASSWORD, threads: 0, clock, signal }),
      asyncRepoConnect: false,
      configFile,
      env: {},
      pid: process.pid,
      listen: {
        address: "127.0.0.1:0",
        tls: { certFile, keyFile },
        printCertificate: false,
        insecure: false,
        withoutPassword: false,
        allowNetworkWithoutPassword: false,
        hostNames: [],
      },
      logins: {
        ui: { name: "ui", password: "ui-pw" },
        control: { name: "control", password: "control-pw" },
        randomUiPassword: false,
        randomControlPassword: false,
      },
      grpc: true,
      controlApi: true,
      jobs: {
        refreshIntervalMs: 3_600_000,
        minMaintenanceIntervalMs: 3_600_000,
        logScheduler: false,
        trashWindowMs: options.trashWindowMs,
        sources: [],
      },
      contentAccess: options.contentAccess ?? "holding",
      maxConcurrency: 0,
      graceMs: 2000,
      logRequests: true,
      logDirectory,
      persistentLogs: true,
      console: (_level, message) => say(message),
      tell: say,
      tellNotifications: false,
      commandPrefix: "sejf",
      clock,
      random,
    });
    return new SealedServer(running, lines, { home, logDirectory }, configFile, options);
  }

  /** The server as a client is told of it. */
  get https(): HttpsServer {
    return { url: this.running.url, fingerprint: this.running.fingerprint };
  }

  get tools(): EnrollTools {
    return { engine, argon2id: this.#argon2id, random, clock: this.#clock };
  }

  get home(): string {
    return this.#home.path;
  }

  /** What the operator does with the repository itself; flushed afterwards. */
  async operator<T>(work: (repository: DirectRepository) => Promise<T>): Promise<T> {
    await using repository = await openRepository({
      configFile: this.#configFile,
      password: SERVER_PASSWORD,
      clock: this.#clock,
      threads: 0,
    });
    const result = await work(repository);
    await repository.flush();
    return result;
  }

  /** `server user add`, or `set`. */
  async setAccount(name: string, change: AccountChange): Promise<void> {
    await this.operator(async ({ manifests }) => {
      await openAccounts({ manifests, clock: this.#clock, random }).set(name, change);
    });
    await this.running.refresh();
  }

  /** `server user add NAME --encryption client`: the code. */
  async addSealed(name: string, change: AccountChange = {}, validMs = 3_600_000): Promise<string> {
    await this.setAccount(name, { ...change, encryption: "client" });
    const { code } = await this.operator(async ({ manifests }) => {
      const options = { manifests, engine, clock: this.#clock, random, validMs };
      return await issueEnrollmentCode(options, name);
    });
    await this.running.refresh();
    return code;
  }

  /** Makes the account as a client does. */
  async enroll(name: string, code: string, more: Partial<EnrollOptions> = {}): Promise<Enrolled> {
    return await enrollOnServer(this.tools, this.https, code, {
      account: name,
      name: "first device",
      password: SEALED_PASSWORD,
      escrow: [],
      rememberKey: false,
      ...more,
    });
  }

  /** Both in one. */
  async newSealed(
    name: string,
    change: AccountChange = {},
    more: Partial<EnrollOptions> = {},
  ): Promise<Enrolled> {
    return await this.enroll(name, await this.addSealed(name, change), more);
  }

  /** The repository below, with a token or a password. */
  async below(name: string, password: string): Promise<RemoteRepository> {
    const [username = "", hostname = ""] = name.split("@");
    return await openRemoteRepository({
      ...this.https,
      identity: { username, hostname },
      password,
      engine,
      compression: nodeCompressionEngine,
      clock: this.#clock,
      threads: 0,
    });
  }

  /** The sealed repository of a device, whose file is kept below the server's folder. */
  async openDevice(
    enrolled: Pick<Enrolled, "device">,
    mode: "write" | "full" = "write",
    password: string = SEALED_PASSWORD,
    deletePassword?: string,
  ): Promise<OpenSealed> {
    const { device } = enrolled;
    const { account, device: own } = device.secrets;
    const configFile = join(this.#home.path, `${account}-${own.id}.config`);
    await saveDevice(configFile, device);
    return await openSealed({
      configFile,
      device,
      mode,
      server: this.https,
      openBelow: async (token) => {
        const repository = await this.below(account, token ?? "none");
        return { repository, contentSecret: repository.contentSecret };
      },
      askPassword: async () => await Promise.resolve(password),
      ...(deletePassword === undefined
        ? {}
        : { askDeletePassword: async () => await Promise.resolve(deletePassword) }),
      tools: this.tools,
    });
  }

  /** Everything that the server wrote down: its log, its audit log, its console. */
  async written(): Promise<string> {
    const parts = [...this.lines];
    await mkdir(this.logDirectory, { recursive: true });
    for (const name of await readdir(this.logDirectory, { recursive: true }))
      if (name.endsWith(".log")) parts.push(await readFile(join(this.logDirectory, name), "utf8"));
    return parts.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.stop();
    if (!this.#isGuest) await this.#home[Symbol.asyncDispose]();
  }
}
