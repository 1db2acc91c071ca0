/**
 * The second half of `npm start -- --demo`: a sealed account on the same server stores the same folder, a second one of its
 * group stores it too, and then the operator, who has the repository's password, looks for the folder in what he can
 * restore. The users have folders of their own below the data folder, as other computers would be: nothing of the server's
 * commands reads there.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
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

/** What all that is sealed here is shared in. Small files too: what is shown is a small folder, more often than not. */
const GROUP = "demo";
const MIN_SIZE = "--min-size=1KiB";

/** Gives how much is not as it should be: entries that differ, and traces that the operator found. */
export async function demonstrateSealed(
  at: Places,
  server: StartedServer,
  folder: string,
): Promise<number> {
  process.stdout.write(
    "\nThe same folder through a sealed account, whose data the server cannot read:\n",
  );
  const user = userIn(at, "sealed", "sealed-user");
  await connect(at, server, user);
  await sejf(user.env, ["repository", "status"]);
  if ((await groupsOf(user)).length === 0)
    await sejf(user.env, ["group", "create", GROUP, MIN_SIZE]);
  const first = await backUp(at, user, folder);
  await sejf(user.env, ["snapshot", "list", folder]);
  const wrong = await restoreAndCompare(user, first, folder);
  const second = await storeAsMember(at, server, user, folder);
  const lines = [
    "",
    `first member  the repository grew by ${first.grownBytes} bytes for ${first.sizeBytes} bytes of ${first.files} files`,
    `second member ${second.stored.grownBytes} bytes more for the same folder: equal files are stored once; names and small files are each one's own`,
    "",
  ];
  process.stdout.write(lines.join("\n"));
  return wrong + second.wrong + (await playOperator(at, user, { folder, id: first.id }));
}

interface Stored {
  readonly id: string;
  readonly sizeBytes: number;
  readonly files: number;
  /** Of the repository. */
  readonly grownBytes: number;
}

/** Storing needs no password; what reads asks for it. */
async function backUp(at: Places, { env }: SealedUser, folder: string): Promise<Stored> {
  const before = bytesBelow(at.repository);
  const words = ["snapshot", "create", folder, "--json"];
  const { stdout } = await sejf({ ...env, SEJF_PASSWORD: "" }, words, { capture: true });
  const { id, rootEntry } = JSON.parse(stdout) as ListedSnapshot;
  const { size, files } = rootEntry.summ;
  return { id, sizeBytes: size, files, grownBytes: bytesBelow(at.repository) - before };
}

/** Gives how many entries differ. */
async function restoreAndCompare(
  { env, folder: home, account }: SealedUser,
  { id }: Stored,
  folder: string,
): Promise<number> {
  const restored = join(home, "restored");
  rmSync(restored, { recursive: true, force: true });
  await sejf(env, ["restore", id, restored]);
  const { compared, differences } = compareTrees(folder, restored);
  for (const difference of differences) process.stdout.write(`DIFFERENT ${difference}\n`);
  const equal = differences.length === 0 ? "all equal" : `${differences.length} DIFFERENT`;
  process.stdout.write(
    `\nsealed        ${compared} entries restored and compared: ${equal} (${account})\n`,
  );
  return differences.length;
}

/** A second account of the group, with keys of its own. */
async function storeAsMember(
  at: Places,
  server: StartedServer,
  first: SealedUser,
  folder: string,
): Promise<{ readonly stored: Stored; readonly wrong: number }> {
  process.stdout.write(
    "\nA second sealed account, a member of the first one's group, stores it too:\n",
  );
  const member = userIn(at, "member", "sealed-member");
  await connect(at, server, member);
  if ((await groupsOf(member)).length === 0) {
    // From person to person, never by way of the server: so it is not shown either.
    const invite = ["group", "invite", GROUP, `--for=${member.account}`, "--json"];
    const { stdout } = await sejf(first.env, invite, { capture: true });
    const { code } = JSON.parse(stdout) as { readonly code: string };
    process.stdout.write(`\n$ bin/sejf group join CODE --name=${GROUP}\n`);
    await sejf(member.env, ["group", "join", code, `--name=${GROUP}`], { quiet: true });
    await sejf(first.env, ["group", "members", GROUP]);
    await sejf(member.env, ["group", "list"]);
  }
  const stored = await backUp(at, member, folder);
  return { stored, wrong: await restoreAndCompare(member, stored, folder) };
}

async function groupsOf({ env }: SealedUser): Promise<readonly unknown[]> {
  const { stdout } = await sejf(env, ["group", "list", "--json"], { capture: true, quiet: true });
  return JSON.parse(stdout) as readonly unknown[];
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function userIn(at: Places, name: string, folderName: string): SealedUser {
  const folder = join(at.data, folderName);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const config = join(folder, "account.config");
  return {
    account: `${name}@${accountName().hostname}`,
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

/**
 * The first time by an enrollment code from the operator; then the device is there, and is told where the server is now.
 * Whose connection is lost comes back as a further device, with the account key from the kit.
 */
async function connect(at: Places, server: StartedServer, user: SealedUser): Promise<void> {
  const { env, account, config, kit } = user;
  const place = [`--url=${server.url}`, `--server-cert-fingerprint=${server.fingerprint}`];
  if (existsSync(config)) {
    await sejf(env, ["repository", "set-client", ...place]);
    return;
  }
  const words = ["repository", "connect", "server", ...place, `--account=${account}`];
  if (existsSync(kit)) {
    const key = /^(?:[a-z2-7]{4}-){7}[a-z2-7]{4}$/m.exec(readFileSync(kit, "utf8"))?.[0];
    await sejf({ ...env, SEJF_ACCOUNT_KEY: key }, words);
  } else {
    const code = await enrollmentCode(at, server, account);
    const enroll = [...words, `--recovery-kit=${kit}`];
    await sejf({ ...env, SEJF_ENROLLMENT_CODE: code }, enroll);
  }
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
