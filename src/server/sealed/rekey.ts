/**
 * Other keys for an account: its former signing key says so, in a session with the password. What is stored stays; of the
 * devices only the one that asks goes on, with a new certificate. Spec: sealed 3.
 */
import { bytesToHex, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type { ManifestChange } from "../../manifest/index.ts";
import {
  type AccountRekey,
  isRecipient,
  JsonShape,
  parsePayload,
  REKEY_LABEL,
  verifyLine,
} from "../../sealed/index.ts";
import { assertKeyring, type Documents } from "./documents.ts";
import { assertPasswords, certifiedDevice, keyOf } from "./enrollment.ts";
import { encode, labelsOf, msOf, timeText } from "./record-codec.ts";
import type { DeviceRecord, LoginRecord } from "./record-types.ts";
import {
  accessDenied,
  assertSession,
  type ServiceParts,
  type TokenCaller,
} from "./service-parts.ts";

/** How far the client's clock may be off. */
const WINDOW_MS = 10 * 60_000;

export class Rekey {
  readonly #parts: ServiceParts;
  readonly #documents: Documents;

  constructor(parts: ServiceParts, documents: Documents) {
    this.#parts = parts;
    this.#documents = documents;
  }

  /**
   * All sessions of the account end. `mayReplaceDelete`: the delete password was proved; it depends on the account key, so
   * that there is none afterwards. @throws SEJF_ACCESS_DENIED, SEJF_INVALID_ARGUMENT, SEJF_ALREADY_EXISTS.
   */
  async apply(caller: TokenCaller, body: AccountRekey, mayReplaceDelete: boolean): Promise<void> {
    assertSession(caller);
    const { records, freshness } = this.#parts.options;
    const { account } = caller;
    await this.#parts.turns.run(async () => {
      await freshness.ensure();
      const old = await this.#parts.enrolled(account);
      if (old.login.delete !== undefined && !mayReplaceDelete)
        throw new SejfError("SEJF_ACCESS_DENIED", "new keys need the delete password");
      const shape = this.#signed(account, old.login, body);
      const signingKey = keyOf(shape.text("signingKey"));
      const recipient = shape.text("recipient");
      if (!isRecipient(recipient))
        throw new SejfError(
          "SEJF_INVALID_ARGUMENT",
          "the recipient is no post-quantum age recipient",
        );
      const certificate = shape.text("certificate");
      const device = certifiedDevice(signingKey, { certificate });
      if (old.devices.get(device)?.revoked !== undefined || !old.devices.has(device))
        throw new SejfError("SEJF_INVALID_ARGUMENT", `${account} has no device ${device}`);
      const login: LoginRecord = {
        ...old.login,
        id: records.newId(),
        login: shape.text("login"),
        delete: undefined,
        recipient,
        signingKey,
      };
      assertPasswords(await this.#parts.setupOf(login), account, login);
      assertKeyring(body.keyring.text);
      await records.write([
        ...this.#documents.changes(old, "keyring", body.keyring),
        ...(body.policies === undefined
          ? []
          : this.#documents.changes(old, "policies", body.policies)),
        { kind: "put", id: login.id, labels: labelsOf.login(account), data: encode.login(login) },
        { kind: "delete", id: old.login.id },
        ...[...old.devices.values()].flatMap((one) =>
          this.#device(account, one, one.device === device ? certificate : undefined),
        ),
      ]);
      this.#parts.audit(caller, {
        action: "account.rekey",
        who: account,
        result: "ok",
        target: device,
      });
    });
  }

  /** With its new certificate, or revoked without one. */
  #device(
    account: TokenCaller["account"],
    record: DeviceRecord,
    certificate: string | undefined,
  ): readonly ManifestChange[] {
    if (record.revoked !== undefined) return [];
    const changed =
      certificate === undefined
        ? { ...record, revoked: timeText(this.#parts.nowMs) }
        : { ...record, certificate };
    return [
      {
        kind: "put",
        id: this.#parts.options.records.newId(),
        labels: labelsOf.device(account, record.device),
        data: encode.device(changed),
      },
      { kind: "delete", id: record.id },
    ];
  }

  #signed(account: string, { signingKey }: LoginRecord, body: AccountRekey): JsonShape {
    try {
      const payload = verifyLine(REKEY_LABEL, signingKey, body.signed);
      const shape = new JsonShape("the signed request", parsePayload(REKEY_LABEL, payload));
      shape.version(1);
      const timeMs = msOf(shape.text("time"));
      const isRecent = timeMs !== undefined && Math.abs(this.#parts.nowMs - timeMs) <= WINDOW_MS;
      const { keyring, policies } = body;
      const isSame =
        this.#sha256(keyring.text) === shape.hex("keyringSha256", 32) &&
        (policies === undefined) === !shape.has("policiesSha256") &&
        (policies === undefined || this.#sha256(policies.text) === shape.hex("policiesSha256", 32));
      if (shape.text("account") === account && isRecent && isSame) return shape;
    } catch (error) {
      if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    }
    throw accessDenied();
  }

  #sha256(text: string): string {
    return bytesToHex(this.#parts.options.engine.sha256(utf8ToBytes(text)));
  }
}
