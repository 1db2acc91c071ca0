/** Making a connection of a sealed account: a new account, or a further device of one that exists. Spec: sealed 3. */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import type { BlobStorage } from "../../blob/index.ts";
import { bytesToHex } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import {
  type ApiServer,
  connectRepository,
  openRepository,
  type Repository,
  sealedMark,
} from "../../repository/index.ts";
import { connectServer, openServerRepository } from "../../rpc/client/index.ts";
import { ACCOUNT_KEY_LABEL, parseCode } from "../../sealed/index.ts";
import {
  AccountGroups,
  addDevice,
  type DeviceGroup,
  deviceOfIdentity,
  type DeviceState,
  type Enrolled,
  enrollInRepository,
  enrollOnServer,
  type DocumentStore,
  documentsIn,
  type KitIdentities,
  type NewDeviceOptions,
  saveDevice,
  splitAccount,
  unlockAccount,
  type UnlockedAccount,
} from "../../sealing/index.ts";
import type { CommandContext } from "../context.ts";
import { askNewPassword } from "../password-prompt.ts";
import { VERSION } from "../version.ts";
import { type ConnectFlagValues, connectionOptions, finishConnect } from "./connect-flags.ts";
import { newDeletePassword } from "./account-command.ts";
import { confirmEscrow } from "./escrow.ts";
import { type KitOutput, openKitOutput } from "./recovery-kit-output.ts";
import type { SealedFlagValues, SealedWish } from "./sealed-flags.ts";
import { ENROLL_TOOLS, telling } from "./sealed-open.ts";

type Values = ConnectFlagValues & SealedFlagValues & { readonly deletePassword?: boolean };

/** On a sejf server, which keeps the account; no password is stored here. */
export async function connectSealedOnServer(
  context: CommandContext,
  server: ApiServer,
  wish: SealedWish,
  values: Values,
): Promise<void> {
  const place = { url: server.url, fingerprint: server.fingerprint };
  await using kit = await beforeConnecting(context, wish, values);
  context.log.info(`Connecting to server '${server.url}' as '${wish.account}'...`);
  const { accountKey, enrollmentCode, account } = wish;
  const device = deviceOptions(wish, values);
  let enrolled: Enrolled;
  if (accountKey !== undefined) {
    const unlocked = await unlockAccount(
      {
        ...ENROLL_TOOLS,
        account,
        accountKey: parseCode(nodeCryptoEngine, ACCOUNT_KEY_LABEL, accountKey),
        server: place,
        opaqueKey: undefined,
        documents: undefined,
        keyringVersion: 0,
      },
      await context.passwordOfAccount(account, "server"),
    );
    enrolled = await addFurtherDevice(context, account, unlocked, device);
  } else {
    const password = await newAccountPassword(context, wish);
    const deletePassword =
      values.deletePassword === true ? await newDeletePassword(context) : undefined;
    enrolled = await enrollOnServer(ENROLL_TOOLS, place, enrollmentCode ?? "", {
      ...device,
      account,
      password,
      deletePassword,
      escrow: values.escrow,
    });
  }
  await kit?.write(account, enrolled.keys, place);
  await saveServerConnection(context, server, enrolled, values);
}

/**
 * Of an account that a sejf server keeps and that was just opened: groups are followed first, so that it seals as the
 * others do.
 */
export async function addFurtherDevice(
  context: CommandContext,
  account: string,
  unlocked: UnlockedAccount,
  options: NewDeviceOptions,
): Promise<Enrolled> {
  const groups = new AccountGroups({
    tools: ENROLL_TOOLS,
    account,
    unlocked,
    device: undefined,
    tell: telling(context),
  });
  await groups.follow();
  const place = { tools: ENROLL_TOOLS, account };
  return inGroup(await addDevice(place, groups.unlocked, options), groups.device);
}

/** The device's file and the connection's; the token is tried. */
export async function saveServerConnection(
  context: CommandContext,
  server: ApiServer,
  enrolled: Enrolled,
  values: ConnectFlagValues,
): Promise<void> {
  const { account } = enrolled.device.secrets;
  await saveDevice(context.configFile, enrolled.device);
  await connectServer(server, {
    ...(await connectionOptions(context, namedAs(values, account))),
    fields: sealedMark(account),
    password: enrolled.device.token ?? "",
    clientVersion: VERSION,
  });
  await finishConnect(context, undefined);
  tellConnected(context, enrolled);
}

/** In a repository that nobody guards: a folder, or a server that knows no sealed accounts. */
export async function connectSealedInRepository(
  context: CommandContext,
  below: ApiServer | BlobStorage,
  password: string,
  wish: SealedWish,
  values: Values,
): Promise<void> {
  await using kit = await beforeConnecting(context, wish, values);
  const { account } = wish;
  const named = namedAs(values, account);
  const enrolled = await onceOpened(context, below, password, named, async (opened) => {
    const documents = documentsIn(opened.repository, account);
    return await enrollIn(context, opened, documents, wish, values);
  });
  await kit?.write(account, enrolled.keys, undefined);
  await saveConnectionBelow(context, below, password, enrolled.device, values);
  tellConnected(context, enrolled);
}

