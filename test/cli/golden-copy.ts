/** A copy of a repository of the reference client, with sejf connected to it, and kopia where there is one. */
import { cp, glob, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { copiesOf } from "../../src/testkit/copies.ts";
import { goldenRepository } from "../../src/testkit/golden.ts";
import { type CommandResult, KOPIA_EXE, runCommand } from "../../src/testkit/kopia.ts";
import { openSources, type SourcesClient } from "./support.ts";

const connected = new Map<string, () => Promise<SourcesClient>>();

function connectedTo(name: string, flags: readonly string[]): () => Promise<SourcesClient> {
  return copiesOf(
    async () => {
      const { path, password } = goldenRepository(name);
      const sejf = await openSources({ SEJF_PASSWORD: password });
      const copy = join(sejf.home, "repo");
      await cp(path, copy, { recursive: true });
      await sejf.ok(["repository", "connect", "filesystem", "--path", copy, ...flags]);
      return sejf;
    },
    async (first) => await first.copy(),
  );
}

export class GoldenCopy implements AsyncDisposable {
  readonly sejf: SourcesClient;
  readonly path: string;
  readonly #password: string;

  private constructor(sejf: SourcesClient, path: string, password: string) {
    this.sejf = sejf;
    this.path = path;
    this.#password = password;
  }

  static async open(name: string, ...connectFlags: readonly string[]): Promise<GoldenCopy> {
    const { password } = goldenRepository(name);
    const key = JSON.stringify([name, ...connectFlags]);
    const open = connected.get(key) ?? connectedTo(name, connectFlags);
    connected.set(key, open);
    const sejf = await open();
    return new GoldenCopy(sejf, join(sejf.home, "repo"), password);
  }

  /** kopia at the very connection of sejf. Only for tests that are skipped without kopia. */
  async kopia(args: readonly string[]): Promise<CommandResult> {
    const env = {
      PATH: process.env["PATH"] ?? "",
      TZ: "UTC",
      HOME: this.sejf.home,
      KOPIA_CACHE_DIRECTORY: join(this.sejf.home, "cache", "kopia"),
      KOPIA_CHECK_FOR_UPDATES: "false",
      KOPIA_LOG_DIR: join(this.sejf.home, "kopia-logs"),
      KOPIA_PASSWORD: this.#password,
    };
    const all = [...args, `--config-file=${this.sejf.configFile}`];
    return await runCommand(KOPIA_EXE ?? "", all, { env });
  }

  /** Lines of standard output of a command that succeeds. */
  async lines(...args: readonly string[]): Promise<readonly string[]> {
    const { stdout } = await this.sejf.ok(args);
    return stdout.split("\n").filter((line) => line !== "");
  }

  /** `blob list` in the order of names: the store's own is none. */
  async blobs(): Promise<readonly string[]> {
    return (await this.lines("blob", "list")).toSorted((a, b) => (a < b ? -1 : 1));
  }

  /** Changes bytes of a blob in the storage behind everybody's back. */
  async damage(blobId: string, offset: number): Promise<void> {
    const path = await this.blobPath(blobId);
    const bytes = await readFile(path);
    bytes[offset] = (bytes[offset] ?? 0) ^ 0xff;
    await writeFile(path, bytes);
  }

  /** Where the file of a blob lies. */
  async blobPath(blobId: string): Promise<string> {
    for await (const found of glob("**/*.f", { cwd: this.path }))
      if (found.replaceAll(/[/\\]/g, "").replace(/\.f$/, "") === blobId)
        return join(this.path, found);
    throw new Error(`there is no file of blob ${blobId}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sejf[Symbol.asyncDispose]();
  }
}
