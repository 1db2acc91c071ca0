/**
 * Documents and invitations of groups as the server keeps them. SECURITY: what comes back is believed as far as it is signed
 * by an admin of what was known, or opens with a code. Spec: sealed 7.
 */
import { base64UrlToBytes, bytesToBase64Url, type Random } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type AccountKeys,
  type Group,
  inviteId,
  joinMac,
  type KnownGroup,
  type OpenedGroup,
  openInvite,
  type StoredGroup,
  type StoredJoin,
  writeGroup,
  writeInvite,
} from "../sealed/index.ts";
import type { AccountClient } from "./account-client.ts";
import { openStoredGroup } from "./group-book.ts";

/** A document, and what the server says beside it. */
export interface CurrentGroup {
  readonly opened: OpenedGroup;
  readonly stored: StoredGroup;
}

export class GroupDocuments {
  readonly #engine: CryptoEngine;
  /** With a session. */
  readonly #client: AccountClient;
  readonly #keys: AccountKeys;

  constructor(engine: CryptoEngine, client: AccountClient, keys: AccountKeys) {
    this.#engine = engine;
    this.#client = client;
    this.#keys = keys;
  }

  /**
   * With the identity that it is sealed to, one of these or the present one. `undefined`: the account is no member, as the
   * server says. @throws SEJF_CORRUPT.
   */
  async read(
    known: KnownGroup,
    formerIdentities: readonly string[],
    isRollbackAccepted: boolean,
  ): Promise<CurrentGroup | undefined> {
    const stored = await absentAsUndefined(this.#client.group(known.id));
    if (stored === undefined) return undefined;
    const identities = [this.#keys.identity, ...formerIdentities];
    const opened = await openStoredGroup(
      this.#engine,
      identities,
      known,
      stored,
      isRollbackAccepted,
    );
    return { opened, stored };
  }

  /** Signed by this account, and stored. @throws SEJF_ALREADY_EXISTS when another one has this epoch. */
  async write(
    group: Group,
    admins: readonly string[],
    signingSeed: Uint8Array = this.#keys.signingSeed,
  ): Promise<CurrentGroup> {
    const { file, ...opened } = await writeGroup(this.#engine, signingSeed, group);
    const members = group.members.map(({ account }) => account);
    const stored: StoredGroup = {
      id: group.id,
      epoch: group.epoch,
      file: bytesToBase64Url(file),
      members,
      admins: admins.filter((account) => members.includes(account)),
      probe: group.params.probe,
    };
    await this.#client.putGroup(stored);
    return { opened, stored };
  }

  async writeInvite(
    opened: OpenedGroup,
    code: Uint8Array,
    expires: string,
    random: Random,
  ): Promise<void> {
    const { nonce, ct, ...record } = writeInvite(this.#engine, code, opened, expires, random);
    const boxed = { nonce: bytesToBase64Url(nonce), ct: bytesToBase64Url(ct) };
    await this.#client.putInvite({ ...record, ...boxed });
  }

  /** @throws SEJF_NOT_FOUND; SEJF_CORRUPT for what does not open with the code. */
  async openInvite(code: Uint8Array): Promise<OpenedGroup> {
    const found = await absentAsUndefined(this.#client.invite(inviteId(this.#engine, code)));
    if (found === undefined)
      throw new SejfError(
        "SEJF_NOT_FOUND",
        "the server has no invitation for this code: it was used, or is expired",
        { hint: "ask for another one" },
      );
    const { nonce, ct, ...record } = found;
    const boxed = { nonce: base64UrlToBytes(nonce), ct: base64UrlToBytes(ct) };
    return openInvite(this.#engine, code, { ...record, ...boxed });
  }

  /** Asks to become a member. */
  async ask(account: string, code: Uint8Array): Promise<void> {
    const { recipient } = this.#keys;
    const mac = joinMac(this.#engine, code, { account, recipient });
    await this.#client.join({
      inviteId: inviteId(this.#engine, code),
      account,
      recipient,
      mac: bytesToBase64Url(mac),
    });
  }

  async requests(id: string): Promise<readonly StoredJoin[]> {
    return await this.#client.joins(id);
  }

  /** The server need not keep what nobody may use; what it keeps all the same, a new secret makes worthless. */
  async forgetInvites(codes: readonly string[]): Promise<void> {
    for (const code of codes)
      await absentAsUndefined(
        this.#client.deleteInvite(inviteId(this.#engine, base64UrlToBytes(code))),
      );
  }
}

async function absentAsUndefined<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (!isSejfError(error, "SEJF_NOT_FOUND")) throw error;
    return undefined;
  }
}
