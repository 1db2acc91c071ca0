/** The account service of a sejf server, as its clients call it. Spec: `docs/sealed.md`, "The account service". */
import type { CallOptions } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import {
  ACCOUNT_SERVICE_PATH,
  type AccountRekey,
  type FormerGroup,
  JsonShape,
  type LoginFinish,
  type LoginStart,
  type LoginStarted,
  type NewDevice,
  type PasswordChange,
  type PasswordReset,
  type PasswordResetStart,
  type PolicyChange,
  type RegistrationFinish,
  type RegistrationStart,
  type RegistrationStarted,
  type ServedDevice,
  type ServedHead,
  type SnapshotPins,
  STEP_UP_HEADER,
  type StepUpProof,
  type StepUpReady,
  type StoredGroup,
  type StoredInvite,
  type StoredJoin,
  type TokenIssued,
  type TrashedSnapshot,
  type VersionedDocument,
} from "../sealed/index.ts";
import type { DocumentName } from "./documents.ts";
import { callJson, type HttpsCall, type HttpsServer } from "./https-json.ts";

/** What a call carries beside its body. */
export interface AccountCallOptions extends CallOptions {
  readonly stepUp?: StepUpProof | undefined;
}

export class AccountClient {
  readonly server: HttpsServer;
  readonly #token: string | undefined;
  #basic: string | undefined;

  /** `token`: of a device or of a session. */
  constructor(server: HttpsServer, token?: string) {
    this.server = server;
    this.#token = token;
  }

  /** For an account whose data the server reads: it has the trash alone. */
  static ofManaged(server: HttpsServer, account: string, password: string): AccountClient {
    const client = new AccountClient(server);
    client.#basic = Buffer.from(`${account}:${password}`).toString("base64");
    return client;
  }

  /** SECURITY: stands for a password. */
  get token(): string | undefined {
    return this.#token;
  }

  /** The same server with another token. */
  withToken(token: string): AccountClient {
    return new AccountClient(this.server, token);
  }

