/** The sealed repository of a connection with a device file: everything that such a connection does goes through it. */
import {
  type OwnedBytes,
  type CallOptions,
  systemClock,
  systemRandom,
  utf8ToBytes,
} from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import {
  type ConnectionConfig,
  type OpenOptions,
  openRepository,
  type Repository,
  serverOf,
} from "../../repository/index.ts";
import {
  describeMissing,
  type DeviceState,
  deviceFileOf,
  type EnrollTools,
  type HttpsServer,
  loadDevice,
  type MissingHead,
  nodeArgon2id,
  type OpenedBelow,
  openSealed,
  type OpenSealed,
  type SealedRepository,
} from "../../sealing/index.ts";
import {
  effectivePolicy,
  listSnapshots,
  manifestDamage,
  retentionReasons,
} from "../../snapshot/index.ts";
import type { CommandContext } from "../context.ts";
import { askDeletePassword } from "../password-prompt.ts";
import { VERSION } from "../version.ts";
import { askLine } from "./ask-line.ts";

/** `write` asks for no password and sees this device's own last snapshots; `full` sees everything. */
export type SealedMode = "write" | "full";

export const ENROLL_TOOLS: EnrollTools = {
  engine: nodeCryptoEngine,
  argon2id: nodeArgon2id,
  random: systemRandom,
  clock: systemClock,
};

/** @throws SEJF_NOT_CONNECTED when what the connection was enrolled with is gone. */
export async function deviceOf(context: CommandContext, account: string): Promise<DeviceState> {
  const device = await loadDevice(context.configFile);
  if (device !== undefined && device.secrets.account === account) return device;
  throw new SejfError(
    "SEJF_NOT_CONNECTED",
    device === undefined
      ? `this is a connection of the sealed account ${account}, and ${deviceFileOf(context.configFile)} is gone`
      : `${deviceFileOf(context.configFile)} is another account's than ${account}, which the connection is for`,
    {
      hint: "`sejf repository disconnect`, then connect again as a further device, with --account-key from the recovery kit or card",
    },
  );
}

/** The caller disposes the repository in it. @throws as `openSealed`. */
export async function openSealedConnection(
  context: CommandContext,
  config: ConnectionConfig,
  device: DeviceState,
  mode: SealedMode,
): Promise<OpenSealed> {
  return await openSealed({
    configFile: context.configFile,
    device,
    mode,
    server: accountServer(context, config, device),
    openBelow: async (token) => await openBelow(context, config, device, token),
    askPassword: async () => await context.passwordOfAccount(device.secrets.account, device.place),
    askDeletePassword: async () => {
      context.out.flush();
      return await askDeletePassword(device.secrets.account);
    },
    tools: ENROLL_TOOLS,
    tell: telling(context),
    expire: expireBelow,
    acceptRollback: context.globals.acceptRollback
      ? async (missing) => await acceptRollback(context, missing)
      : undefined,
  });
}

/** What a login has to say beside: who joined a group, what the server says of one. */
export function telling({
  log,
}: CommandContext): (level: "info" | "warn", message: string) => void {
  return (level, message) => log[level](message);
}

/** SECURITY: what it says is what an attacker wants to be overlooked, so it is said in full, and asked. */
async function acceptRollback(
  context: CommandContext,
  missing: readonly MissingHead[],
): Promise<void> {
  const { log } = context;
  log.warn(
    "THE REPOSITORY WENT BACK. These snapshots were there before and are not shown any more:",
  );
  for (const one of missing) log.warn(`  ${describeMissing(one)}`);
  log.warn(
    "That is right only if the server or the folder was restored from a backup, or an operator deleted them. Otherwise somebody hides or destroys your backups.",
  );
  if (process.stdin.isTTY !== true) return;
  const answer = await askLine(context, "Accept what is shown from now on? (yes/no) ");
  if (answer?.trim().toLowerCase() !== "yes")
    throw new SejfError("SEJF_CANCELLED", "the rollback was not accepted");
}

/** By the account's own policy, of which a repository that nobody guards has only parts. */
async function expireBelow(
  sealed: SealedRepository,
  below: Repository,
  path: string,
  reallyDelete: boolean,
  options: CallOptions = {},
): Promise<readonly ManifestId[]> {
  if ((await manifestDamage(below, options)).length > 0) return [];
  const source = { ...sealed.identity, path };
  const { retention } = await effectivePolicy(sealed.manifests, source, options);
  const blinded = { ...source, path: sealed.blind(path) };
  const snapshots = await listSnapshots(below, { source: blinded, ...options });
  const reasons = retentionReasons(snapshots, retention);
  const expired = snapshots
    .filter(({ pins }, index) => reasons[index]?.length === 0 && pins.length === 0)
    .map(({ id }) => id);
  if (reallyDelete) for (const id of expired) await below.manifests.delete(id, options);
  return expired;
}

/** The sejf server that keeps the account; `undefined` where nobody does. */
export function accountServer(
  context: CommandContext,
  config: ConnectionConfig,
  { place }: Pick<DeviceState, "place">,
): HttpsServer | undefined {
  if (place !== "server") return undefined;
  const server = serverOf(config, context.configFile);
  if (server === undefined)
    throw new SejfError(
      "SEJF_NOT_CONNECTED",
      `${context.configFile} names no server, and the account is kept by one`,
    );
  return { url: server.url, fingerprint: server.fingerprint };
}

/** With a token where the account is kept by a sejf server, else with the password of the repository. */
async function openBelow(
  context: CommandContext,
  config: ConnectionConfig,
  device: DeviceState,
  token: string | undefined,
): Promise<OpenedBelow> {
  const options: OpenOptions = {
    ...(await context.openOptions(token)),
    belowSealed: true,
  };
  if (config.apiServer === undefined) {
    const repository = await openRepository(options);
    return { repository, contentSecret: repository.access.format.secret };
  }
  const { openServerRepository } = await import("../../rpc/client/index.ts");
  const repository = await openServerRepository({
    ...options,
    cacheKey: cacheKey(device),
    // The server logs it. Paths are in nobody's commands.
    purpose: `cli:${context.path}`,
    clientVersion: VERSION,
  });
  return { repository, contentSecret: repository.contentSecret };
}

/** Tokens come and go; local copies, which are ciphertext anyway, are kept under what stays. */
function cacheKey({ secrets }: DeviceState): OwnedBytes {
  const label = utf8ToBytes("sejf local copies v1");
  return nodeCryptoEngine.hmacSha256(secrets.privateSecret, label);
}
