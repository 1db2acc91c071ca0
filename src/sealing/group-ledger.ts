/**
 * What an opened account knows of its groups: the keyring's pins, the documents as they are now, and what the device seals
 * under. Changes of documents go through here, so that keyring and device say the same. Spec: sealed 7.
 */
import { equalBytes } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import type { Group, Keyring, KeyringGroup, KeyringInvite, OpenedGroup } from "../sealed/index.ts";
import type { DeviceGroup } from "./account.ts";
import type { EnrollTools } from "./enroll.ts";
import { deviceGroup, findGroup, isOver, nameOf, pinOf, withOwnKey } from "./group-book.ts";
import { type CurrentGroup, GroupDocuments } from "./group-documents.ts";
import { type TellGroups, tellVersion } from "./group-notices.ts";
import { assertUsable, compressionVersion } from "./group-params.ts";
import { changeKeyring, sessionOf } from "./keyring-store.ts";
import type { UnlockedAccount } from "./unlock.ts";

export interface AccountGroupsOptions {
  readonly tools: EnrollTools;
  /** `user@host`. */
  readonly account: string;
  readonly unlocked: UnlockedAccount;
  /** What this device sealed under so far. */
  readonly device: DeviceGroup | undefined;
  /** The user has said that the server may have gone back. */
  readonly acceptRollback?: boolean | undefined;
  /** What people should know. */
  readonly tell: TellGroups;
}

/** A group as it is now. */
export interface GroupState {
  readonly pin: KeyringGroup;
  /** `undefined`: the account is no member (yet), as the server says. */
  readonly opened: OpenedGroup | undefined;
  readonly isAdmin: boolean;
}

/** Others were faster, or the server takes nothing at the moment. */
const WAITS = ["SEJF_ALREADY_EXISTS", "SEJF_READ_ONLY", "SEJF_NO_SPACE"] as const;
const SECRET_BYTES = 32;

export class GroupLedger {
  readonly options: AccountGroupsOptions;
  readonly documents: GroupDocuments;
  readonly current: Map<string, CurrentGroup> = new Map();
  unlocked: UnlockedAccount;
  device: DeviceGroup | undefined;

  /** @throws SEJF_UNSUPPORTED where no sejf server keeps the account. */
  constructor(options: AccountGroupsOptions) {
    this.options = options;
    this.documents = new GroupDocuments(
      options.tools.engine,
      sessionOf(options.unlocked, "a group"),
      options.unlocked.keys,
    );
    this.unlocked = options.unlocked;
    this.device = options.device;
  }

  get keyring(): Keyring {
    return this.unlocked.keyring;
  }

  get formerIdentities(): readonly string[] {
    return this.keyring.formerIdentities ?? [];
  }

  get usesAny(): boolean {
    return this.keyring.groups.some(({ used }) => used === true);
  }

  /** @throws SEJF_NOT_FOUND, SEJF_INVALID_ARGUMENT. */
  find(name: string): GroupState {
    return this.stateOf(findGroup(this.keyring, name));
  }

  stateOf(pin: KeyringGroup): GroupState {
    const opened = this.current.get(pin.id)?.opened;
    const own = this.unlocked.keys.signingPublicKey;
    const isAdmin = opened?.group.admins.some((key) => equalBytes(key, own)) === true;
    return { pin, opened, isAdmin };
  }

  /** @throws SEJF_NOT_FOUND unless the account is a member. */
  member(pin: KeyringGroup): OpenedGroup {
    const opened = this.current.get(pin.id)?.opened;
    if (opened !== undefined) return opened;
    throw new SejfError("SEJF_NOT_FOUND", `this account is no member of ${nameOf(pin)}`, {
      hint:
        pin.pending === true
          ? "it becomes one when an admin of the group logs in the next time"
          : "ask an admin of the group for an invitation",
    });
  }

  /** @throws SEJF_ACCESS_DENIED for other members. */
  admin(pin: KeyringGroup): OpenedGroup {
    const opened = this.member(pin);
    if (this.stateOf(pin).isAdmin) return opened;
    throw new SejfError("SEJF_ACCESS_DENIED", `only an admin of ${nameOf(pin)} can do this`, {
      hint: `\`sejf group members ${nameOf(pin)}\` shows who is one`,
    });
  }