  async startEnrollment(
    body: RegistrationStart,
    options?: CallOptions,
  ): Promise<RegistrationStarted> {
    return readRegistration(await this.#call("POST", "enroll/start", body, options));
  }

  async finishEnrollment(body: RegistrationFinish, options?: CallOptions): Promise<TokenIssued> {
    return readToken(await this.#call("POST", "enroll/finish", body, options));
  }

  async startLogin(body: LoginStart, options?: CallOptions): Promise<LoginStarted> {
    const answer = await this.#call("POST", "login/start", body, options);
    return { loginId: answer.text("loginId"), loginResponse: answer.text("loginResponse") };
  }

  async finishLogin(body: LoginFinish, options?: CallOptions): Promise<TokenIssued> {
    return readToken(await this.#call("POST", "login/finish", body, options));
  }

  /** The second half of a login with the delete password. */
  async finishStepUp(body: LoginFinish, options?: CallOptions): Promise<StepUpReady> {
    const answer = await this.#call("POST", "login/finish", body, options);
    const [stepUpId, nonce] = [answer.text("stepUpId"), answer.text("nonce")];
    return { stepUpId, nonce, expires: answer.text("expires") };
  }

  /** New records for the password or passwords; needs a session. */
  async startPassword(
    body: RegistrationStart,
    options?: CallOptions,
  ): Promise<RegistrationStarted> {
    return readRegistration(await this.#call("POST", "password/start", body, options));
  }

  async finishPassword(body: PasswordChange, options?: AccountCallOptions): Promise<void> {
    await this.#call("POST", "password/finish", body, options);
  }

  /** Signed by the account itself: without a password. */
  async startReset(body: PasswordResetStart, options?: CallOptions): Promise<RegistrationStarted> {
    return readRegistration(await this.#call("POST", "reset/start", body, options));
  }

  async reset(body: PasswordReset, options?: CallOptions): Promise<void> {
    await this.#call("POST", "reset", body, options);
  }

  /** Needs a session, which ends by it as all others do. */
  async rekey(body: AccountRekey, options?: AccountCallOptions): Promise<void> {
    await this.#call("POST", "rekey", body, options);
  }

  /** `undefined`: there is none. */
  async document(
    name: DocumentName,
    options?: CallOptions,
  ): Promise<VersionedDocument | undefined> {
    const answer = await this.#call("GET", `documents/${name}`, undefined, options);
    if (!answer.has("text")) return undefined;
    return { version: answer.integer("version"), text: answer.text("text") };
  }

  async putDocument(
    name: DocumentName,
    document: VersionedDocument,
    options?: CallOptions,
  ): Promise<void> {
    await this.#call("PUT", `documents/${name}`, document, options);
  }

  /** All that the account is a member of. */
  async groups(options?: CallOptions): Promise<readonly StoredGroup[]> {
    const answer = await this.#call("GET", "groups", undefined, options);
    return answer.objects("groups").map((group) => readGroup(group));
  }

  async group(id: string, options?: CallOptions): Promise<StoredGroup> {
    return readGroup(await this.#call("GET", `groups/${id}`, undefined, options));
  }

  /** Earlier documents that members may have to see, the oldest first. */
  async formerGroups(id: string, options?: CallOptions): Promise<readonly FormerGroup[]> {
    const answer = await this.#call("GET", `groups/${id}/former`, undefined, options);
    return answer
      .objects("documents")
      .map((one) => ({ epoch: one.integer("epoch"), file: one.text("file") }));
  }

  async putGroup(group: StoredGroup, options?: AccountCallOptions): Promise<void> {
    await this.#call("PUT", `groups/${group.id}`, group, options);
  }

  async putInvite(invite: StoredInvite, options?: CallOptions): Promise<void> {
    await this.#call("PUT", `invites/${invite.id}`, invite, options);
  }

  async invite(id: string, options?: CallOptions): Promise<StoredInvite> {
    const answer = await this.#call("GET", `invites/${id}`, undefined, options);
    return {
      id: answer.hex("id", 16),
      group: answer.hex("group", 16),
      expires: answer.text("expires"),
      nonce: answer.text("nonce"),
      ct: answer.text("ct"),
    };
  }

  async deleteInvite(id: string, options?: CallOptions): Promise<void> {
    await this.#call("DELETE", `invites/${id}`, undefined, options);
  }

  async join(join: StoredJoin, options?: CallOptions): Promise<void> {
    await this.#call("POST", `invites/${join.inviteId}/join`, join, options);
  }

  /** Requests to join a group by any of its invitations. */
  async joins(groupId: string, options?: CallOptions): Promise<readonly StoredJoin[]> {
    const answer = await this.#call("GET", `groups/${groupId}/joins`, undefined, options);
    return answer.objects("joins").map((join) => ({
      inviteId: join.hex("inviteId", 16),
      account: join.text("account"),
      recipient: join.text("recipient"),
      mac: join.text("mac"),
      ...(join.has("key") ? { key: join.text("key") } : {}),
      ...(join.has("keyMac") ? { keyMac: join.text("keyMac") } : {}),
    }));
  }

  /** The newest head of each source and device, which need no reading of contents. */
  async heads(options?: CallOptions): Promise<readonly ServedHead[]> {
    const answer = await this.#call("GET", "heads", undefined, options);
    return answer.objects("heads").map((one) => ({
      manifestId: one.text("manifestId"),
      source: one.text("source"),
      head: one.text("head"),
    }));
  }

  async devices(options?: CallOptions): Promise<readonly ServedDevice[]> {
    const answer = await this.#call("GET", "devices", undefined, options);
    return answer.objects("devices").map((device) => ({
      id: device.hex("id", 8),
      name: device.text("name"),
      certificate: device.text("certificate"),
      added: device.text("added"),
      lastSeen: device.has("lastSeen") ? device.text("lastSeen") : undefined,
    }));
  }

  /** Needs a session. */
  async addDevice(device: NewDevice, options?: CallOptions): Promise<TokenIssued> {
    return readToken(await this.#call("POST", "devices", device, options));
  }

  async renameDevice(id: string, name: string, options?: CallOptions): Promise<void> {
    await this.#call("PATCH", `devices/${id}`, { name }, options);
  }

  /** Its token dies at once. */
  async revokeDevice(id: string, options?: AccountCallOptions): Promise<void> {
    await this.#call("DELETE", `devices/${id}`, undefined, options);
  }

  async trash(options?: CallOptions): Promise<readonly TrashedSnapshot[]> {
    const answer = await this.#call("GET", "trash", undefined, options);
    return answer.objects("snapshots").map((one) => ({
      id: one.text("id"),
      source: one.text("source"),
      startTime: one.text("startTime"),
      deletedAt: one.text("deletedAt"),
      keptUntil: one.text("keptUntil"),
    }));
  }

  /** The ID that the snapshot has from now on. */
  async undelete(id: string, options?: CallOptions): Promise<ManifestId> {
    const answer = await this.#call("POST", `trash/${id}/undelete`, {}, options);
    return answer.hex("id", 16) as ManifestId;
  }

  /** Into the trash. Needs a session and a proof. */
  async deleteSnapshots(ids: readonly string[], options?: AccountCallOptions): Promise<void> {
    await this.#call("POST", "snapshots/delete", { ids }, options);
  }

  /** The ID that the snapshot has from now on. Needs a session, and a proof when one is taken away. */
  async setPins(body: SnapshotPins, options?: AccountCallOptions): Promise<ManifestId> {
    const answer = await this.#call("POST", "snapshots/pins", body, options);
    return answer.hex("id", 16) as ManifestId;
  }

  /** Needs a session, or a device that keeps the key; a session and a proof when it keeps less. */
  async setPolicy({ target, policy }: PolicyChange, options?: AccountCallOptions): Promise<void> {
    const body = policy === null ? { target } : { target, policy };
    await this.#call("PUT", "policy", body, options);
  }

  /** @throws what the server answers, by its code; SEJF_CORRUPT for an answer of another shape. */
  async #call(
    method: HttpsCall["method"],
    path: string,
    body: unknown,
    options: AccountCallOptions = {},
  ): Promise<JsonShape> {
    const { stepUp, signal } = options;
    const answer = await callJson(this.server, {
      method,
      path: `${ACCOUNT_SERVICE_PATH}/${path}`,
      body,
      token: this.#token,
      signal,
      headers: {
        ...(this.#basic === undefined ? {} : { authorization: `Basic ${this.#basic}` }),
        ...(stepUp === undefined
          ? {}
          : { [STEP_UP_HEADER]: Buffer.from(JSON.stringify(stepUp)).toString("base64url") }),
      },
    });
    return new JsonShape("the server's answer", answer);
  }
}

function readToken(answer: JsonShape): TokenIssued {
  const scope = answer.text("scope");
  if (scope !== "device" && scope !== "reader" && scope !== "session")
    throw answer.wrong("scope", "a known scope");
  const expires = answer.has("expires") ? answer.text("expires") : undefined;
  return { token: answer.text("token"), scope, expires };
}

function readRegistration(answer: JsonShape): RegistrationStarted {
  const repository = answer.object("repository");
  return {
    login: answer.text("login"),
    delete: answer.has("delete") ? answer.text("delete") : undefined,
    keyringVersion: answer.has("keyringVersion") ? answer.integer("keyringVersion") : undefined,
    keyringCopy: answer.has("keyringCopy") ? answer.text("keyringCopy") : undefined,
    hasDelete: answer.has("hasDelete") && answer.flag("hasDelete"),
    repository: {
      id: repository.text("id"),
      hash: repository.text("hash"),
      secretSha256: repository.hex("secretSha256", 32),
      opaqueKey: repository.text("opaqueKey"),
    },
  };
}

function readGroup(answer: JsonShape): StoredGroup {
  const probe = answer.text("probe");
  if (probe !== "group" && probe !== "own") throw answer.wrong("probe", "group or own");
  return {
    id: answer.hex("id", 16),
    epoch: answer.integer("epoch"),
    file: answer.text("file"),
    members: answer.texts("members"),
    admins: answer.texts("admins"),
    probe,
  };
}

/** A document store on the server: versions are checked there, and by whoever reads. */
export function documentsOfServer(client: () => Promise<AccountClient>): {
  load(name: DocumentName, options?: CallOptions): Promise<string | undefined>;
  save(name: DocumentName, text: string, options?: CallOptions): Promise<void>;
} {
  const versions = new Map<DocumentName, number>();
  return {
    async load(name, options) {
      const document = await (await client()).document(name, options);
      versions.set(name, document?.version ?? 0);
      return document?.text;
    },
    async save(name, text, options) {
      if (!versions.has(name)) await this.load(name, options);
      const version = (versions.get(name) ?? 0) + 1;
      await (await client()).putDocument(name, { version, text }, options);
      versions.set(name, version);
    },
  };
}

/** For errors of commands that need a server which has accounts. */
export function needsSejfServer(what: string): SejfError {
  return new SejfError("SEJF_UNSUPPORTED", `${what} needs a sejf server`, {
    hint: "this account lives in the repository itself, which no server guards",
  });
}
