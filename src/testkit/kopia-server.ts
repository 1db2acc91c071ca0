/** A real kopia server on this machine, on a repository and with a certificate of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type CommandClient, openKopia } from "./kopia.ts";

/** The `kopia` that owns the repository, and the running server. */
export class KopiaServer implements AsyncDisposable {
  readonly kopia: CommandClient;
  readonly #port: number;
  #fingerprint = "";
  #process: ChildProcess | undefined;

  constructor(kopia: CommandClient, port: number) {
    this.kopia = kopia;
    this.#port = port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** SHA-256 of its certificate. */
  get fingerprint(): string {
    return this.#fingerprint;
  }

  /** Makes the certificate at the first start; resolves when the server listens. */
  async start(): Promise<void> {
    const { kopia } = this;
    const cert = join(kopia.home.path, "server.pem");
    const key = join(kopia.home.path, "server.key");
    const generate = ["--tls-generate-cert", "--tls-generate-rsa-key-size=2048"];
    const child = spawn(
      kopia.exe,
      [
        "server",
        "start",
        `--config-file=${kopia.configFile}`,
        `--address=127.0.0.1:${this.#port}`,
        ...(this.#fingerprint === "" ? generate : []),
        `--tls-cert-file=${cert}`,
        `--tls-key-file=${key}`,
        "--no-ui",
        "--server-username=ui",
        "--server-password=ui-pw",
        "--server-control-password=control-pw",
      ],
      { env: kopia.env, stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#process = child;
    const said: string[] = [];
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => reject(new Error(`kopia server ended:\n${said.join("\n")}`)));
      createInterface(child.stderr).on("line", (line) => {
        said.push(line);
        const [, fingerprint] = /^SERVER CERT SHA256: ([0-9a-f]{64})/.exec(line) ?? [];
        if (fingerprint !== undefined) this.#fingerprint = fingerprint;
        if (line.startsWith("SERVER ADDRESS:")) resolve();
      });
    });
  }

  /** Ends it as a user would; what sessions did not flush is lost. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return;
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    child.kill("SIGTERM");
    await closed;
    this.#process = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.kopia[Symbol.asyncDispose]();
  }
}

/** `users`: passwords by `user@host`. Only for tests that are skipped with `KOPIA_SKIP`. */
export async function startKopiaServer(
  users: Readonly<Record<string, string>>,
  createOptions: readonly string[] = [],
): Promise<KopiaServer> {
  const kopia = await openKopia();
  const server = new KopiaServer(kopia, await freePort());
  try {
    const path = join(kopia.home.path, "repo");
    await kopia.ok(["repository", "create", "filesystem", `--path=${path}`, ...createOptions]);
    for (const [name, password] of Object.entries(users))
      await kopia.ok(["server", "users", "add", name, `--user-password=${password}`]);
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** A port that was free a moment ago: a server that starts again must come back on the same. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
