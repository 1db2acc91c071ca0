/** Enrollment: with a code of the operator's an account gets its passwords, its keys and its first device. Spec: sealed 3. */
import { base64UrlToBytes, bytesToHex, hexToBytes, type OwnedBytes } from "../../bytes/index.ts";
import { type CryptoEngine, equalSecrets } from "../../crypto/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { ManifestChange } from "../../manifest/index.ts";
import {
  ENROLLMENT_LABEL,
  isRecipient,
  openCertificate,
  parseCode,
  type RegistrationFinish,
  type RegistrationStart,
  type RegistrationStarted,
  type TokenIssued,
} from "../../sealed/index.ts";
import { isAccountName } from "../accounts/index.ts";
import type { AccountName } from "../types.ts";
import { assertKeyring } from "./documents.ts";
import type { LoginTries } from "./login-tries.ts";
import { answerRegistration, assertRecord } from "./opaque-server.ts";
import { encode, labelsOf, timeText } from "./record-codec.ts";
import type { LoginRecord } from "./record-types.ts";
import type { Caller, ServiceParts } from "./service-parts.ts";

const MAX_NAME_CHARACTERS = 100;
const MAX_ESCROW = 32;

export class Enrollment {
  readonly #parts: ServiceParts;
  readonly #tries: LoginTries;

  constructor(parts: ServiceParts, tries: LoginTries) {
    this.#parts = parts;
    this.#tries = tries;
  }

  /** @throws SEJF_ACCESS_DENIED for a code that does not count for this account, whatever the reason; SEJF_LOCKED. */
  async start(caller: Caller, body: RegistrationStart): Promise<RegistrationStarted> {
    const { account, code } = body;
    const succeeded = this.#tries.begin(account.slice(0, MAX_NAME_CHARACTERS), "enroll", caller);
    await this.#parts.options.newest.ensure();
    const name = await this.#assertCounts(caller, account, code);
    succeeded();
    const { setup } = await this.#parts.setup();
    return registrationAnswer(this.#parts, setup, name, body);
  }

  /** The code counts no more afterwards. @throws as `start`; SEJF_INVALID_ARGUMENT. */
  async finish(caller: Caller, body: RegistrationFinish): Promise<TokenIssued> {
    const { account, code } = body;
    const succeeded = this.#tries.begin(account.slice(0, MAX_NAME_CHARACTERS), "enroll", caller);
    const setup = await this.#parts.setup();
    return await this.#parts.turns.run(async () => {
      await this.#parts.options.newest.ensure();
      const name = await this.#assertCounts(caller, account, code);
      const signingKey = keyOf(body.signingKey);
      const device = certifiedDevice(signingKey, body);
      assertPasswords(setup.setup, name, body);
      assertKeyring(body.keyring);
      if (!isRecipient(body.recipient))
        throw new SejfError(
          "SEJF_INVALID_ARGUMENT",
          "the recipient is no post-quantum age recipient",
        );
      const login: Omit<LoginRecord, "id"> = {
        setup: setup.id,
        login: body.login,
        delete: body.delete,
        recipient: body.recipient,
        signingKey,
        escrow: escrowOf(body.escrow ?? []),
        enrolled: timeText(this.#parts.nowMs),
        resetMs: 0,
      };
      const issued = await this.#store(name, login, { ...body, device });
      succeeded();
      this.#parts.audit(caller, {
        action: "account.enroll",
        who: name,
        result: "ok",
        target: device,
      });
      return issued;
    });
  }

  async #store(
    name: AccountName,
    login: Omit<LoginRecord, "id">,
    body: RegistrationFinish & { readonly device: string },
  ): Promise<TokenIssued> {
    const { records } = this.#parts.options;
    const old = await records.account(name);
    const { token, sha256 } = this.#parts.newToken();
    const scope = body.reads ? "reader" : "device";
    const put = (labels: Record<string, string>, data: object): ManifestChange => ({
      kind: "put",
      id: records.newId(),
      labels,
      data,
    });
    const id = records.newId();
    const gone = [
      ...(old?.codes ?? []),
      ...(old?.documents.values() ?? []),
      ...(old?.devices.values() ?? []),
      ...(old?.sessions ?? []),
    ].map((one) => one.id);
    const deletions = [...gone, ...(old?.outdated ?? [])].map(
      (one): ManifestChange => ({ kind: "delete", id: one }),
    );
    await records.write([
      ...deletions,
      { kind: "put", id, labels: labelsOf.login(name), data: encode.login({ ...login, id }) },
      put(labelsOf.document(name, "keyring", 1), encode.document(body.keyring)),
      put(
        labelsOf.device(name, body.device),
        encode.device({
          device: body.device,
          name: deviceName(body.deviceName),
          certificate: body.certificate,
          added: timeText(this.#parts.nowMs),
          scope,
          tokenSha256: sha256,
          revoked: undefined,
        }),
      ),
    ]);
    return { token, scope };
  }

  /** One refusal for every reason: unknown, managed, enrolled already, another code, an expired one. */
  async #assertCounts(caller: Caller, account: string, code: string): Promise<AccountName> {
    const why = await this.#whyNot(account, code);
    if (why === undefined) return account as AccountName;
    const who = account.slice(0, MAX_NAME_CHARACTERS);
    this.#parts.audit(caller, { action: "account.enroll", who, result: "denied", detail: why });
    this.#parts.options.log.warn({ who, from: caller.from }, `enrollment refused: ${why}`);
    throw new SejfError("SEJF_ACCESS_DENIED", "this enrollment code does not count", {
      hint: "codes count once, for one account, and for a limited time: the server's operator gives another",
    });
  }

  async #whyNot(account: string, code: string): Promise<string | undefined> {
    const { engine, accounts, records } = this.#parts.options;
    const sha256 = codeHash(engine, code);
    if (sha256 === undefined) return "the code is malformed";
    const found = isAccountName(account) ? await accounts.find(account) : undefined;
    if (found?.encryption !== "client" || found.problem !== undefined)
      return "there is no such sealed account";
    const sealed = await records.account(account);
    if (sealed?.login !== undefined) return "the account is enrolled already";
    const matching = sealed?.codes.find((one) =>
      equalSecrets(hexToBytes(one.sha256), hexToBytes(sha256)),
    );
    if (matching === undefined) return "the code is another account's, or was used";
    return this.#parts.nowMs < matching.expiresMs ? undefined : "the code is expired";
  }
}

