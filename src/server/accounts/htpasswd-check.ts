/** Checks one password against one line of an htpasswd file, in a thread of its own: it takes a good part of a second. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { SejfError } from "../../errors/index.ts";

/** To the thread, as its `workerData`; it answers with a boolean and ends. */
export interface HtpasswdQuestion {
  readonly password: string;
  readonly hash: string;
}

/** @throws SEJF_WORKER. */
export async function htpasswdMatches(password: string, hash: string): Promise<boolean> {
  // The same line finds the thread's file in the sources, in dist and beside a bundle.
  const file = new URL(`./htpasswd-worker${extname(import.meta.url)}`, import.meta.url);
  const workerData: HtpasswdQuestion = { password, hash };
  const worker = new Worker(file, { name: "sejf-htpasswd", workerData });
  return await new Promise<boolean>((resolve, reject) => {
    worker.once("message", (matches: boolean) => resolve(matches));
    worker.once("error", (cause) =>
      reject(new SejfError("SEJF_WORKER", "the thread that checks passwords died", { cause })),
    );
    worker.once("exit", () =>
      reject(new SejfError("SEJF_WORKER", "the thread that checks passwords gave no answer")),
    );
  });
}
