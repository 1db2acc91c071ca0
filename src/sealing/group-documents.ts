/**
 * Documents and invitations of groups as the server keeps them. SECURITY: what comes back is believed as far as it is signed
 * by an admin of what was known, or opens with a code. Spec: sealed 7.
 */
import { base64UrlToBytes, bytesToBase64Url, equalBytes, type Random } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type AccountKeys,
  adminsIn,
  type Group,
  inviteId,
  joinKeyMac,
  joinMac,
  type KnownGroup,
  type OpenedGroup,
  openGroup,
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
      stored.epoch > known.epoch + 1 ? await this.#walk(identities, known, stored.epoch) : known,
      stored,
      isRollbackAccepted,
    );
    return { opened, stored };
  }

  /**
   * From admins to admins: of the documents between the known one and the newest those that an admin of the one before
   * signed. What does not open or is signed by nobody known leads nowhere.
   */
  async #walk(
    identities: readonly string[],
    known: KnownGroup,
    newest: number,
  ): Promise<KnownGroup> {
    let since = known;
    const former = (await absentAsUndefined(this.#client.formerGroups(known.id))) ?? [];
    for (const { epoch, file } of former) {
      if (epoch <= since.epoch || epoch >= newest) continue;
      try {
        const opened = await openGroup(this.#engine, identities, since, base64UrlToBytes(file));
        since = { ...opened.group, sha256: opened.sha256 };
      } catch (error) {
        if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
      }
    }
    return since;
  }

  /** Signed by this account, and stored. @throws SEJF_ALREADY_EXISTS when another one has this epoch. */
  async write(
    group: Group,
    before?: Group,
    signingSeed: Uint8Array = this.#keys.signingSeed,
  ): Promise<CurrentGroup> {
    const { file, ...opened } = await writeGroup(this.#engine, signingSeed, group);
    const stored: StoredGroup = {
      id: group.id,
      epoch: group.epoch,
      file: bytesToBase64Url(file),
      members: group.members.map(({ account }) => account),
      admins: adminsIn(group).map(({ account }) => account),
      probe: group.params.probe,
      keep: before !== undefined && !sameKeys(group.admins, before.admins),
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

  /** Asks to become a member, or an admin: that the invitation says, which its maker keeps. */
  async ask(account: string, code: Uint8Array): Promise<void> {
    const { recipient, signingPublicKey: key } = this.#keys;
    const keyMac = joinKeyMac(this.#engine, code, { account, recipient, key });
    await this.#client.join({
      inviteId: inviteId(this.#engine, code),
      account,
      recipient,
      mac: bytesToBase64Url(joinMac(this.#engine, code, { account, recipient })),
      key: bytesToBase64Url(key),
      keyMac: bytesToBase64Url(keyMac),
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

function sameKeys(some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  return (
    some.length === others.length &&
    some.every((key) => others.some((other) => equalBytes(key, other)))
  );
}