/** To read with the recovery kit alone: of every account that stored something there. */
export async function connectWithKit(
  context: CommandContext,
  below: BlobStorage,
  password: string,
  account: string,
  kit: KitIdentities,
  values: ConnectFlagValues,
): Promise<void> {
  await context.assertNoDeviceFile();
  const named = { ...namedAs(values, account), readonly: true };
  const device = await onceOpened(context, below, password, named, async (opened) => {
    const { hash } = opened.repository.parameters;
    const secretSha256 = bytesToHex(nodeCryptoEngine.sha256(opened.contentSecret));
    return await deviceOfIdentity(ENROLL_TOOLS, account, kit, { hash, secretSha256 });
  });
  await saveConnectionBelow(context, below, password, device, named);
}

async function saveConnectionBelow(
  context: CommandContext,
  below: ApiServer | BlobStorage,
  password: string,
  device: DeviceState,
  values: ConnectFlagValues,
): Promise<void> {
  const { account } = device.secrets;
  await saveDevice(context.configFile, device);
  const options = {
    ...(await connectionOptions(context, namedAs(values, account))),
    fields: sealedMark(account),
    password,
  };
  if ("url" in below) await connectServer(below, { ...options, clientVersion: VERSION });
  else await connectRepository(below, options);
  await finishConnect(context, password);
}

async function enrollIn(
  context: CommandContext,
  { repository, contentSecret, id }: Opened,
  documents: DocumentStore,
  wish: SealedWish,
  values: Values,
): Promise<Enrolled> {
  const { account, accountKey } = wish;
  const device = deviceOptions(wish, values);
  if (accountKey !== undefined) {
    const unlocked = await unlockAccount(
      {
        ...ENROLL_TOOLS,
        account,
        accountKey: parseCode(nodeCryptoEngine, ACCOUNT_KEY_LABEL, accountKey),
        server: undefined,
        opaqueKey: undefined,
        documents,
        keyringVersion: 0,
      },
      await context.passwordOfAccount(account, "repository"),
    );
    return await addDevice({ tools: ENROLL_TOOLS, account, documents }, unlocked, device);
  }
  const { hash } = repository.parameters;
  const secretSha256 = bytesToHex(nodeCryptoEngine.sha256(contentSecret));
  return await enrollInRepository(
    ENROLL_TOOLS,
    documents,
    { id, hash, secretSha256 },
    {
      ...device,
      account,
      password: await newAccountPassword(context, wish),
      escrow: values.escrow,
    },
  );
}

/** What has to be right before anything is made. `undefined`: no kit comes of it. */
async function beforeConnecting(
  context: CommandContext,
  wish: SealedWish,
  values: Values,
): Promise<KitOutput | undefined> {
  await context.assertNoDeviceFile();
  if (wish.accountKey !== undefined) return undefined;
  const kit = await openKitOutput(context, values.recoveryKit);
  try {
    await confirmEscrow(context, values.escrow, values.yes);
    return kit;
  } catch (error) {
    await kit[Symbol.asyncDispose]();
    throw error;
  }
}

interface Opened {
  readonly repository: Repository;
  readonly contentSecret: Uint8Array;
  /** Unique ID as hex; a server of Kopia's does not tell it. */
  readonly id: string;
}

/** By a connection file that is there for a moment: an account is made before there is a connection to it. */
async function onceOpened<T>(
  context: CommandContext,
  below: ApiServer | BlobStorage,
  password: string,
  values: ConnectFlagValues,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const configFile = `${context.configFile}.${randomUUID()}`;
  const options = {
    ...(await connectionOptions(context, values)),
    configFile,
    password,
    caching: { maxCacheSize: 0 },
  };
  try {
    if ("url" in below) {
      await connectServer(below, { ...options, clientVersion: VERSION });
      await using repository = await openServerRepository({ ...options, clientVersion: VERSION });
      return await use({ repository, contentSecret: repository.contentSecret, id: "" });
    }
    await connectRepository(below, options);
    await using repository = await openRepository(options);
    const { access } = repository;
    const id = bytesToHex(access.uniqueId);
    return await use({ repository, contentSecret: access.format.secret, id });
  } finally {
    await rm(configFile, { force: true });
  }
}

async function newAccountPassword(
  context: CommandContext,
  { account, place }: SealedWish,
): Promise<string> {
  return (
    context.givenAccountPassword(place) ??
    (await askNewPassword(
      `Choose a password for the sealed account ${account}: `,
      noPassword(place === "server" ? "SEJF_PASSWORD" : "SEJF_ACCOUNT_PASSWORD"),
    ))
  );
}

function noPassword(variable: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", "no password was given for the account", {
    hint: `give it in ${variable}, or run the command on a terminal`,
  });
}

/** The further device seals as the others do. */
function inGroup(enrolled: Enrolled, group: DeviceGroup | undefined): Enrolled {
  const { device } = enrolled;
  return { ...enrolled, device: { ...device, secrets: { ...device.secrets, group } } };
}

function deviceOptions({ deviceName }: SealedWish, { rememberKey }: Values): NewDeviceOptions {
  return { name: deviceName, rememberKey };
}

/** This client is the account, nobody else. */
function namedAs(values: ConnectFlagValues, account: string): ConnectFlagValues {
  const [overrideUsername, overrideHostname] = splitAccount(account);
  return { ...values, overrideUsername, overrideHostname };
}

function tellConnected({ log }: CommandContext, { device }: Enrolled): void {
  const { account, device: own, escrow } = device.secrets;
  log.info(`Connected as the sealed account ${account}, device ${own.id} (${own.name}).`);
  log.info(
    escrow.length === 0
      ? "Only whoever has the account's password and key, or the recovery kit, can read what it stores."
      : `What it stores can be read with the account's password and key, with the recovery kit, and by ${escrow.length} escrow recipient(s).`,
  );
}
