/** Thread of `htpasswd-check`. Imports what it needs directly. */
import { parentPort, workerData } from "node:worker_threads";
import { compare, truncates } from "bcryptjs";
import { verify } from "unixcrypt";
import type { HtpasswdQuestion } from "./htpasswd-check.ts";

const SHA_256_BYTES = 32;
const SHA_512_BYTES = 64;

const { password, hash } = workerData as HtpasswdQuestion;
parentPort?.postMessage(await matches());

/** What cannot be checked right does not match: bcrypt would cut long passwords. */
async function matches(): Promise<boolean> {
  if (hash.startsWith("$2")) return !truncates(password) && (await compare(password, hash));
  // The library is wrong for passwords as long as one digest, or several: it would say no in any case.
  const digest = hash.startsWith("$5$") ? SHA_256_BYTES : SHA_512_BYTES;
  return new TextEncoder().encode(password).length % digest !== 0 && verify(password, hash);
}
