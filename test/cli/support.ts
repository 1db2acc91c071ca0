/** Runs the command line, each with a home of its own: from the sources, or as the bundle that the whole run made before. */
import { fileURLToPath } from "node:url";
import {
  type CommandClient,
  type CommandOptions,
  type CommandResult,
  inheritedEnvironment,
  openSejf,
  runCommand,
} from "../../src/testkit/kopia.ts";

/** A bundle starts in half the time; `npm test` makes one first. */
const MAIN: string =
  process.env["SEJF_TEST_MAIN"] ?? fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** An installation of sejf whose program is `node` with `MAIN`. */
export class SourcesClient implements AsyncDisposable {
  readonly #client: CommandClient;
  readonly #env: Readonly<Record<string, string>>;
  readonly configFile: string;
  readonly home: string;

  constructor(client: CommandClient, env: Readonly<Record<string, string>>) {
    this.#client = client;
    this.#env = env;
    this.configFile = client.configFile;
    this.home = client.home.path;
  }

  /** For a shell script: how to call the program is in `NODE`, `MAIN` and `CONFIG`. */
  environment(): Readonly<Record<string, string>> {
    return { ...this.#env, NODE: process.execPath, MAIN, CONFIG: this.configFile };
  }

  async run(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const env = { ...this.#env, ...options.env };
    const all = [MAIN, ...args, `--config-file=${this.configFile}`];
    return await runCommand(process.execPath, all, { ...options, env });
  }

  async ok(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const result = await this.run(args, options);
    // The runtime warns of what a program does wrong, such as closing a file that is not its own.
    const isWarned = /^\(node:\d+\) /m.test(result.stderr);
    if (result.exitCode === 0 && !isWarned) return result;
    throw new Error(
      `sejf ${args.join(" ")}: exit status ${result.exitCode}\n${result.stderr}\n${result.stdout}`,
    );
  }

  async json<T>(args: readonly string[], options: CommandOptions = {}): Promise<T> {
    return JSON.parse((await this.ok(args, options)).stdout) as T;
  }

  /** As a `CommandClient`'s. */
  async copy(): Promise<SourcesClient> {
    const client = await this.#client.copy();
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.#env))
      env[name] = value.replaceAll(this.home, client.home.path);
    return new SourcesClient(client, env);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}

/** Password `fixture-password`, as the repositories made by kopia have, unless the environment says otherwise. */
export async function openSources(
  env: Readonly<Record<string, string>> = {},
): Promise<SourcesClient> {
  const client = await openSejf();
  const home = client.home.path;
  const base = {
    ...inheritedEnvironment(),
    TZ: "UTC",
    HOME: home,
    SEJF_CACHE_DIRECTORY: `${home}/cache/repository`,
    SEJF_LOG_DIR: `${home}/logs`,
    SEJF_PASSWORD: "fixture-password",
  };
  return new SourcesClient(client, { ...base, ...env });
}