  /** Invitations that may still be answered. */
  live({ invites = [] }: KeyringGroup): readonly KeyringInvite[] {
    const now = this.options.tools.clock.nowMs();
    return invites.filter(({ expires }) => !isOver(expires, now));
  }

  /** What is used and known becomes what the device seals under; where it is not shown, the device keeps what it has. */
  useCurrent(): void {
    const { tools, tell } = this.options;
    const pin = this.keyring.groups.find(({ used }) => used === true);
    const opened = pin === undefined ? undefined : this.current.get(pin.id)?.opened;
    if (pin === undefined || opened === undefined) {
      if (this.device?.id !== pin?.id) this.device = undefined;
      return;
    }
    this.device = undefined;
    const { params } = opened.group;
    try {
      assertUsable(tools.engine, params);
    } catch (error) {
      if (!isSejfError(error, "SEJF_UNSUPPORTED")) throw error;
      tell("warn", `Nothing is shared with the group ${nameOf(pin)}: ${error.message}.`);
      return;
    }
    tellVersion(tell, pin, params);
    this.device = deviceGroup(opened);
  }

  newSecret(): Group["secret"] {
    return this.options.tools.random.bytes(SECRET_BYTES);
  }

  /** The next document after this one, signed and stored. @throws SEJF_ALREADY_EXISTS when another one has its epoch. */
  async writeNext(
    { group: before, sha256 }: OpenedGroup,
    changes: Partial<Pick<Group, "admins" | "members" | "secret" | "params">>,
    signingSeed?: Uint8Array,
  ): Promise<OpenedGroup> {
    const { account } = this.options;
    const { signingPublicKey } = this.unlocked.keys;
    const group = withOwnKey({ ...before, ...changes }, account, signingPublicKey);
    const next = { ...group, epoch: before.epoch + 1, prev: sha256 };
    return await this.write(next, before, signingSeed);
  }

  /** `before`: absent for a group that is new. */
  async write(group: Group, before?: Group, signingSeed?: Uint8Array): Promise<OpenedGroup> {
    const current = await this.documents.write(group, before, signingSeed);
    this.current.set(group.id, current);
    return current.opened;
  }

  /** With a new secret for all who are in it; invitations that are open count no more. */
  async renew(
    pin: KeyringGroup,
    opened: OpenedGroup,
    changes: Partial<Pick<Group, "admins" | "members">> = {},
    signingSeed?: Uint8Array,
  ): Promise<GroupState> {
    const { params } = opened.group;
    const written = await this.writeNext(
      opened,
      {
        ...changes,
        secret: this.newSecret(),
        params: { ...params, compressionVersion: compressionVersion(params.compression) },
      },
      signingSeed,
    );
    return await this.withoutInvites(pin, written);
  }

  /** The keyring knows this document, and no invitation of the group. */
  async withoutInvites(pin: KeyringGroup, opened: OpenedGroup): Promise<GroupState> {
    const open = new Set<string>();
    await this.repin([opened], (before) => {
      for (const { code } of this.live(before)) open.add(code);
      return { ...before, invites: [] };
    });
    await this.documents.forgetInvites([...open]);
    this.useCurrent();
    return this.find(pin.id);
  }

  /** The keyring knows these documents, with what else it keeps of them. */
  async repin(
    opened: readonly OpenedGroup[],
    change: (before: KeyringGroup) => KeyringGroup,
  ): Promise<void> {
    await this.change((keyring) => ({
      ...keyring,
      groups: keyring.groups.map((pin) => {
        const one = opened.find(({ group }) => group.id === pin.id);
        return one === undefined ? pin : pinOf(one, change(pin));
      }),
    }));
  }

  async change(change: (keyring: Keyring) => Keyring): Promise<void> {
    const { tools, account } = this.options;
    this.unlocked = await changeKeyring({ tools, account }, this.unlocked, change);
  }

  /** What can wait for the next login. */
  async attempt(failure: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!WAITS.some((code) => isSejfError(error, code))) throw error;
      this.options.tell("warn", `${failure}: ${(error as SejfError).message}.`);
    }
  }
}
