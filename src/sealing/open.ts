/** The sealed repository of a device, over whatever its connection file names. */
import { bytesToHex, type CallOptions } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import type { Repository } from "../repository/index.ts";
import type { EnrollTools } from "./enroll.ts";
import { AccountClient, documentsOfServer, needsSejfServer } from "./account-client.ts";
import { type DeviceState, updateDevice } from "./device-file.ts";
import { type DocumentStore, SnapshotDocuments } from "./documents.ts";
import { assertDeviceMaySign, type MissingHead } from "./head-memory.ts";
import { DeleteLogin } from "./delete-login.ts";
import { type Guard, GuardedRepository } from "./guarded-repository.ts";
import type { HttpsServer } from "./https-json.ts";
import { KeptListings } from "./kept-listings.ts";
import { SealedRepository } from "./sealed-repository.ts";
import { SigningTurn } from "./signing-turn.ts";
import { PasswordOpener, type UnlockedAccount } from "./unlock.ts";
import { unlockDevice, type UnlockDeviceOptions } from "./unlock-device.ts";

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
  /** For what takes something away; absent: nobody can be asked. SECURITY: of a person, never of a file or a pipe. */
  readonly askDeletePassword?: (() => Promise<string>) | undefined;
  readonly tools: EnrollTools;
  /** The user has said that the repository may have gone back; told what is missing. */
  readonly acceptRollback?: ((missing: readonly MissingHead[]) => Promise<void>) | undefined;
  /** What people should know: who joined a group, what the server says of it. */
  readonly tell?: UnlockDeviceOptions["tell"];
  /** Expires snapshots of a path where no server does it. */
  readonly expire?:
    | ((
        sealed: SealedRepository,
        below: Repository,
        path: string,
        reallyDelete: boolean,
        options?: CallOptions,
      ) => Promise<readonly ManifestId[]>)
    | undefined;
}

/** A sealed repository and what else an open account can do. Disposing the repository is all that is needed. */
export interface OpenSealed {
  readonly repository: SealedRepository;
  /** The repository below. */
  readonly below: Repository;
  readonly documents: DocumentStore;
  /** With the token that the mode has; absent where no server keeps the account. */
  readonly client: AccountClient | undefined;
  /** As it is after opening: the keyring may have told news. */
  readonly device: DeviceState;
  /** By the password, whether or not the key is kept. */
  unlocked(): Promise<UnlockedAccount>;
  /** For operations that need the delete password. @throws SEJF_UNSUPPORTED where no sejf server keeps the account. */
  guard(): Promise<Guard>;
}

/**
 * @throws SEJF_INVALID_PASSWORD, SEJF_CONNECTION, SEJF_ACCESS_DENIED; SEJF_CORRUPT when the repository is another one
 * than the account was made for, or went back.
 */
export async function openSealed(options: OpenSealedOptions): Promise<OpenSealed> {
  const opening = new Opening(options);
  try {
    return await opening.open();
  } catch (error) {
    await opening.below?.repository[Symbol.asyncDispose]();
    throw error;
  }
}

class Opening {
  readonly #options: OpenSealedOptions;
  readonly #opener: PasswordOpener;
  #unlocked: UnlockedAccount | undefined;
  #login: DeleteLogin | undefined;
  /** The keyring may tell news. */
  #device: DeviceState;
  below: OpenedBelow | undefined;

