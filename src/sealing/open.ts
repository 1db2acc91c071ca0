/** The sealed repository of a device, over whatever its connection file names. */
import { bytesToHex } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { Repository } from "../repository/index.ts";
import type { EnrollTools } from "./enroll.ts";
import { AccountClient, documentsOfServer } from "./account-client.ts";
import { type DeviceState, saveDevice } from "./device-file.ts";
import { type DocumentStore, SnapshotDocuments } from "./documents.ts";
import type { HttpsServer } from "./https-json.ts";
import { SealedRepository } from "./sealed-repository.ts";
import { PasswordOpener, type UnlockedAccount, unlockAccount } from "./unlock.ts";

/** The repository below, with the key of its content IDs. */
export interface OpenedBelow {
  readonly repository: Repository;
  /** SECURITY: names contents; the account pinned it. */
  readonly contentSecret: Uint8Array;
}

export interface OpenSealedOptions {
  readonly configFile: string;
  readonly device: DeviceState;
  /**
   * `write`: backs up without a password, and sees no more than its own last snapshots. `full`: everything, and asks
   * for the password unless the key is kept.
   */
  readonly mode: "write" | "full";
  /** A sejf server; absent where nobody guards the account. */
  readonly server: HttpsServer | undefined;
  /** Opens the repository below, with this token in place of the password of its connection. */
  readonly openBelow: (token: string | undefined) => Promise<OpenedBelow>;
  readonly askPassword: () => Promise<string>;
  readonly tools: EnrollTools;
}

/** A sealed repository and what else an open account can do. Disposing it disposes both. */
export interface OpenSealed {
  readonly repository: SealedRepository;
  readonly documents: DocumentStore;
  /** By the password, whether or not the key is kept. */
  unlocked(): Promise<UnlockedAccount>;
}

/**
 * @throws SEJF_INVALID_PASSWORD, SEJF_CONNECTION, SEJF_ACCESS_DENIED; SEJF_CORRUPT when the repository is another one
 * than the account was made for.
 */
export async function openSealed(options: OpenSealedOptions): Promise<OpenSealed> {
  const { device, mode, server, tools } = options;
  let below: OpenedBelow | undefined;
  const documentsBelow = async (): Promise<DocumentStore> => {
    below ??= await options.openBelow(undefined);
    return documentsIn(below.repository, device.secrets.account);
  };
  const opener = new PasswordOpener(tools.engine, device, async () =>
    unlockAccount(
      {
        ...tools,
        account: device.secrets.account,
        accountKey: device.secrets.accountKey,
        server,
        opaqueKey: device.opaqueKey,
        documents: server === undefined ? await documentsBelow() : undefined,
        keyringVersion: device.secrets.keyringVersion,
      },
      await options.askPassword(),
    ),
  );
  const client = await clientOf(options, opener);
  below ??= await options.openBelow(client?.token);
  try {
    assertPinned(options, below);
    const documents =
      client === undefined
        ? documentsIn(below.repository, device.secrets.account)
        : // oxlint-disable-next-line require-await -- the store takes a client that may have to be made
          documentsOfServer(async () => client);
    const repository = sealOver(options, below, opener, documents, client, mode);
    return { repository, documents, unlocked: async () => await opener.unlocked() };
  } catch (error) {
    await below.repository[Symbol.asyncDispose]();
    throw error;
  }
}

/** The account's documents in the repository itself. */
export function documentsIn(repository: Repository, account: string): DocumentStore {
  return new SnapshotDocuments({
    contents: repository.contents,
    manifests: repository.manifests,
    flush: async (options) => await repository.flush(options),
    clock: repository.clock,
    account,
  });
}

/** With the device's token where that is enough, else with a session's. */
async function clientOf(
  { server, device, mode }: OpenSealedOptions,
  opener: PasswordOpener,
): Promise<AccountClient | undefined> {
  if (server === undefined) return undefined;
  if (device.token !== undefined && (mode === "write" || device.identity !== undefined))
    return new AccountClient(server, device.token);
  return (await opener.unlocked()).client;
}

function sealOver(
  options: OpenSealedOptions,
  { repository: inner, contentSecret }: OpenedBelow,
  opener: PasswordOpener,
  documents: DocumentStore,
  client: AccountClient | undefined,
  mode: OpenSealedOptions["mode"],
): SealedRepository {
  const { device, tools, configFile } = options;
  let { policyVersion } = device;
  const isBlind = mode === "write" && device.identity === undefined;
  return new SealedRepository({
    inner,
    engine: tools.engine,
    hash: {
      idHash: tools.engine.contentHash(inner.parameters.hash, contentSecret),
      secret: contentSecret,
    },
    random: tools.random,
    secrets: device.secrets,
    opener,
    documents,
    heads: device.heads,
    last: device.last,
    policyVersion,
    onlyKept: isBlind,
    servedHeads: isBlind && client !== undefined ? async () => await client.heads() : undefined,
    onChange: async (change) => {
      policyVersion = change.policyVersion ?? policyVersion;
      await saveDevice(configFile, { ...device, policyVersion });
    },
  });
}

/** Another secret means other names for the same contents: another repository, or a server that lies about it. */
function assertPinned(
  { device, tools, server }: OpenSealedOptions,
  { repository, contentSecret }: OpenedBelow,
): void {
  const { hash, secretSha256 } = device.repository;
  const found = bytesToHex(tools.engine.sha256(contentSecret));
  if (hash === repository.parameters.hash && secretSha256 === found) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    `${server?.url ?? "this"} is another repository than the account ${device.secrets.account} was made for`,
    { hint: "connect to the right one, or enroll anew" },
  );
}
