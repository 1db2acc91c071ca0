/** The user's text editor on a temporary file, again and again until what was written can be read. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorFromUnknown, isSejfError, SejfError } from "../../errors/index.ts";
import type { CommandContext } from "../context.ts";
import { askLine } from "./ask-line.ts";

/**
 * Opens `$VISUAL`, `$EDITOR` or the system's editor on `initial`. `parse` gets the text without lines that begin with
 * `#`; when it throws SEJF_INVALID_ARGUMENT the user may correct the text.
 * @throws SEJF_CANCELLED when the user gives up; SEJF_IO when the editor fails.
 */
export async function editText<T>(
  context: CommandContext,
  fileName: string,
  initial: string,
  parse: (text: string) => T,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "sejf-edit-"));
  const file = join(directory, fileName);
  try {
    await writeFile(file, initial, { mode: 0o600 });
    for (;;) {
      await runEditor(context, file);
      try {
        return parse(withoutComments(await readFile(file, "utf8")));
      } catch (error) {
        if (!isSejfError(error, "SEJF_INVALID_ARGUMENT")) throw error;
        context.log.error(error.message);
      }
      const answer = await askLine(context, "Reopen editor to fix? (Y/n) ");
      // Without anybody to answer the same text would come again and again.
      if (answer === undefined || /^n/i.test(answer))
        throw new SejfError("SEJF_CANCELLED", "aborted");
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function withoutComments(text: string): string {
  return text
    .split("\n")
    .filter((line) => !line.trimStart().startsWith("#"))
    .join("\n");
}

async function runEditor({ env }: CommandContext, file: string): Promise<void> {
  const [editor = "", ...args] = editorCommand(env);
  const child = spawn(editor, [...args, file], { stdio: "inherit", env });
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) =>
      resolve(code === 0 ? undefined : `it ended with ${signal ?? `exit status ${code}`}`),
    );
  });
  if (failure !== undefined)
    throw errorFromUnknown(new Error(failure), `running the editor ${editor}`);
}

/** The first word may be quoted, the others are cut at blanks. */
function editorCommand(env: CommandContext["env"]): readonly string[] {
  const given = env["VISUAL"] || env["EDITOR"] || "";
  if (given.trim() === "") return [process.platform === "win32" ? "notepad.exe" : "vi"];
  const [, quoted, plain = "", rest = ""] = /^(?:"([^"]*)"|(\S+))(.*)$/s.exec(given.trim()) ?? [];
  return [quoted ?? plain, ...rest.split(" ").filter((word) => word !== "")];
}
