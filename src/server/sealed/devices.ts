/** The devices of an account: each has a token of its own, and signs heads as long as it is not revoked. Spec: sealed 3, 10. */
import { SejfError } from "../../errors/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import type { NewDevice, ServedDevice, TokenIssued } from "../../sealed/index.ts";
import { certifiedDevice, deviceName } from "./enrollment.ts";
import { encode, labelsOf, timeText } from "./record-codec.ts";
import type { DeviceRecord } from "./record-types.ts";
import { assertSession, type ServiceParts, type TokenCaller } from "./service-parts.ts";
import type { SealedTokens } from "./token-book.ts";

const MAX_DEVICES = 1000;

export class Devices {
  readonly #parts: ServiceParts;
  readonly #tokens: SealedTokens;

  constructor(parts: ServiceParts, tokens: SealedTokens) {
    this.#parts = parts;
    this.#tokens = tokens;
  }

  /** Those that are not revoked, by time. */
  async list({ account }: TokenCaller): Promise<readonly ServedDevice[]> {
    const { devices } = await this.#parts.enrolled(account);
    return [...devices.values()]
      .filter(({ revoked }) => revoked === undefined)
      .map(({ device: id, name, certificate, added }) => {
        const seenMs = this.#tokens.lastSeenMs(account, id);
        return {
          id,
          name,
          certificate,
          added,
          ...(seenMs === undefined ? {} : { lastSeen: timeText(seenMs) }),
        };
      });
  }

  /** @throws SEJF_ACCESS_DENIED without a session, SEJF_INVALID_ARGUMENT, SEJF_ALREADY_EXISTS. */
  async add(caller: TokenCaller, body: NewDevice): Promise<TokenIssued> {
    assertSession(caller);
    const { account } = caller;
    const { records, freshness } = this.#parts.options;
    return await this.#parts.turns.run(async () => {
      await freshness.ensure();
      const { login, devices } = await this.#parts.enrolled(account);
      const device = certifiedDevice(login.signingKey, body);
      if (devices.has(device))
        throw new SejfError("SEJF_ALREADY_EXISTS", `${account} has, or had, the device ${device}`);
      if (devices.size >= MAX_DEVICES)
        throw new SejfError(
          "SEJF_INVALID_ARGUMENT",
          `${account} has ${MAX_DEVICES} devices, which is the most`,
        );
      const { token, sha256 } = this.#parts.newToken();
      const scope = body.reads ? "reader" : "device";
      const data = encode.device({
        device,
        name: deviceName(body.name),
        certificate: body.certificate,
        added: timeText(this.#parts.nowMs),
        scope,
        tokenSha256: sha256,
        revoked: undefined,
      });
      const labels = labelsOf.device(account, device);
      await records.write([{ kind: "put", id: records.newId(), labels, data }]);
      this.#parts.audit(caller, {
        action: "device.add",
        who: account,
        result: "ok",
        target: device,
      });
      return { token, scope };
    });
  }

  /** @throws SEJF_ACCESS_DENIED without a session, SEJF_NOT_FOUND. */
  async rename(caller: TokenCaller, device: string, name: string): Promise<void> {
    assertSession(caller);
    await this.#replace(caller, device, { name: deviceName(name) });
    this.#parts.audit(caller, {
      action: "device.rename",
      who: caller.account,
      result: "ok",
      target: device,
    });
  }

  /**
   * Its token and its signatures count no more. SECURITY: whether this may be done is the caller's to check.
   * @throws SEJF_NOT_FOUND.
   */
  async revoke(caller: TokenCaller, device: string): Promise<void> {
    await this.#replace(caller, device, { revoked: timeText(this.#parts.nowMs) });
    this.#parts.audit(caller, {
      action: "device.revoke",
      who: caller.account,
      result: "ok",
      target: device,
    });
  }

  async #replace(
    { account }: TokenCaller,
    device: string,
    change: Partial<Pick<DeviceRecord, "name" | "revoked">>,
  ): Promise<void> {
    const { records, freshness } = this.#parts.options;
    await this.#parts.turns.run(async () => {
      await freshness.ensure();
      const old = (await this.#parts.enrolled(account)).devices.get(device);
      if (old === undefined || old.revoked !== undefined)
        throw new SejfError(
          "SEJF_NOT_FOUND",
          `${account} has no device ${JSON.stringify(device.slice(0, 40))}`,
        );
      const id: ManifestId = records.newId();
      await records.write([
        {
          kind: "put",
          id,
          labels: labelsOf.device(account, device),
          data: encode.device({ ...old, ...change }),
        },
        { kind: "delete", id: old.id },
      ]);
    });
  }
}
