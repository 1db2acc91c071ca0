/**
 * Begins to derive the repository's key, and to load a thread, while the command is still being loaded and its flags
 * are being read. What is guessed here from the bare arguments is checked when the key is used, so a wrong guess costs
 * only time.
 */
import { startSpareThread } from "../node/index.ts";
import { type EarlyKey, resolveConfigFile, startEarlyKey } from "../repository/index.ts";

/** Commands that open no repository, or not the connected one. */
const KEYLESS: readonly string[] = [
  "benchmark",
  "cache info",
  "cache set",
  "completion",
  "repository connect",
  "repository create",
  "repository disconnect",
  "repository repair",
  "repository set-client",
  "repository throttle",
];

/** Commands that give work to threads as soon as the repository is open. */
const BULK: readonly string[] = [
  "restore",
  "snapshot create",
  "snapshot restore",
  "snapshot verify",
];

export function startEarly(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): EarlyKey | undefined {
  if (KEYLESS.some((each) => path === each || path.startsWith(`${each} `))) return undefined;
  if (args.some((word) => word === "--help" || word === "--help-long")) return undefined;
  if (BULK.includes(path)) startSpareThread();
  const given =
    lastValue(args, "password", "p") ??
    nonEmpty(env["SEJF_PASSWORD"]) ??
    nonEmpty(env["KOPIA_PASSWORD"]);
  return startEarlyKey({
    configFile: resolveConfigFile(lastValue(args, "config-file"), env),
    password: nonEmpty(given?.trim()),
    persisted: !args.includes("--no-persist-credentials"),
    env,
  });
}

function lastValue(args: readonly string[], name: string, short?: string): string | undefined {
  let value: string | undefined;
  for (const [at, word] of args.entries()) {
    if (word === "--") break;
    if (word === `--${name}` || (short !== undefined && word === `-${short}`)) value = args[at + 1];
    else if (word.startsWith(`--${name}=`)) value = word.slice(name.length + 3);
    else if (short !== undefined && word.startsWith(`-${short}`)) value = word.slice(2);
  }
  return value;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
