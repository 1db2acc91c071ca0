/** The program. What can be answered without loading anything is answered first. */
import { enableCompileCache } from "node:module";
import { VERSION } from "./version.ts";

enableCompileCache();
let isLeaving = false;
process.stdout.on("error", leave);
const args = process.argv.slice(2);
if (args.length === 1 && args[0] === "--version") {
  process.stdout.write(`${VERSION}\n`);
} else {
  // messages that reach nobody are no reason to stop
  process.stderr.on("error", () => undefined);
  const { end, run } = await import("./run.ts");
  const status = await run(args);
  process.exitCode = status;
  // A stream into a pipe may still hold something; nothing else is waited for.
  process.stdout.write("", (error) => (error ? leave(error) : end(status)));
}

/** The output cannot be written: who reads it may have left early, which is no failure; anything else is one. */
function leave(error: NodeJS.ErrnoException): void {
  if (isLeaving) return;
  isLeaving = true;
  const isLeft = error.code === "EPIPE";
  if (!isLeft) process.stderr.write(`sejf: error: writing standard output: ${error.message}\n`);
  void import("./run.ts").then(({ end }) => end(isLeft ? 0 : 1));
}
