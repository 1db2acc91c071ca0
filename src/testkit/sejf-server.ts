/** Our own program as a server: `sejf server start` in a process of its own, on a repository and an installation of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { certificateFingerprint } from "../rpc/index.ts";
import { copiesOf } from "./copies.ts";
import { type CommandClient, type CommandResult, openSejf } from "./kopia.ts";
import { SELF_SIGNED } from "./tls.ts";

export const CONTROL_PASSWORD = "control-password";
export const UI_PASSWORD = "interface-password";

export interface SejfServerOptions {
  /** Beside those for the address, the certificate and the two passwords. */
  readonly flags?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Default: any free port of 127.0.0.1. */
  readonly address?: string | undefined;
  /** Default: a certificate that is there already. */
  readonly tlsFlags?: readonly string[] | undefined;
}

export const GENERATED_TLS: readonly string[] = [
  "--tls-generate-cert",
  "--tls-generate-rsa-key-size=2048",
];

const SELF_SIGNED_FINGERPRINT = certificateFingerprint(new X509Certificate(SELF_SIGNED.cert));

async function selfSigned({ home }: CommandClient): Promise<readonly string[]> {
  const [cert, key] = [join(home.path, "self-signed.cert"), join(home.path, "self-signed.key")];
  await writeFile(cert, SELF_SIGNED.cert);
  await writeFile(key, SELF_SIGNED.key, { mode: 0o600 });
  return [`--tls-cert-file=${cert}`, `--tls-key-file=${key}`];
}

/** A running server. Disposing stops it. */
export class SejfServer implements AsyncDisposable {
  readonly sejf: CommandClient;
  /** What it said on standard error, line by line. */
  readonly lines: string[] = [];
  readonly stdout: string[] = [];
  readonly process: ChildProcess;
  /** Its exit status. */
  readonly ended: Promise<number | null>;
  readonly #waiting = new Set<() => void>();

  /** Takes over the process. */
  constructor(sejf: CommandClient, child: ChildProcess) {
    this.sejf = sejf;
    this.process = child;
    this.ended = new Promise((resolve) => child.once("close", resolve));
    child.stdout?.on("data", (part: Buffer) => this.stdout.push(part.toString()));
    if (child.stderr === null) throw new Error("the server's output is not read");
    createInterface(child.stderr).on("line", (line) => {
      this.lines.push(line);
      for (const wake of this.#waiting) wake();
    });
  }

  /** Resolves when it has told its address. @throws what it said, when it ends before. */
  static async start(sejf: CommandClient, options: SejfServerOptions = {}): Promise<SejfServer> {
    const args = [
      "server",
      "start",
      `--config-file=${sejf.configFile}`,
      `--address=${options.address ?? "127.0.0.1:0"}`,
      ...(options.tlsFlags ?? (await selfSigned(sejf))),
      `--server-password=${UI_PASSWORD}`,
      `--server-control-password=${CONTROL_PASSWORD}`,
      ...(options.flags ?? []),
    ];
    const child = spawn(sejf.exe, args, {
      env: { ...sejf.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const server = new SejfServer(sejf, child);
    await server.says("SERVER ADDRESS: ");
    return server;
  }

  /** A kopia in the place of ours, on the repository that `home` is connected to. @throws as `start`. */
  static async startKopia(
    home: CommandClient,
    kopia: CommandClient,
    flags: readonly string[] = [],
  ): Promise<SejfServer> {
    const args = [
      "server",
      "start",
      `--config-file=${home.configFile}`,
      "--address=127.0.0.1:0",
      ...GENERATED_TLS,
      `--server-control-password=${CONTROL_PASSWORD}`,
      ...flags,
    ];
    const child = spawn(kopia.exe, args, { env: kopia.env, stdio: ["ignore", "pipe", "pipe"] });
    const server = new SejfServer(home, child);
    await server.says("SERVER ADDRESS: ");
    return server;
  }

  /** What stands behind `KEY: ` in its lines. */
  told(key: string): string {
    const line = this.lines.find((each) => each.startsWith(`${key}: `));
    if (line === undefined) throw new Error(`no ${key} in:\n${this.lines.join("\n")}`);
    return line.slice(key.length + 2);
  }

  get url(): string {
    return this.told("SERVER ADDRESS");
  }

  get port(): number {
    return Number(/:(\d+)$/.exec(this.url)?.[1]);
  }

  /** Of the certificate that it made, else of the one that is there already. */
  get fingerprint(): string {
    const isTold = this.lines.some((line) => line.startsWith("SERVER CERT SHA256: "));
    return isTold ? this.told("SERVER CERT SHA256") : SELF_SIGNED_FINGERPRINT;
  }

  /** Flags with which a control command, ours or kopia's, finds it. */
  get controlFlags(): readonly string[] {
    return [
      `--address=${this.url}`,
      ...(this.url.includes("https:") ? [`--server-cert-fingerprint=${this.fingerprint}`] : []),
      `--server-control-password=${CONTROL_PASSWORD}`,
    ];
  }

  /** `sejf server …`. */
  async control(args: readonly string[]): Promise<CommandResult> {
    return await this.sejf.ok(["server", ...args, ...this.controlFlags]);
  }

  /** Connects a client, ours or kopia's, as this account. */
  async connect(client: CommandClient, name: string, password: string): Promise<void> {
    const [username = "", hostname = ""] = name.split("@");
    await client.ok([
      "repository",
      "connect",
      "server",
      `--url=${this.url}`,
      `--server-cert-fingerprint=${this.fingerprint}`,
      `--override-username=${username}`,
      `--override-hostname=${hostname}`,
      `--password=${password}`,
    ]);
  }

  /** Resolves when a line begins so. @throws when the server ends before. */
  async says(beginning: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const wake = (): void => {
        if (!this.lines.some((line) => line.startsWith(beginning))) return;
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      void this.ended.then(() => reject(new Error(`the server ended:\n${this.lines.join("\n")}`)));
      wake();
    });
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.process.kill(signal);
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode === null) await this.stop();
  }
}

const homes = new Map<string, () => Promise<CommandClient>>();

/** An installation with a new repository and these accounts: passwords by `user@host`. */
export async function openServerHome(
  accounts: Readonly<Record<string, string>> = {},
  create: readonly string[] = [],
): Promise<CommandClient> {
  const name = JSON.stringify([accounts, create]);
  const open =
    homes.get(name) ??
    copiesOf(
      async () => await makeServerHome(accounts, create),
      async (first) => await first.copy(),
    );
  homes.set(name, open);
  return await open();
}

async function makeServerHome(
  accounts: Readonly<Record<string, string>>,
  create: readonly string[],
): Promise<CommandClient> {
  const sejf = await openSejf();
  try {
    const path = join(sejf.home.path, "repo");
    await sejf.ok(["repository", "create", "filesystem", `--path=${path}`, ...create]);
    for (const [name, password] of Object.entries(accounts))
      await sejf.ok(["server", "user", "add", name, `--user-password=${password}`]);
    return sejf;
  } catch (error) {
    await sejf[Symbol.asyncDispose]();
    throw error;
  }
}
