/**
 * The embedded repository and its server, for `npm start`: everything lies in one data folder and is found again there.
 * Commands are the ones a user would type; each is printed before it runs. Passwords are made once, kept in files that
 * only the user can read, and never stand on a command line.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemRandom } from "../src/bytes/index.ts";
import { nodeCryptoEngine } from "../src/node/index.ts";
import { defaultIdentity } from "../src/repository/index.ts";
import { certificateFingerprint } from "../src/rpc/index.ts";
import { formatPasswordHash, hashPassword } from "../src/server/index.ts";

export const ROOT: string = join(import.meta.dirname, "..");
const SEJF = join(ROOT, "bin", "sejf");
const RSA_KEY_BITS = 3072;
const REPOSITORY_USER = "server";
const SHUTDOWN_GRACE = "10s";
const FINISHED_WITH_FILE_ERRORS = 3;

export interface Places {
  readonly data: string;
  readonly repository: string;
  readonly config: string;
  /** Password of the repository: who has it and the folder reads everything. */
  readonly repositoryPassword: string;
  readonly accountPassword: string;
  readonly controlPassword: string;
  readonly certificate: string;
  readonly key: string;
  readonly logs: string;
  /** The account's own connection, and what it restores. */
  readonly clientConfig: string;
  readonly restored: string;
}

export function placesIn(data: string): Places {
  return {
    data,
    repository: join(data, "repository"),
    config: join(data, "repository.config"),
    repositoryPassword: join(data, "password"),
    accountPassword: join(data, "account-password"),
    controlPassword: join(data, "control-password"),
    certificate: join(data, "server.cert"),
    key: join(data, "server.key"),
    logs: join(data, "logs"),
    clientConfig: join(data, "account.config"),
    restored: join(data, "restored"),
  };
}

export interface CommandResult {
  readonly stdout: string;
  readonly ms: number;
}

/** As a shell would have to read it. */
export function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** The first account: this user on this machine, in letters that account names may have. */
export function accountName(): { readonly username: string; readonly hostname: string } {
  const { username, hostname: host } = defaultIdentity();
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9._-]/g, "-");
  return { username: plain(username), hostname: plain(host) };
}

/** A password made once: 128 random bits, in a file that only the user can read. */
export function passwordIn(file: string): string {
  if (!existsSync(file))
    writeFileSync(file, `${randomBytes(16).toString("base64url")}\n`, { mode: 0o600 });
  return readFileSync(file, "utf8").trim();
}

/** Environment of commands on the repository itself. */
export function operatorEnvironment(at: Places): NodeJS.ProcessEnv {
  return {
    ...process.env,
    SEJF_CONFIG_PATH: at.config,
    SEJF_CACHE_DIRECTORY: join(at.data, "cache"),
    SEJF_LOG_DIR: at.logs,
    SEJF_PASSWORD: passwordIn(at.repositoryPassword),
    SEJF_SERVER_CONTROL_PASSWORD: passwordIn(at.controlPassword),
  };
}

/** Environment of the account's commands: its own connection, its own password, nothing of the repository's. */
export function accountEnvironment(at: Places): NodeJS.ProcessEnv {
  return {
    ...process.env,
    SEJF_CONFIG_PATH: at.clientConfig,
    SEJF_CACHE_DIRECTORY: join(at.data, "account-cache"),
    SEJF_LOG_DIR: at.logs,
    SEJF_PASSWORD: passwordIn(at.accountPassword),
  };
}

/** Runs sejf; its output goes to the terminal, or is returned. @throws when the command fails. */
export async function sejf(
  env: NodeJS.ProcessEnv,
  args: readonly string[],
  options: { readonly capture?: boolean; readonly quiet?: boolean } = {},
): Promise<CommandResult> {
  if (options.quiet !== true) process.stdout.write(`\n$ bin/sejf ${args.map(quoted).join(" ")}\n`);
  const begun = performance.now();
  const child = spawn(SEJF, args, {
    env,
    stdio: ["ignore", options.capture === true ? "pipe" : "inherit", "inherit"],
  });
  const parts: Buffer[] = [];
  child.stdout?.on("data", (part: Buffer) => parts.push(part));
  const status = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  if (status !== 0 && status !== FINISHED_WITH_FILE_ERRORS)
    throw new Error(`bin/sejf ${args.slice(0, 2).join(" ")} failed`);
  return { stdout: Buffer.concat(parts).toString("utf8"), ms: performance.now() - begun };
}

