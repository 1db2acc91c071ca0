/** Servers and clients of either program, each in a folder of its own, started and measured from outside. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type Measurement,
  readProcess,
  runProgram,
  type SnapshotMeasurement,
  snapshotOf,
} from "../run-program.ts";
import type { Setup } from "../whole-commands.ts";

export interface Program {
  readonly name: "sejf" | "kopia";
  readonly exe: string;
}

export const WORK: string = process.env["SEJF_BENCH_WORK"] ?? tmpdir();

/** CPU time and peak memory of a server since it was started. */
export interface ServerUse {
  readonly cpuMs: number;
  readonly peakBytes: number;
}

export class BenchServer implements AsyncDisposable {
  readonly program: Program;
  readonly folder: string;
  readonly port: number;
  fingerprint = "";
  #process: ChildProcess | undefined;

  private constructor(program: Program, folder: string, port: number) {
    this.program = program;
    this.folder = folder;
    this.port = port;
  }

  /** An empty repository and its server. */
  static async start(
    program: Program,
    users: readonly string[],
    setup: Setup,
  ): Promise<BenchServer> {
    mkdirSync(WORK, { recursive: true });
    const folder = mkdtempSync(join(WORK, `sejf-bench-${program.name}-server-`));
    const server = new BenchServer(program, folder, await freePort());
    try {
      const path = join(folder, "repository");
      const { exe } = program;
      await runProgram(
        exe,
        ["repository", "create", "filesystem", `--path=${path}`, ...setup.create],
        server.#env(),
      );
      for (const user of users)
        await runProgram(
          exe,
          ["server", "users", "add", user, `--user-password=${PASSWORD}`],
          server.#env(),
        );
      await server.#listen();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Until now. */
  use(): ServerUse {
    const seen = this.#process?.pid === undefined ? undefined : readProcess(this.#process.pid);
    return seen ?? { cpuMs: 0, peakBytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#process;
    if (child !== undefined && child.exitCode === null) {
      const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
      child.kill("SIGTERM");
      await closed;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #listen(): Promise<void> {
    const child = spawn(
      this.program.exe,
      [
        "server",
        "start",
        `--address=127.0.0.1:${this.port}`,
        "--tls-generate-cert",
        "--tls-generate-rsa-key-size=2048",
        "--no-ui",
        "--server-username=ui",
        "--server-password=ui",
        "--server-control-password=control",
      ],
      { env: this.#env(), stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#process = child;
    const said: string[] = [];
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => reject(new Error(`the server ended:\n${said.join("\n")}`)));
      createInterface(child.stderr).on("line", (line) => {
        said.push(line);
        this.fingerprint =
          /^SERVER CERT SHA256: ([0-9a-f]{64})/.exec(line)?.[1] ?? this.fingerprint;
        if (line.startsWith("SERVER ADDRESS:")) resolve();
      });
    });
  }

  #env(): Readonly<Record<string, string | undefined>> {
    return environment(this.folder, "benchmark");
  }
}

const PASSWORD = "client-password";

/** One installation that is connected to a server, by way of `port`. */
export class BenchClient implements Disposable {
  readonly program: Program;
  readonly folder: string;

  private constructor(program: Program) {
    this.program = program;
    this.folder = mkdtempSync(join(WORK, `sejf-bench-${program.name}-client-`));
  }

  static async connect(
    program: Program,
    server: BenchServer,
    user: string,
    port: number = server.port,
  ): Promise<BenchClient> {
    const client = new BenchClient(program);
    const [username, hostname] = user.split("@");
    await client.run(
      "repository",
      "connect",
      "server",
      `--url=https://127.0.0.1:${port}`,
      `--server-cert-fingerprint=${server.fingerprint}`,
      `--override-username=${username}`,
      `--override-hostname=${hostname}`,
    );
    return client;
  }

  async run(...args: readonly string[]): Promise<Measurement> {
    return await runProgram(this.program.exe, args, environment(this.folder, PASSWORD));
  }

  async snapshot(path: string): Promise<SnapshotMeasurement> {
    const measured = await this.run(
      "snapshot",
      "create",
      path,
      "--json",
      "--no-progress",
      "--no-send-snapshot-report",
    );
    return snapshotOf(measured);
  }

  async restore(id: string): Promise<Measurement> {
    const target = mkdtempSync(join(WORK, "sejf-bench-restored-"));
    try {
      return await this.run("restore", id, join(target, "tree"), "--no-progress");
    } finally {
      rmSync(target, { recursive: true, force: true });
    }
  }

  /** So that a restore asks the server. */
  clearCache(): void {
    rmSync(join(this.folder, "cache"), { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function environment(
  folder: string,
  password: string,
): Readonly<Record<string, string | undefined>> {
  return {
    PATH: process.env["PATH"],
    HOME: folder,
    KOPIA_PASSWORD: password,
    KOPIA_CONFIG_PATH: join(folder, "repository.config"),
    KOPIA_CACHE_DIRECTORY: join(folder, "cache"),
    KOPIA_LOG_DIR: join(folder, "logs"),
    KOPIA_CHECK_FOR_UPDATES: "false",
    SEJF_THREADS: process.env["SEJF_THREADS"],
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
