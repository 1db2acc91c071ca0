/** What `repository status` says of a sealed account: who can read, who can delete, and what the other side still sees. */
import { nodeCryptoEngine } from "../../node/index.ts";
import {
  type ApiServer,
  apiServerJson,
  clientOptionsJson,
  type ConnectionConfig,
  serverOf,
} from "../../repository/index.ts";
import { recipientFingerprint } from "../../sealed/index.ts";
import type { DeviceState } from "../../sealing/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { CommandContext } from "../context.ts";
import { type JsonOptions, jsonText } from "../output/json.ts";
import { tellClient } from "./client-status.ts";

type StatusFlags = JsonOptions & { readonly reconnectToken: boolean };

const SEEN =
  "user@host, times of snapshots, number and padded lengths of pieces, their order and kind";

/** The repository is opened as a backup would open it, so that a connection that does not work any more is an error. */
export async function tellSealedStatus(context: CommandContext, flags: StatusFlags): Promise<void> {
  const { config, device } = await context.sealedConnection();
  if (flags.reconnectToken)
    throw new SejfError("SEJF_UNSUPPORTED", "a sealed account connects with its account key", {
      hint: "on the other computer: `sejf repository connect … --account-key=ask`",
    });
  const server = serverOf(config, context.configFile);
  const { repository } = await context.openSealed("write");
  await using sealed = repository;
  const { hash, splitter } = sealed.parameters;
  const trust = trustOf(device, server);
  if (flags.json) {
    context.out.line(
      jsonText(
        { ...statusJson(context, config, server), sealed: sealedJson(device, trust) },
        flags,
      ),
    );
    return;
  }
  const { out } = context;
  out.line(`Who can read:        ${trust.read}`);
  for (const fingerprint of trust.escrow)
    out.line(`                     escrow recipient ${fingerprint}: whoever has its key`);
  out.line(`Who can delete:      ${trust.delete}`);
  out.line(`What is still seen:  ${trust.seen}`);
  out.line();
  tellClient(context, config);
  out.line();
  if (server !== undefined) {
    out.line(`Server:              ${server.url}`);
    out.line(`Certificate:         ${server.fingerprint ?? "trusted by this system"}`);
  } else out.line(`Storage type:        ${config.storage?.type}`);
  const { id, name } = device.secrets.device;
  out.line(`Sealed account:      ${device.secrets.account}`);
  out.line(`This device:         ${id} (${name})`);
  out.line(`Key on this device:  ${device.identity === undefined ? "no" : "yes"}`);
  out.line(`Hash:                ${hash}`);
  out.line(`Splitter:            ${splitter}`);
  if (!hash.includes("256"))
    out.line(
      "NOTE:                content IDs have 128 bits here: whoever shares a group could make two chunks of its own with one ID by 2^64 work",
    );
}

interface Trust {
  readonly read: string;
  readonly escrow: readonly string[];
  readonly delete: string;
  readonly seen: string;
}

/** SECURITY: the first thing that is said, in words that promise no more than is so. */
function trustOf({ secrets, place, identity }: DeviceState, server: ApiServer | undefined): Trust {
  const { account, escrow, group } = secrets;
  const kept = identity === undefined ? "" : "; whoever has this device, which keeps the key";
  const read = `nobody but whoever has the password and the account key of ${account}, or its recovery kit${kept}`;
  const who =
    place === "server"
      ? `the server at ${server?.url} and whoever operates it; ${account} with its delete password, if it has one, into the server's trash`
      : server === undefined
        ? "everybody who can write to the storage, with or without a password"
        : `the server at ${server.url}, whoever operates it, and whoever has the password that opens it`;
  const shares = group === undefined ? "" : "; which accounts of the group share pieces";
  return {
    read,
    escrow: escrow.map((recipient) => recipientFingerprint(nodeCryptoEngine, recipient)),
    delete: who,
    seen: `${SEEN}${shares}; no names, no paths, no data`,
  };
}

function sealedJson(
  { secrets, place, identity }: DeviceState,
  trust: Trust,
): Readonly<Record<string, unknown>> {
  return {
    account: secrets.account,
    keptBy: place,
    device: { id: secrets.device.id, name: secrets.device.name },
    keyOnDevice: identity !== undefined,
    recipient: recipientFingerprint(nodeCryptoEngine, secrets.recipient),
    escrow: trust.escrow,
    whoCanRead: trust.read,
    whoCanDelete: trust.delete,
    stillSeen: trust.seen,
  };
}

/** Kopia's members, as far as a client of a sealed account knows them. */
function statusJson(
  context: CommandContext,
  { client, storage }: ConnectionConfig,
  server: ApiServer | undefined,
): Readonly<Record<string, unknown>> {
  return {
    configFile: context.configFile,
    uniqueIDHex: "",
    clientOptions: clientOptionsJson(client),
    storage: { type: storage?.type ?? "", config: null },
    ...(server === undefined ? {} : { apiServer: apiServerJson(server) }),
  };
}