/** Makes what is not there yet: the repository, its connection, the first account. */
export async function prepare(at: Places): Promise<void> {
  mkdirSync(at.data, { recursive: true, mode: 0o700 });
  const env = operatorEnvironment(at);
  const identity = [`--override-username=${REPOSITORY_USER}`];
  if (!existsSync(join(at.repository, "kopia.repository.f"))) {
    mkdirSync(at.repository, { recursive: true, mode: 0o700 });
    await sejf(env, ["repository", "create", "filesystem", "--path", at.repository, ...identity]);
  } else if (!existsSync(at.config)) {
    await sejf(env, ["repository", "connect", "filesystem", "--path", at.repository, ...identity]);
  }
  const { username, hostname: host } = accountName();
  const name = `${username}@${host}`;
  const isThere = await hasAccount(env, name);
  if (isThere && existsSync(at.accountPassword)) return;
  const hash = await hashPassword(passwordIn(at.accountPassword), nodeCryptoEngine, systemRandom);
  const verb = isThere ? "set" : "add";
  await sejf(env, ["server", "user", verb, name, "--user-password-hash", formatPasswordHash(hash)]);
}

/** Whether the repository knows the account. */
export async function hasAccount(env: NodeJS.ProcessEnv, name: string): Promise<boolean> {
  const { stdout } = await sejf(env, ["server", "user", "list", "--json"], {
    capture: true,
    quiet: true,
  });
  const accounts = JSON.parse(stdout === "" ? "[]" : stdout) as readonly { username: string }[];
  return accounts.some((account) => account.username === name);
}

/** A running server of its own process. */
export interface StartedServer {
  readonly url: string;
  readonly fingerprint: string;
  /** What it says about who can read and who can delete. */
  readonly trust: readonly string[];
  /** Resolves with its exit status. */
  readonly ended: Promise<number>;
  /** Asks it to stop, as a closed terminal does. */
  stop(): void;
}

/** Resolves when it listens, and `undefined` when it could not: then it has said why. */
export async function startServer(at: Places, address: string): Promise<StartedServer | undefined> {
  const certificate = existsSync(at.certificate) ? [] : newCertificate();
  const args = [
    "server",
    "start",
    `--address=${address}`,
    `--tls-cert-file=${at.certificate}`,
    `--tls-key-file=${at.key}`,
    ...certificate,
    "--no-ui",
    `--shutdown-grace-period=${SHUTDOWN_GRACE}`,
    "--shutdown-on-stdin",
  ];
  process.stdout.write(`\n$ bin/sejf ${args.map(quoted).join(" ")}\n`);
  const child = spawn(SEJF, args, {
    env: operatorEnvironment(at),
    stdio: ["pipe", "inherit", "pipe"],
    // Ctrl-C reaches this script, which then asks the server: it is told once.
    detached: process.platform !== "win32",
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status) => resolve(status ?? 1));
  });
  const said = await readStart(child, ended);
  if (said === undefined) return undefined;
  const fingerprint = certificateFingerprint(new X509Certificate(readFileSync(at.certificate)));
  return { ...said, fingerprint, ended, stop: () => child.stdin?.end() };
}

function newCertificate(): readonly string[] {
  const names = ["127.0.0.1", "::1", "localhost", hostname()].filter((name) =>
    /^[\w.:-]+$/.test(name),
  );
  return [
    "--tls-generate-cert",
    `--tls-generate-rsa-key-size=${RSA_KEY_BITS}`,
    ...names.map((name) => `--tls-generate-cert-name=${name}`),
  ];
}

/** Passes the server's lines on, and reads out of them what the user has to know. */
async function readStart(
  child: ChildProcess,
  ended: Promise<number>,
): Promise<Pick<StartedServer, "url" | "trust"> | undefined> {
  if (child.stderr === null) throw new Error("the server's output cannot be read");
  let url = "";
  const trust: string[] = [];
  const started = new Promise<boolean>((resolve) => {
    createInterface(child.stderr as NonNullable<typeof child.stderr>).on("line", (line) => {
      url = /^SERVER ADDRESS: (.+)$/.exec(line)?.[1] ?? url;
      if (trust.length < 2 && /^Who can (?:read|delete):/.test(line)) trust.push(line);
      else process.stderr.write(`${line}\n`);
      if (url !== "" && trust.length === 2) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  return (await started) ? { url, trust } : undefined;
}
