/**
 * The second half of `npm start -- --demo`: a sealed account on the same server stores the same folder, and then the
 * operator, who has the repository's password, looks for the folder in what he can restore of both accounts.
 * The account's user has a folder of his own below the data folder, as another computer would be: nothing of the server's
 * commands reads there.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compareTrees } from "./compare-trees.ts";
import {
  accountName,
  hasAccount,
  operatorEnvironment,
  passwordIn,
  type Places,
  sejf,
  type StartedServer,
} from "./embedded-server.ts";
import { type FoundTraces, searchTraces, type Traces, tracesOf } from "./search-traces.ts";

/** Names that every sealed snapshot has. */
const NAMES_OF_FORMAT: ReadonlySet<string> = new Set(["contents", "head.json", "snapshot.age"]);

interface SealedUser {
  /** `user@host`. */
  readonly account: string;
  readonly folder: string;
  readonly config: string;
  readonly kit: string;
  readonly env: NodeJS.ProcessEnv;
}

interface ListedSnapshot {
  readonly id: string;
  readonly source: { readonly userName: string; readonly path: string };
  readonly startTime: string;
  readonly rootEntry: { readonly summ: { readonly size: number; readonly files: number } };
}

/** Gives how much is not as it should be: entries that differ, and traces that the operator found. */
export async function demonstrateSealed(
  at: Places,
  server: StartedServer,
  folder: string,
): Promise<number> {
  process.stdout.write(
    "\nThe same folder through a sealed account, whose data the server cannot read:\n",
  );
  const user = userIn(at);
  await connect(at, server, user);
  // Storing needs no password; what reads asks for it.
  const writes = { ...user.env, SEJF_PASSWORD: "" };
  const backup = await sejf(writes, ["snapshot", "create", folder, "--json"], { capture: true });
  const { id } = JSON.parse(backup.stdout) as ListedSnapshot;
  await sejf(user.env, ["snapshot", "list", folder]);
  const restored = join(user.folder, "restored");
  rmSync(restored, { recursive: true, force: true });
  await sejf(user.env, ["restore", id, restored]);
  const { compared, differences } = compareTrees(folder, restored);
  for (const difference of differences) process.stdout.write(`DIFFERENT ${difference}\n`);
  const equal = differences.length === 0 ? "all equal" : `${differences.length} DIFFERENT`;
  process.stdout.write(`\nsealed        ${compared} entries restored and compared: ${equal}\n`);
  return differences.length + (await playOperator(at, user, { folder, id }));
}

function userIn(at: Places): SealedUser {
  const folder = join(at.data, "sealed-user");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const config = join(folder, "account.config");
  return {
    account: `sealed@${accountName().hostname}`,
    folder,
    config,
    kit: join(folder, "recovery-kit.txt"),
    env: {
      ...process.env,
      SEJF_CONFIG_PATH: config,
      SEJF_CACHE_DIRECTORY: join(folder, "cache"),
      SEJF_LOG_DIR: join(folder, "logs"),
      SEJF_PASSWORD: passwordIn(join(folder, "password")),
    },
  };
}

/** The first time by an enrollment code from the operator; later as a device that knows the account key. */
async function connect(at: Places, server: StartedServer, user: SealedUser): Promise<void> {
  const { env, account, kit } = user;
  if (existsSync(user.config)) await sejf(env, ["repository", "disconnect"], { quiet: true });
  const place = [`--url=${server.url}`, `--server-cert-fingerprint=${server.fingerprint}`];
  const words = ["repository", "connect", "server", ...place, `--account=${account}`];
  if (existsSync(kit)) {
    const key = /^(?:[a-z2-7]{4}-){7}[a-z2-7]{4}$/m.exec(readFileSync(kit, "utf8"))?.[0];
    await sejf({ ...env, SEJF_ACCOUNT_KEY: key }, words);
  } else {
    const code = await enrollmentCode(at, server, account);
    const enroll = [...words, `--recovery-kit=${kit}`];
    await sejf({ ...env, SEJF_ENROLLMENT_CODE: code }, enroll);
  }
  await sejf(env, ["repository", "status"]);
}

async function enrollmentCode(at: Places, server: StartedServer, account: string): Promise<string> {
  const env = operatorEnvironment(at);
  const verb = (await hasAccount(env, account)) ? "set" : "add";
  const words = ["server", "user", verb, account, "--encryption=client", "--json"];
  const { stdout } = await sejf(env, words, { capture: true });
  const control = { ...env, SEJF_SERVER_PASSWORD: passwordIn(at.controlPassword) };
  const place = [`--address=${server.url}`, `--server-cert-fingerprint=${server.fingerprint}`];
  await sejf(control, ["server", "refresh", ...place]);
  return (JSON.parse(stdout) as { readonly enrollmentCode: string }).enrollmentCode;
}

/** With the repository's password and all commands. Gives how much he found of what he must not know. */
async function playOperator(
  at: Places,
  user: SealedUser,
  { folder, id }: { readonly folder: string; readonly id: string },
): Promise<number> {
  const env = operatorEnvironment(at);
  process.stdout.write(
    "\nThe operator, with the repository's password, restores what he has of both:\n",
  );
  const listed = await sejf(env, ["snapshot", "list", "--all", "--json"], { capture: true });
  const snapshots = JSON.parse(listed.stdout) as readonly ListedSnapshot[];
  const traces = tracesOf(folder, NAMES_OF_FORMAT);
  const look = async (name: string, snapshot: ListedSnapshot): Promise<FoundTraces> => {
    const target = join(at.data, "operator", name);
    rmSync(target, { recursive: true, force: true });
    await sejf(env, ["restore", snapshot.id, target]);
    const found = searchTraces(traces, target, textsIn(snapshot));
    rmSync(target, { recursive: true, force: true });
    return found;
  };
  const managed = snapshots.findLast(
    ({ source }) => source.userName === accountName().username && source.path === folder,
  );
  const sealed = snapshots.find((snapshot) => snapshot.id === id);
  if (managed === undefined || sealed === undefined)
    throw new Error("the operator's list of snapshots lacks one of the two");
  const ofManaged = await look("managed", managed);
  const ofSealed = await look("sealed", sealed);
  const { size, files } = sealed.rootEntry.summ;
  const lines = [
    "",
    `of managed    ${said(ofManaged, traces)}`,
    `of sealed     ${said(ofSealed, traces)}`,
    `he sees       ${sealed.source.path}, ${sealed.startTime}: ${files} pieces of ciphertext, ${size} bytes`,
    `its user      ${user.folder}: password, connection and recovery kit`,
    "",
  ];
  process.stdout.write(lines.join("\n"));
  // Who finds nothing of the managed one either has not looked.
  const didLook = ofManaged.pieces > 0 || traces.pieces.length === 0;
  return ofSealed.names + ofSealed.pieces + (didLook ? 0 : 1);
}

function said(found: FoundTraces, { names, pieces }: Traces): string {
  return `${found.names} of ${names.length} names, ${found.pieces} of ${pieces.length} pieces of the files found`;
}

/** Each text of the manifest, but for the account's name. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([field, one]) =>
    field === "userName" || field === "host" ? [] : textsIn(one),
  );
}
