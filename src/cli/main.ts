/** The program. What can be answered without loading anything is answered first. */
import { enableCompileCache } from "node:module";
import { VERSION } from "./version.ts";

enableCompileCache();
const args = process.argv.slice(2);
if (args.length === 1 && args[0] === "--version") {
  process.stdout.write(`${VERSION}\n`);
} else {
  // who reads our output may leave early
  process.stdout.on("error", (error: NodeJS.ErrnoException) =>
    process.exit(error.code === "EPIPE" ? 0 : 1),
  );
  const { run } = await import("./run.ts");
  const status = await run(args);
  process.exitCode = status;
  // A stream into a pipe may still hold something; nothing else is waited for.
  process.stdout.write("", () => process.exit(status));
}
