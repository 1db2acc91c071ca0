/** `diff --files`: another program compares the files, which are written to a temporary folder for it. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SejfError } from "../../errors/index.ts";
import { openObject } from "../../object/index.ts";
import type { Repository } from "../../repository/index.ts";
import type { DirEntry } from "../../snapshot/index.ts";
import type { CommandContext } from "../context.ts";

const ABSENT = "/dev/null";

export class ExternalDiff implements AsyncDisposable {
  readonly #context: CommandContext;
  readonly #repository: Repository;
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #folder: string;

  private constructor(
    context: CommandContext,
    repository: Repository,
    command: string,
    folder: string,
  ) {
    const [program = "", ...args] = command.split(" ").filter((word) => word !== "");
    this.#context = context;
    this.#repository = repository;
    this.#program = program;
    this.#args = args;
    this.#folder = folder;
  }

  /** `command` is split at spaces. The caller disposes it, which removes the folder. */
  static async open(
    context: CommandContext,
    repository: Repository,
    command: string,
  ): Promise<ExternalDiff> {
    const folder = await mkdtemp(join(tmpdir(), "sejf-diff-"));
    return new ExternalDiff(context, repository, command, folder);
  }

  /** Runs the program on `old/PATH` and `new/PATH`; its output goes to ours, its exit status says nothing. @throws SEJF_IO. */
  async compare(
    path: string,
    before: DirEntry | undefined,
    after: DirEntry | undefined,
  ): Promise<void> {
    const names = [await this.#write("old", path, before), await this.#write("new", path, after)];
    this.#context.out.flush();
    const child = spawn(this.#program, [...this.#args, ...names], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
      signal: this.#context.signal,
    });
    const ended = new Promise<void>((resolve, reject) => {
      child.once("error", (error) =>
        reject(
          new SejfError("SEJF_IO", `running ${this.#program}: ${error.message}`, { cause: error }),
        ),
      );
      child.once("close", () => resolve());
    });
    const [stdout] = await Promise.all([this.#copy(child.stdout), this.#copy(child.stderr), ended]);
    for (const name of names)
      if (name !== ABSENT) await rm(join(this.#folder, name), { force: true });
    return stdout;
  }

  async #copy(stream: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const bytes of stream) await this.#context.out.bytes(bytes);
  }

  async #write(side: string, path: string, entry: DirEntry | undefined): Promise<string> {
    if (entry?.type !== "f") return ABSENT;
    const name = join(side, path);
    const target = join(this.#folder, name);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const { signal } = this.#context;
    const object = await openObject(this.#repository.contents, entry.object, { signal });
    await using file = await open(target, "wx", 0o600);
    for await (const data of object.stream({ signal })) await file.writeFile(data);
    return name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