  constructor(options: OpenSealedOptions) {
    this.#options = options;
    this.#device = options.device;
    this.#opener = new PasswordOpener(
      options.tools.engine,
      options.device,
      async () => await this.#unlock(),
    );
  }

  async open(): Promise<OpenSealed> {
    const { mode, server } = this.#options;
    const { token, identity, secrets } = this.#options.device;
    const isBlind = mode === "write" && identity === undefined;
    // The keyring knows the devices and the newest heads: whoever has the password at hand looks at it first.
    if (!isBlind && identity === undefined) await this.#opener.unlocked();
    const client =
      server === undefined
        ? undefined
        : (this.#unlocked?.client ?? new AccountClient(server, token ?? ""));
    this.below ??= await this.#openBelow(client);
    assertPinned(this.#options, this.below);
    const { repository: below } = this.below;
    const documents =
      client === undefined
        ? documentsIn(below, secrets.account)
        : // oxlint-disable-next-line require-await -- the store takes a client that may have to be made
          documentsOfServer(async () => client);
    const device = this.#device;
    const repository = this.#seal(device, this.below, documents, { client, isBlind });
    return {
      repository,
      below,
      documents,
      client,
      device,
      unlocked: async () => await this.#opener.unlocked(),
      guard: async () => await this.#guard(),
    };
  }

  async #openBelow(client: AccountClient | undefined): Promise<OpenedBelow> {
    try {
      return await this.#options.openBelow(client?.token);
    } catch (error) {
      if (client === undefined || !isSejfError(error, "SEJF_ACCESS_DENIED")) throw error;
      throw new SejfError("SEJF_ACCESS_DENIED", error.message, {
        cause: error,
        hint: "this device may have been revoked, or the account was given new keys: `sejf repository disconnect`, and add it again with the account key",
      });
    }
  }

  /** SECURITY: a device's token takes nothing away: first the account's password, then the other one. */
  async #guard(): Promise<Guard> {
    const { server, tools, device, askDeletePassword } = this.#options;
    const { keyring, client } = await this.#opener.unlocked();
    if (server === undefined || client === undefined) throw needsSejfServer("a delete password");
    const { account, accountKey } = device.secrets;
    this.#login ??= new DeleteLogin({
      ...tools,
      account,
      accountKey,
      opaqueKey: device.opaqueKey,
      server,
      repository: keyring.repository.id,
      askDeletePassword: askDeletePassword ?? nobodyToAsk,
    });
    return { client, login: this.#login };
  }

  async #unlock(): Promise<UnlockedAccount> {
    const { device, server, acceptRollback } = this.#options;
    let documents: DocumentStore | undefined;
    if (server === undefined) {
      this.below ??= await this.#options.openBelow(undefined);
      documents = documentsIn(this.below.repository, device.secrets.account);
    }
    const found = await unlockDevice({
      ...this.#options,
      documents,
      acceptRollback: acceptRollback !== undefined,
    });
    this.#device = found.device;
    this.#unlocked = found.unlocked;
    return found.unlocked;
  }

  #seal(
    device: DeviceState,
    { repository: below, contentSecret }: OpenedBelow,
    documents: DocumentStore,
    { client, isBlind }: { readonly client: AccountClient | undefined; readonly isBlind: boolean },
  ): SealedRepository {
    const { tools, configFile, acceptRollback, expire, mode, server } = this.#options;
    const inner =
      server === undefined || mode === "write"
        ? below
        : new GuardedRepository(below, async () => await this.#guard(), {
            random: tools.random,
            reader: device.identity === undefined ? undefined : client,
          });
    const idHash = tools.engine.contentHash(inner.parameters.hash, contentSecret);
    const repository: SealedRepository = new SealedRepository({
      inner,
      engine: tools.engine,
      hash: { idHash, secret: contentSecret },
      kept: device.token === undefined ? undefined : new KeptListings(configFile, idHash),
      random: tools.random,
      secrets: device.secrets,
      opener: this.#opener,
      documents,
      heads: device.heads,
      last: device.last,
      policyVersion: device.policyVersion,
      turn: new SigningTurn(configFile, device.heads),
      onlyKept: mode === "write" && device.identity === undefined,
      servedHeads: isBlind && client !== undefined ? async () => await client.heads() : undefined,
      assertMaySign: (head) => {
        if (this.#unlocked !== undefined) assertDeviceMaySign(this.#unlocked.keyring.devices, head);
      },
      acceptRollback,
      ...(expire === undefined || inner.applyRetention !== undefined
        ? {}
        : {
            expire: async (path, reallyDelete, call) =>
              await expire(repository, inner, path, reallyDelete, call),
          }),
      onChange: async ({ policyVersion }) => {
        await updateDevice(configFile, (stored) =>
          withChanges(stored ?? device, device, policyVersion, acceptRollback !== undefined),
        );
      },
    });
    return repository;
  }
}

function nobodyToAsk(): never {
  throw new SejfError("SEJF_INVALID_ARGUMENT", "the delete password is asked for on a terminal", {
    hint: "it is never taken from the environment, a file or a pipe",
  });
}

/** What this program learned, added to what the file says now. */
function withChanges(
  stored: DeviceState,
  own: DeviceState,
  policyVersion: number | undefined,
  isRollback: boolean,
): DeviceState {
  const { heads, last } = own;
  if (!isRollback) heads.merge(stored.heads.toJson());
  last.keep(stored.last);
  const version = policyVersion ?? own.policyVersion;
  return {
    ...stored,
    heads,
    last,
    policyVersion: isRollback ? version : Math.max(version, stored.policyVersion),
  };
}

/** The account's documents in the repository itself. */
export function documentsIn(repository: Repository, account: string): DocumentStore {
  return new SnapshotDocuments({
    contents: repository.contents,
    manifests: repository.manifests,
    flush: async (options) => await repository.flush(options),
    refresh: async (options) => await repository.refresh(options),
    clock: repository.clock,
    account,
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