/** Of the printed code; `undefined` for what is no code. */
export function codeHash(engine: CryptoEngine, code: string): string | undefined {
  try {
    return bytesToHex(engine.sha256(parseCode(engine, ENROLLMENT_LABEL, code)));
  } catch (error) {
    if (!isSejfError(error, "SEJF_INVALID_ARGUMENT")) throw error;
    return undefined;
  }
}

/** The server's answers to both registrations. @throws SEJF_INVALID_ARGUMENT. */
export function registrationAnswer(
  parts: ServiceParts,
  setup: string,
  name: AccountName,
  requests: Pick<RegistrationStart, "login" | "delete">,
): RegistrationStarted {
  const login = answerRegistration(setup, name, "login", requests.login);
  const repository = parts.servedRepository(setup);
  if (requests.delete === undefined) return { login, repository };
  return { login, delete: answerRegistration(setup, name, "delete", requests.delete), repository };
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function assertPasswords(
  setup: string,
  name: AccountName,
  { login, delete: removal }: { readonly login: string; readonly delete?: string | undefined },
): void {
  assertRecord(setup, name, login);
  if (removal !== undefined) assertRecord(setup, name, removal);
  if (removal === login)
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the delete password is the account's own");
}

/** The ID of the certified device. @throws SEJF_INVALID_ARGUMENT unless the account signed it. */
export function certifiedDevice(
  signingKey: OwnedBytes,
  { certificate }: { readonly certificate: string },
): string {
  try {
    return openCertificate(signingKey, certificate).id;
  } catch (error) {
    if (!isSejfError(error)) throw error;
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "the device's certificate is not signed by the account",
    );
  }
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function deviceName(text: string): string {
  if (text.trim() !== "" && text.length <= MAX_NAME_CHARACTERS && !/\p{Cc}/u.test(text))
    return text;
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `a device's name has 1 to ${MAX_NAME_CHARACTERS} characters, on one line`,
  );
}

/** An Ed25519 key of base64url. @throws SEJF_INVALID_ARGUMENT. */
export function keyOf(text: string): OwnedBytes {
  let key: OwnedBytes | undefined;
  try {
    key = base64UrlToBytes(text);
  } catch {
    // told below
  }
  if (key?.length === 32) return key;
  throw new SejfError("SEJF_INVALID_ARGUMENT", "the signing key is no Ed25519 key");
}

function escrowOf(fingerprints: readonly string[]): readonly string[] {
  const isFine = (one: string): boolean => /^[0-9a-f]{16,64}$/.test(one);
  if (fingerprints.length <= MAX_ESCROW && fingerprints.every((one) => isFine(one)))
    return fingerprints;
  throw new SejfError("SEJF_INVALID_ARGUMENT", "the escrow fingerprints are malformed");
}
