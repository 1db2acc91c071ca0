/** The sealed repository of a connection with a device file: everything that such a connection does goes through it. */
import { systemClock, systemRandom, utf8ToBytes, bytesToBase64Url } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import {
  type ConnectionConfig,
  type OpenOptions,
  openRepository,
  serverOf,
} from "../../repository/index.ts";
import { openServerRepository } from "../../rpc/index.ts";
import {
  type DeviceState,
  deviceFileOf,
  type EnrollTools,
  type HttpsServer,
  loadDevice,
  nodeArgon2id,
  type OpenedBelow,
  openSealed,
  type OpenSealed,
} from "../../sealing/index.ts";
import type { CommandContext } from "../context.ts";
import { VERSION } from "../version.ts";

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
    tools: ENROLL_TOOLS,
  });
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
  const repository = await openServerRepository({
    ...options,
    cachePassword: cachePassword(device),
    // The server logs it. Paths are in nobody's commands.
    purpose: `cli:${context.path}`,
    clientVersion: VERSION,
  });
  return { repository, contentSecret: repository.contentSecret };
}

/** Tokens come and go; local copies, which are ciphertext anyway, are kept under what stays. */
function cachePassword({ secrets }: DeviceState): string {
  const label = utf8ToBytes("sejf local copies v1");
  return bytesToBase64Url(nodeCryptoEngine.hmacSha256(secrets.privateSecret, label));
}
